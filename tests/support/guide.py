"""The commands of a document, as its reader would run them, and what it says they print.

The one thing to know: blocks fenced as ``sh`` are commands, one after another in one shell; a block
fenced as ``text`` right behind one is what it prints. In it ``…`` stands for anything, and lines
that are left out may be left out.
"""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

_FENCED: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK: Final = "@@ block "
# Where a guide stops half-way, what it began in the background ends with its shell.
_PROLOGUE: Final = """
set -euo pipefail
trap 'for each in $(jobs -p); do kill "$each" 2>/dev/null || true; done; wait' EXIT
"""


class Block(NamedTuple):
    """Commands, and the lines that they print."""

    where: str
    commands: str
    expected: tuple[str, ...]


def blocks_of(path: Path) -> list[Block]:
    """All commands of a document, in order."""
    text = path.read_text("utf-8")
    found: list[Block] = []
    end = -1
    for each in _FENCED.finditer(text):
        kind, body = each[1], each[2]
        line = text.count("\n", 0, each.start()) + 1
        if kind == "sh":
            found.append(Block(f"{path.name}:{line}", body, ()))
        elif kind == "text" and found and not text[end : each.start()].strip():
            found[-1] = found[-1]._replace(expected=tuple(body.splitlines()))
        end = each.end()
    return found


class Ran(NamedTuple):
    """How a guide went: what each block printed, up to the one that failed."""

    exit_code: int
    outputs: tuple[str, ...]
    errors: str


def run_guide(
    blocks: Sequence[Block], cwd: Path, environment: Mapping[str, str], timeout_s: float
) -> Ran:
    """Run the blocks in one shell; the first command that fails ends it."""
    parts = [
        f"printf '\\n{_MARK}%s\\n' {number}\n{each.commands}" for number, each in enumerate(blocks)
    ]
    shell = subprocess.Popen(
        ["bash", "-c", _PROLOGUE + "\n".join(parts)],  # noqa: S607 - the reader's own shell
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        out, _ = shell.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        shell.terminate()
        out, _ = shell.communicate(timeout=60)
    outputs = re.split(rf"^{_MARK}\d+\n", out, flags=re.MULTILINE)[1:]
    return Ran(shell.returncode, tuple(outputs), out)


def missing_lines(block: Block, output: str) -> list[str]:
    """The lines of the document that the output does not have, each behind the one before it."""
    lines = output.splitlines()
    at, missing = 0, []
    for wanted in block.expected:
        pattern = ".*".join(_spaced(each) for each in wanted.split("…"))
        found = next(
            (n for n in range(at, len(lines)) if re.fullmatch(pattern, lines[n].rstrip())), None
        )
        if found is None:
            missing.append(wanted)
        else:
            at = found + 1
    return missing


def _spaced(text: str) -> str:
    """A pattern of the text in which any number of spaces is as good as another: columns grow."""
    return r" +".join(re.escape(each) for each in re.split(r" +", text))
