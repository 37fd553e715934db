"""bandit and semgrep over the four packages, and why each thing that they find is right.

The one thing to know: bandit is locked with us. semgrep pins libraries that others of our tests
need in other versions, so it lives in an environment of its own, made once beside the checkout's
``.venv``. Its rules are ours: no rule pack is fetched.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("scheduler", "projections", "connectors", "streams")
SEMGREP: Final = "semgrep==1.182.0"
SEMGREP_HOME: Final = ROOT / ".venv" / "semgrep"
RULES: Final = Path(__file__).parent / "semgrep"
MAKE_S_MAX: Final = 900.0

RIGHT_EVERYWHERE: Final = {
    "B101": "assertions are of our own mistakes and never of input (CONVENTIONS); -O is not used",
    "B105": "names of headers and settings; ruff's S105 looks at the same with reasons beside it",
    "B107": "an empty text as default is no password",
    "B311": "chance for spreading and simulation; ruff's S311 has a reason beside each",
    "B404": "importing subprocess is no use of it",
    "B603": "no shell, a list of arguments; ruff's S603 looks at the same",
    "B606": "no shell, a list of arguments",
    "B607": "`git` and the like by the operator's own PATH",
}
"""Kinds that are not asked for, each with its reason."""
EXPLAINED: Final = {
    ("connectors/archive/sql.py", "B608"): "names and numbers are ours; the generation is 8 hex",
    ("connectors/devcluster/agent/executor.py", "B102"): "loads files of its own folder",
    ("connectors/devcluster/agent/executor_fetch.py", "B310"): "schemes are matched before",
    ("connectors/mesos/translate.py", "B104"): "0.0.0.0 is compared with, and not bound to",
    ("connectors/volumes/directory.py", "B202"): "filter='tar' refuses what leads outside",
    ("streams/api/server.py", "B104"): "0.0.0.0 is compared with, and not bound to",
    ("streams/cli/doctor_isolation.py", "B310"): "http, of the master's own word",
    ("streams/cli/doctor_network.py", "B310"): "begins with http:// in the same line",
}


class Finding(NamedTuple):
    """Something that a scanner found."""

    path: str
    line: int
    rule: str
    text: str


def bandit(paths: Iterable[str] = PACKAGES) -> list[Finding]:
    """What bandit finds that nobody has explained; raises RuntimeError where it cannot run."""
    skipped = ",".join(sorted(RIGHT_EVERYWHERE))
    words = ["-q", "-f", "json", "--skip", skipped, "-r", *paths]
    found = _json([sys.executable, "-m", "bandit", *words])
    if found["errors"]:
        raise RuntimeError(f"bandit could not read all files: {found['errors'][:3]}")
    findings = [
        Finding(each["filename"], each["line_number"], each["test_id"], each["issue_text"])
        for each in found["results"]
    ]
    return [each for each in findings if (each.path, each.rule) not in EXPLAINED]


def semgrep(paths: Iterable[str] = PACKAGES) -> list[Finding]:
    """What our rules find; raises RuntimeError where semgrep cannot run."""
    program = SEMGREP_HOME / "bin" / "semgrep"
    words = ["scan", "--config", str(RULES), "--metrics", "off", "--disable-version-check"]
    found = _json([str(program), *words, "--json", "--quiet", *paths], SEMGREP_HOME / "bin")
    # Of `match` statements it cannot read a few, which it says as warnings and passes over.
    if errors := [each for each in found["errors"] if each["level"] == "error"]:
        raise RuntimeError(f"semgrep failed: {errors[:3]}")
    return [
        Finding(each["path"], each["start"]["line"], each["check_id"], each["extra"]["message"])
        for each in found["results"]
    ]


def made_semgrep() -> str:
    """Make semgrep's environment where it is not yet; why that cannot be done, or empty."""
    program = SEMGREP_HOME / "bin" / "semgrep"
    if program.exists():
        return ""
    try:
        subprocess.run(
            [sys.executable, "-m", "venv", str(SEMGREP_HOME)],
            check=True,
            capture_output=True,
            timeout=MAKE_S_MAX,
        )
        subprocess.run(
            [str(SEMGREP_HOME / "bin" / "python"), "-m", "pip", "install", "-q", SEMGREP],
            check=True,
            capture_output=True,
            timeout=MAKE_S_MAX,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"{SEMGREP} cannot be installed here: {error}"
    return ""


def _json(command: list[str], home: Path | None = None) -> dict[str, Any]:
    path = {} if home is None else {"PATH": f"{home}:/usr/bin:/bin"}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=MAKE_S_MAX,
        env={"HOME": str(SEMGREP_HOME), **path} if path else None,
    )
    try:
        found = json.loads(done.stdout)
    except ValueError as error:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr}") from error
    return dict(found)
