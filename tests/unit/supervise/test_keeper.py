"""A part whose files cannot be written: people are told so, and it is tried again."""

import errno
import queue
import threading
from pathlib import Path

import pytest

from streams.errors import OperatorError
from streams.supervise.keeper import Event, Keeper


class Shelf:
    """A part that only keeps a file, on a disk that is full for as many starts as it is told."""

    name = "shelf"
    log_file = Path("shelf.log")
    pid = None

    def __init__(self, *starts: bool) -> None:
        self.starts = list(starts)
        """Of each start, whether there is room."""

    def start(self, is_over: threading.Event) -> str:
        del is_over
        if not self.starts.pop(0):
            raise OSError(errno.ENOSPC, "No space left on device", "/data/shape")
        return "here"

    def poll(self) -> int | None:
        """It ends by itself as long as it knows of another start."""
        return 1 if self.starts else None

    def tend(self) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_full_disk_is_no_mistake_of_ours() -> None:
    told: queue.Queue[Event] = queue.Queue()
    keeper = Keeper(Shelf(False), told.put)
    keeper.begin()
    with pytest.raises(OperatorError, match=r"The disk is full\. Make room there, or choose"):
        keeper.address(timeout_s=60)
    keeper.end()
    assert keeper.view.state == "failed"


@pytest.mark.slow
def test_a_disk_that_was_full_for_a_while_ends_nothing() -> None:
    told: queue.Queue[Event] = queue.Queue()
    keeper = Keeper(Shelf(True, False, True), told.put)
    keeper.begin()
    heard = [told.get(timeout=60) for _ in range(4)]
    keeper.end()
    assert [each.what for each in heard] == ["ready", "ended", "failed", "ready"]
    assert "No space left on device" in heard[2].text
    assert heard[2].text.endswith("It is tried again; its last words are in shelf.log")
