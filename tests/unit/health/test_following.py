"""A log file followed through rotation, truncation and restarts: each line once, none left out."""

import os
from pathlib import Path

import pytest

from streams.health import following
from streams.health.following import CHUNK_BYTES, LINE_BYTES_MAX, QUIET_TAKES, FollowedFile, Mark


def follow(path: Path, mark: Mark | None = None, *, is_from_start: bool = True) -> FollowedFile:
    return FollowedFile(path, mark, is_from_start=is_from_start)


def all_of(file: FollowedFile, takes: int = 3 * QUIET_TAKES) -> list[str]:
    return [line for _ in range(takes) for line in file.take(1_000).lines]


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_only_whole_lines_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("one\ntwo\nthr")
    file = follow(path)
    assert all_of(file) == ["one", "two"]
    append(path, "ee\r\n\n")
    assert all_of(file) == ["three", ""]


def test_what_was_there_before_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("old\n")
    file = follow(path, is_from_start=False)
    assert all_of(file) == []
    append(path, "new\n")
    assert all_of(file) == ["new"]


def test_a_file_may_come_later(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    file = follow(path)
    assert all_of(file) == []
    path.write_text("one\n")
    assert all_of(file) == ["one"]


def test_a_restart_goes_on_behind_the_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("one\ntwo\nthree\n")
    first = follow(path)
    assert first.take(2).lines == ["one", "two"]
    first.close()
    assert all_of(follow(path, first.mark)) == ["three"]


def test_a_renamed_file_is_read_to_its_end_first(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("one\n")
    file = follow(path)
    assert all_of(file) == ["one"]
    with path.open("a", encoding="utf-8") as writer:
        path.rename(tmp_path / "a.log.1")
        path.write_text("three\n")
        # Its writer has not noticed yet.
        writer.write("two\nlast words")
        writer.flush()
        assert all_of(file) == ["two", "last words", "three"]


def test_a_restart_finds_a_renamed_file_again(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("one\ntwo\n")
    first = follow(path)
    assert first.take(1).lines == ["one"]
    first.close()
    path.rename(tmp_path / "a.log.1")
    path.write_text("three\n")
    assert all_of(follow(path, first.mark)) == ["two", "three"]


def test_a_file_cut_to_nothing_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("one\ntwo\n")
    file = follow(path)
    assert all_of(file) == ["one", "two"]
    os.truncate(path, 0)
    append(path, "six\n")
    assert all_of(file) == ["six"]


def test_a_line_without_end_does_not_stop_it(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("x" * (CHUNK_BYTES + 10) + "\nnext\n")
    found = all_of(follow(path))
    assert found == ["x" * LINE_BYTES_MAX, "x" * 10, "next"]


def test_who_is_far_behind_leaves_out_and_says_how_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "BEHIND_BYTES_MAX", 100)
    path = tmp_path / "a.log"
    path.write_text("0123456789abcde\n" * 16)
    taken = follow(path).take(1_000)
    assert taken.skipped_bytes == 256 - 50
    assert sum(len(each) + 1 for each in taken.lines) == 50


def test_bytes_that_are_no_text_are_shown_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"a\xff\n")
    assert all_of(follow(path)) == ["a\ufffd"]
