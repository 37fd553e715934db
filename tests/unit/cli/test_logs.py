"""`flumina logs`: exact bytes into a pipe, harmless ones on a terminal, notes said once."""

from pathlib import Path

import pytest

from streams.cli.command_logs import Output, harmless
from tests.support.command_line import flumina

HOSTILE: dict[str, tuple[str, str]] = {
    "clears the screen": ("\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H"),
    "writes over the line": ("safe\rrm -rf", "safe\\rrm -rf"),
    "sets the title": ("\x1b]0;root\x07", "\\x1b]0;root\\x07"),
    "a control character of eight bits": ("\x9b2J", "\\x9b2J"),
    "writes backwards": ("\u202egnp.exe", "\\u202egnp.exe"),
    "is nothing": ("a\u200bb\x00", "a\\u200bb\\x00"),
    "is text": ("grün\tund\ngut ✓", "grün\tund\ngut ✓"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_terminal_is_shown_text_and_not_told_what_to_do(case: str) -> None:
    written, shown = HOSTILE[case]
    assert harmless(written) == shown


def test_a_pipe_gets_every_byte(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    out = Output(is_plain=True)
    for data in (b"a\xff\x00\x1b[2J", b"\xe2\x9c", b"\x93"):
        out.write(data)
    out.finish()
    assert capsysbinary.readouterr().out == b"a\xff\x00\x1b[2J\xe2\x9c\x93"


def test_a_character_that_comes_in_two_pieces_is_one(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    out = Output(is_plain=False)
    for data in (b"\xe2\x9c", b"\x93 ", b"\xff\xe2"):
        out.write(data)
    out.finish()
    assert capsysbinary.readouterr().out.decode() == "✓ \ufffd\ufffd"


def test_a_note_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(is_plain=True)
    for text in ("", "the host is gone\x1b[2J", "the host is gone\x1b[2J"):
        out.note(text)
    assert capsys.readouterr().err == "flumina: the host is gone\\x1b[2J\n"


WRONG: dict[str, tuple[list[str], str]] = {
    "two files": (["--stderr", "--file", "a.log"], "name two files"),
    "two places": (["--tail", "--since", "-5m"], "name two places"),
    "no time": (["--since", "1042"], "names no time"),
    "nonsense": (["--since", "yesterday-ish"], "cannot be read"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_meant_is_refused_before_anybody_is_asked(case: str, tmp_path: Path) -> None:
    words, said = WRONG[case]
    done = flumina(tmp_path, "logs", "a-worker-0-1", *words)
    assert done.returncode != 0
    assert said in done.stderr
