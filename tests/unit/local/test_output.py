"""What a task writes becomes lines, however it comes: in pieces, without an end, too long."""

from pathlib import Path

from streams.local.output import LINE_BYTES_MAX, TaskOutput


def test_a_line_comes_when_it_is_complete(tmp_path: Path) -> None:
    found: list[Path | None] = [None]
    output = TaskOutput(lambda: found[0])
    assert list(output.lines()) == [], "there is no sandbox yet"
    found[0] = tmp_path
    assert list(output.lines()) == [], "and then no file"
    (tmp_path / "stdout").write_bytes(b"one\ntw")
    (tmp_path / "stderr").write_bytes(b"bad\r\n")
    assert list(output.lines()) == [("stdout", "one"), ("stderr", "bad")]
    with (tmp_path / "stdout").open("ab") as file:
        file.write(b"o\n\nthree \xff")
    assert list(output.lines()) == [("stdout", "two"), ("stdout", "")]
    assert list(output.lines(is_last=True)) == [("stdout", "three \ufffd")]
    assert list(output.lines(is_last=True)) == []


def test_a_line_without_end_comes_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "stdout").write_bytes(b"x" * (2 * LINE_BYTES_MAX + 1))
    output = TaskOutput(lambda: tmp_path)
    pieces = [text for _, text in output.lines()]
    assert [len(each) for each in pieces] == [LINE_BYTES_MAX, LINE_BYTES_MAX]
    assert list(output.lines(is_last=True)) == [("stdout", "x")]
