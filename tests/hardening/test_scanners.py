"""Scanners find nothing without a reason, and they do find what was planted.

Minutes on a busy computer, so only the soak runs them; ruff's own rules of security (S) are the
gate's.
"""

from pathlib import Path

import pytest

from tests.hardening.scanners import EXPLAINED, ROOT, bandit, made_semgrep, semgrep

PLANTED = """\
import hashlib
import pickle
import subprocess

import msgspec


def f(data, secret, other):
    subprocess.run(data, shell=True)
    hashlib.md5(data)
    if secret == other:
        return pickle.loads(data)
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return eval(data)
"""


def test_every_explained_finding_is_of_a_file_that_there_is() -> None:
    assert all((ROOT / path).is_file() for path, _ in EXPLAINED)


@pytest.mark.soak
def test_bandit_finds_nothing_without_a_reason() -> None:
    assert bandit() == []


@pytest.mark.soak
def test_bandit_finds_what_was_planted(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(PLANTED)
    assert {each.rule for each in bandit([str(tmp_path)])} >= {"B602", "B324", "B301", "B307"}


@pytest.mark.soak
def test_semgrep_finds_what_was_planted_and_nothing_else(tmp_path: Path) -> None:
    if why := made_semgrep():
        pytest.skip(why)
    (tmp_path / "planted.py").write_text(PLANTED)
    rules = {each.rule.rpartition(".")[2] for each in semgrep([str(tmp_path)])}
    assert rules == {
        "shell",
        "hash-that-collides",
        "secret-compared-openly",
        "unpickled",
        "bytes-error-of-msgspec-alone",
        "code-from-text",
    }
    assert semgrep() == []
