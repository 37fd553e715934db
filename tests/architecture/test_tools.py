"""The tools that check the code agree, on all of it; what they print is the failure."""

import subprocess
import sys

import pytest

from tests.architecture.tree import PACKAGES, ROOT

IMPORT_LINTER = "from importlinter.cli import lint_imports_command; lint_imports_command()"

CONCISE = ("--output-format", "concise")


def _assert_content(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise AssertionError(f"{done.stdout}\n{done.stderr}")


def test_ruff_finds_nothing() -> None:
    _assert_content("-m", "ruff", "check", "--quiet", *CONCISE, ".")


def test_ruff_would_format_nothing_differently() -> None:
    _assert_content("-m", "ruff", "format", "--check", "--quiet", *CONCISE, *PACKAGES, "tests")


@pytest.mark.integration  # A minute's work where nothing is cached, in a process of its own.
def test_mypy_finds_nothing() -> None:
    _assert_content("-m", "mypy", "--no-error-summary")


@pytest.mark.integration  # It starts processes.
def test_the_import_contracts_hold() -> None:
    _assert_content("-c", IMPORT_LINTER)
