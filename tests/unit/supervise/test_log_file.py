"""A child's log stays within its bounds, and its newest words are found."""

from pathlib import Path

from streams.supervise.log_file import LogFile

BYTES_MAX = 1_000


def _log(tmp_path: Path) -> LogFile:
    return LogFile(tmp_path / "logs" / "part.log", BYTES_MAX)


def _write(log: LogFile, text: str) -> None:
    with log.path.open("a") as opened:
        opened.write(text)


def test_it_is_made_for_its_owner_only(tmp_path: Path) -> None:
    log = _log(tmp_path)
    assert log.begin() == 0
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_what_a_child_writes_is_read_from_where_it_began_in_whole_lines(tmp_path: Path) -> None:
    log = _log(tmp_path)
    log.begin()
    _write(log, "of the first\n")
    place = log.begin()
    _write(log, "ready there\nhalf a li")
    assert log.text_from(place) == "ready there\n"


def test_a_writer_that_goes_on_after_a_shortening_begins_at_the_start(tmp_path: Path) -> None:
    log = _log(tmp_path)
    log.begin()
    with log.path.open("a") as opened:
        opened.write("x" * (BYTES_MAX + 1))
        opened.flush()
        log.shorten()
        opened.write("new\n")
    assert log.path.read_text() == "new\n"
    assert log.older_path.stat().st_size == BYTES_MAX + 1


def test_what_is_short_enough_is_left_alone(tmp_path: Path) -> None:
    log = _log(tmp_path)
    log.begin()
    _write(log, "x" * BYTES_MAX)
    log.shorten()
    assert log.size() == BYTES_MAX
    assert not log.older_path.exists()


def test_a_new_child_begins_a_new_file_when_the_old_is_half_full(tmp_path: Path) -> None:
    log = _log(tmp_path)
    log.begin()
    _write(log, "x" * (BYTES_MAX // 2 + 1))
    assert log.begin() == 0
    assert log.older_path.exists()


def test_last_words_are_the_last_lines_that_say_something(tmp_path: Path) -> None:
    log = _log(tmp_path)
    log.begin()
    _write(log, "".join(f"line {number}\n\n" for number in range(20)))
    assert log.last_words().splitlines() == [f"line {number}" for number in range(14, 20)]
    assert log.last_words(place=log.size()) == ""
