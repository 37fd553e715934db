"""Every `flumina` command that a document shows exists, with the options it is shown with.

The arguments are parsed for real, by the command line itself; only the last step, to run the
command, is left out.
"""

import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from streams.cli.main import with_pair
from tests.architecture.tree import ROOT, files, place
from tests.support.parsed_commands import read_as_command

FENCED = re.compile(r"^```(?:sh|shell|bash|console|text)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
# What stands between quotation marks is one word, whatever is in it.
WORDS = r"""(?:"[^"\n]*"|'[^'\n]*'|[^|#&>\n"'])*"""
CALL = re.compile(
    rf"^\s*(?:\$ )?(?:[A-Z_]+=\S* )*(?:\./)?flumina(?: (?P<words>{WORDS}))?", re.MULTILINE
)


@cache
def _calls() -> list[tuple[Path, str]]:
    return [
        (path, (call["words"] or "").strip())
        for path in files(".md")
        for block in FENCED.findall(path.read_text("utf-8"))
        for call in CALL.finditer(block.replace("\\\n", " "))
    ]


def test_the_readme_shows_how_to_begin() -> None:
    assert any(path.name == "README.md" and words for path, words in _calls())


@pytest.mark.parametrize(
    ("path", "words"), _calls(), ids=[f"{place(path)}: {words}" for path, words in _calls()]
)
def test_the_command_exists(path: Path, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    # Of variables of the shell only a port has to be a number.
    read_as_command(with_pair(shlex.split(words.replace("$PORT", "5050"))), path)
