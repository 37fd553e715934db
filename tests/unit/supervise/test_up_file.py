"""Finding a running `up`: by its lock, never by what a file says."""

from pathlib import Path

import pytest

from streams.errors import OperatorError
from streams.supervise.up_file import (
    UpLock,
    UpView,
    forget_up_file,
    running_up,
    running_ups,
    write_up_file,
)


def view(directory: Path) -> UpView:
    return UpView(
        version=1,
        pid=1,
        started_at_ms=0,
        data_dir=str(directory),
        api="http://127.0.0.1:7100",
        kafka="127.0.0.1:9092",
        topic_prefix="",
        mesos=("127.0.0.1:5050",),
        dev_cluster=None,
        parts=(),
    )


def test_one_that_runs_is_found(tmp_path: Path) -> None:
    lock = UpLock(tmp_path)
    lock.acquire()
    assert running_up(tmp_path) is None  # It has written nothing yet.
    write_up_file(view(tmp_path))
    assert running_up(tmp_path) == view(tmp_path)
    lock.release()
    assert running_up(tmp_path) is None  # The file is there, and misleads nobody.
    forget_up_file(tmp_path)
    assert not (tmp_path / "up.json").exists()


@pytest.mark.slow
def test_a_second_one_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    first, second = UpLock(tmp_path), UpLock(tmp_path)
    first.acquire()
    write_up_file(view(tmp_path))
    with pytest.raises(OperatorError, match=r"Another flumina, process \d+, runs on"):
        second.acquire()
    assert not second.is_held
    assert running_up(tmp_path) == view(tmp_path)
    first.release()
    second.acquire()
    second.release()


def test_the_file_is_for_its_owner_only_and_replaced_as_a_whole(tmp_path: Path) -> None:
    write_up_file(view(tmp_path))
    write_up_file(view(tmp_path))
    assert (tmp_path / "up.json").stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["up.json"]


def test_those_right_below_a_directory_are_found_too(tmp_path: Path) -> None:
    locks = [UpLock(tmp_path / name) for name in ("demo-1", "demo-2", "demo-3")]
    for lock, name in zip(locks, ("demo-1", "demo-2", "demo-3"), strict=True):
        lock.acquire()
        write_up_file(view(tmp_path / name))
    locks[1].release()
    found = [Path(each.data_dir).name for each in running_ups(tmp_path)]
    assert found == ["demo-1", "demo-3"]
    locks[0].release()
    locks[2].release()
    assert running_ups(tmp_path) == []


def test_a_file_of_another_release_is_said_so(tmp_path: Path) -> None:
    lock = UpLock(tmp_path)
    lock.acquire()
    (tmp_path / "up.json").write_text('{"version": "two"}')
    with pytest.raises(OperatorError, match="Another release"):
        running_up(tmp_path)
    lock.release()


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="cannot be used"):
        UpLock(tmp_path / "file" / "below").acquire()
