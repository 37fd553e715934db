"""The two tools that make mutants and tell what tests execute, in a folder of their own.

The one thing to know: neither is a dependency of flumina or of its tests. mutmut pins libraries in
versions of its own, so it has an environment; coverage.py has no dependencies and must run in the
process of the tests, so it is a plain folder that only such a process looks into.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

from streams.setting_rows.keeping import default_cache_dir

MUTMUT: Final = "mutmut==3.8.1"
COVERAGE: Final = "coverage==7.17.3"
MAKE_S_MAX: Final = 600.0


class ToolsMissing(Exception):
    """What makes mutants is not here and could not be fetched."""


def home() -> Path:
    """Where tools, copies of the tree and what was found out of them are kept between runs."""
    return default_cache_dir() / "mutation"


def mutmut_python(folder: Path | None = None) -> Path:
    """The interpreter that has mutmut, made on first use; raises ToolsMissing."""
    made = (folder or home()) / MUTMUT.replace("==", "-")
    python = made / "bin" / "python"
    if not (made / "done").exists():
        _run([sys.executable, "-m", "venv", str(made)], MUTMUT)
        _run([str(python), "-m", "pip", "install", "-q", MUTMUT], MUTMUT)
        (made / "done").touch()
    return python


def coverage_folder(folder: Path | None = None) -> Path:
    """The folder to look into for `import coverage`, made on first use; raises ToolsMissing."""
    made = (folder or home()) / COVERAGE.replace("==", "-")
    if not (made / "done").exists():
        install = ["install", "-q", "--no-deps", "--target", str(made), COVERAGE]
        _run([sys.executable, "-m", "pip", *install], COVERAGE)
        (made / "done").touch()
    return made


def _run(command: list[str], what: str) -> None:
    try:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=MAKE_S_MAX,
            errors="replace",
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", "") or error).strip()
        raise ToolsMissing(
            f"{what} could not be installed under {home()}: {said[-400:]}. Mutation testing "
            "fetches it once from the index that pip is set to: check the network, or set "
            "FLUMINA_CACHE to a folder that holds what another run has fetched."
        ) from error
