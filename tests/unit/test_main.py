"""The command line as a whole: quick help, words handed on, errors as sentences.

Each case runs the command line in a process of its own, as a person would.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
# Each of these takes a noticeable part of a second to import.
SLOW_LIBRARIES = ("aiokafka", "faust", "numpy", "aiohttp", "boto3", "jgo", "starlette")
HELP_AND_MODULES = """
import sys
from streams.cli.main import main
try:
    main(["--help"])
except SystemExit as left:
    assert left.code == 0, left.code
print("MODULES", *sorted(sys.modules))
"""


def _run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "200"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.integration  # It starts processes.
def test_help_lists_every_command_and_imports_none() -> None:
    done = _run("-c", HELP_AND_MODULES)
    assert done.returncode == 0, done.stderr
    help_text, _, modules = done.stdout.partition("MODULES")
    for command in COMMANDS:
        assert f" {command.name} " in help_text
        assert command.target.partition(":")[0] not in modules.split()
    assert not set(SLOW_LIBRARIES) & set(modules.split())


@pytest.mark.integration  # It starts processes.
def test_a_misspelt_command_gets_a_hint() -> None:
    done = _run("-m", "streams.cli.main", "tset")
    assert done.returncode == 2
    assert "Did you mean" in done.stderr


@pytest.mark.integration  # It starts processes.
def test_an_error_is_two_sentences_and_a_code_and_no_traceback() -> None:
    done = _run("-m", "streams.cli.main", "jobs", FLUMINA_CELS="[bold]1[/bold]")
    assert done.returncode == 1
    assert done.stderr.startswith("flumina: The environment has a setting that cannot be used: ")
    assert "FLUMINA_CELS is no setting; FLUMINA_CELLS is meant, perhaps" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.integration  # It starts processes.
def test_the_version_is_that_of_the_distribution() -> None:
    done = _run("-m", "streams.cli.main", "--version")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("flumina 0.")


@pytest.mark.integration  # It starts processes.
def test_test_hands_every_word_to_pytest() -> None:
    done = _run("-m", "streams.cli.main", "test", "--version")
    assert done.returncode == 0, done.stderr
    assert "pytest" in done.stdout
    nonsense = _run("-m", "streams.cli.main", "test", "--no-such-option")
    assert "unrecognized arguments: --no-such-option" in nonsense.stderr


@pytest.mark.integration  # It starts processes.
def test_test_leaves_out_soak_unless_markers_are_named(tmp_path: Path) -> None:
    cases = tmp_path / "test_cases.py"
    cases.write_text(
        "import pytest\n@pytest.mark.soak\ndef test_long(): pass\ndef test_short(): pass\n"
    )
    quick = ("--noconftest", "-p", "no:hypothesispytest")
    command = ("-m", "streams.cli.main", "test", "--co", "-q", *quick, str(cases))
    assert "test_short" in (usual := _run(*command).stdout)
    assert "test_long" not in usual
    assert "test_long" in (asked := _run(*command, "-m", "soak").stdout)
    assert "test_short" not in asked
