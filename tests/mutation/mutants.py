"""All mutants of the two packages, and the seeded choice among them.

The one thing to know: the choice is by a digest of the seed and the mutant's own words, so a
mutant that was chosen once is chosen again although other files have changed.
"""

import json
import math
import subprocess
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.mutation.rules import Reader

LISTING: Final = Path(__file__).parent / "listing.py"
LIST_S_MAX: Final = 1_800.0
WILSON_Z: Final = 1.959964
"""Of the normal distribution: 95 % lie within."""


class Mutant(msgspec.Struct, frozen=True):
    """One change to one place of one file."""

    path: str
    index: int
    """Its place among all that mutmut makes of this text of the file."""
    operator: str
    line: int
    column: int
    before: str
    after: str
    function: str
    """Qualified, as Python names it: `Machine.apply`."""
    first_line: int
    """Of the statement it is in, and for a compound one of its head."""
    last_line: int

    @property
    def words(self) -> str:
        """What names it wherever in the file it stands, and however often it is listed."""
        return f"{self.path}|{self.function}|{self.operator}|{self.before}|{self.after}"


class Listed(msgspec.Struct):
    """The mutants of some files."""

    counted: list[Mutant]
    left_out: dict[str, int]
    """How many a rule left out, by the rule."""


def listed(root: Path, paths: Sequence[str], python: Path, kept: Path) -> Listed:
    """All mutants of files; what was listed of a text once is kept in a folder."""
    counted: list[Mutant] = []
    left_out: dict[str, int] = {}
    rows = _rows(root, paths, python, kept)
    for path in paths:
        reader = Reader((root / path).read_text("utf-8"))
        for row in rows[path]:
            place = reader.place(row["line"], row["column"], row["line_end"], row["column_end"])
            if why := reader.why_not(place, row["operator"], row["before"], row["after"]):
                left_out[why] = left_out.get(why, 0) + 1
                continue
            first, last = place.lines
            made = {key: row[key] for key in ("index", "operator", "line", "column")}
            words = {"before": row["before"], "after": row["after"], "function": place.function}
            counted.append(Mutant(path=path, **made, **words, first_line=first, last_line=last))
    return Listed(counted, left_out)


def made(root: Path, mutants: Iterable[Mutant], python: Path) -> list[str]:
    """The text of each mutant's file with the change in it, in the mutants' order."""
    order = sorted({(each.path, each.index) for each in mutants})
    asked = json.dumps({"make": order})
    texts = {(row["path"], row["index"]): str(row["text"]) for row in _answers(root, python, asked)}
    return [texts[each.path, each.index] for each in mutants]


def chosen(mutants: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """So many of them, each as likely as any other, in the order of their digests."""
    seen: dict[str, int] = {}
    ranked = []
    for each in mutants:
        repeat = seen[each.words] = seen.get(each.words, -1) + 1
        ranked.append((sha256(f"{seed}|{each.words}|{repeat}".encode()).digest(), each))
    ranked.sort(key=lambda pair: pair[0])
    return [each for _, each in ranked[:count]]


def wilson(found: int, of: int) -> tuple[float, float]:
    """Between which shares the true one lies, by what a sample found: Wilson's 95 % interval."""
    if of == 0:
        return 0.0, 1.0
    share, square = found / of, WILSON_Z**2
    middle = share + square / (2 * of)
    reach = WILSON_Z * math.sqrt(share * (1 - share) / of + square / (4 * of**2))
    return (middle - reach) / (1 + square / of), (middle + reach) / (1 + square / of)


def _rows(
    root: Path, paths: Sequence[str], python: Path, kept: Path
) -> dict[str, list[dict[str, Any]]]:
    files = {
        path: kept / f"{sha256(path.encode() + (root / path).read_bytes()).hexdigest()[:24]}.json"
        for path in paths
    }
    kept.mkdir(parents=True, exist_ok=True)
    missing = [path for path in paths if not files[path].exists()]
    if missing:
        for row in _answers(root, python, json.dumps({"list": missing})):
            files[row["path"]].write_text(json.dumps(row["mutants"]), "utf-8")
    return {path: json.loads(files[path].read_text("utf-8")) for path in paths}


def _answers(root: Path, python: Path, asked: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [str(python), str(LISTING)],
        input=asked,
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
        timeout=LIST_S_MAX,
    )
    if done.returncode != 0:
        raise RuntimeError(f"mutmut could not read the files: {done.stderr[-800:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
