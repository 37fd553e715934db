"""Keeping a program running: started, watched, started again, stopped; with real programs."""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.errors import OperatorError
from streams.supervise import parts
from streams.supervise.keeper import Event, Keeper
from streams.supervise.log_file import LogFile
from streams.supervise.parts import Program
from tests.processes import is_gone, wait_until

pytestmark = pytest.mark.integration

Keep = Callable[[str], Keeper]
SLEEPS = "echo ready here; exec sleep 600"


@pytest.fixture
def events() -> queue.Queue[Event]:
    return queue.Queue()


@pytest.fixture
def keep(tmp_path: Path, events: queue.Queue[Event]) -> Iterator[Keep]:
    """Begins to keep a shell's program running, and ends it with the test."""
    keepers: list[Keeper] = []

    def begin(script: str) -> Keeper:
        program = Program(
            "part",
            ["/bin/sh", "-c", script],
            os.environ,
            LogFile(tmp_path / "part.log", bytes_max=10_000),
            stop_timeout_s=5,
        )
        keeper = Keeper(program, events.put)
        keepers.append(keeper)
        keeper.begin()
        return keeper

    yield begin
    for each in keepers:
        each.end()


def _told(events: queue.Queue[Event], what: str) -> Event:
    while True:
        event = events.get(timeout=20)
        if event.what == what:
            return event


def test_it_is_ready_when_it_says_so_and_stopped_when_asked(keep: Keep) -> None:
    keeper = keep(f"echo a word; sleep 0.2; {SLEEPS}")
    assert keeper.address(20) == "here"
    view = keeper.view
    assert (view.state, view.starts) == ("ready", 1)
    assert view.pid is not None
    keeper.end()
    assert is_gone(view.pid)
    assert keeper.view.state == "stopped"


def test_what_ends_is_started_again(keep: Keep, events: queue.Queue[Event]) -> None:
    keeper = keep(SLEEPS)
    keeper.address(20)
    first = keeper.view.pid
    assert first is not None
    os.kill(first, 9)
    assert "ended with code 137, starts again in 0.5 s" in _told(events, "ended").text
    wait_until(lambda: keeper.view.state == "ready" and keeper.view.pid != first, "it runs again")
    assert keeper.view.starts == 2


def test_one_that_lost_its_leadership_is_started_at_once(
    keep: Keep, events: queue.Queue[Event]
) -> None:
    keep("echo ready; sleep 2.2; exit 3").address(20)
    assert "starts again at once" in _told(events, "ended").text


def test_one_that_loses_it_over_and_over_is_not(keep: Keep, events: queue.Queue[Event]) -> None:
    keep("echo ready; exit 3").address(20)
    assert "starts again in 0.5 s" in _told(events, "ended").text
    assert "starts again in 1 s" in _told(events, "ended").text


def test_a_first_start_that_fails_is_told_and_not_repeated(keep: Keep) -> None:
    keeper = keep("echo no room; exit 7")
    with pytest.raises(OperatorError, match=r"(?s)ended with code 7 .*no room"):
        keeper.address(20)
    assert keeper.view.state == "failed"
    assert keeper.view.starts == 1


def test_a_later_start_that_fails_is_repeated(
    keep: Keep, events: queue.Queue[Event], tmp_path: Path
) -> None:
    switch = tmp_path / "broken"
    keeper = keep(f"test -e {switch} && exit 9; {SLEEPS}")
    keeper.address(20)
    switch.touch()
    pid = keeper.view.pid
    assert pid is not None
    os.kill(pid, 9)
    assert "ended with code 9 before it was ready" in _told(events, "failed").text
    switch.unlink()
    wait_until(lambda: keeper.view.state == "ready", "it runs again")


def test_a_stop_before_it_is_ready_does_not_wait_for_it(keep: Keep, tmp_path: Path) -> None:
    keeper = keep("echo $$ >&2; exec sleep 600")
    log = tmp_path / "part.log"
    wait_until(lambda: log.exists() and log.read_text().strip().isdecimal(), "it runs")
    pid = int(log.read_text())
    began = time.monotonic()
    keeper.end()
    assert time.monotonic() - began < 5
    assert is_gone(pid)


def test_its_log_is_shortened_while_it_writes(
    keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.supervise.keeper.TEND_EVERY_S", 0.05)
    keeper = keep("echo ready; while :; do echo 0123456789012345678901234567890; sleep 0.001; done")
    keeper.address(20)
    log = LogFile(tmp_path / "part.log")
    wait_until(log.older_path.exists, "the older part is kept")
    wait_until(lambda: log.size() < 10_000, "the file is short again")
    assert keeper.view.state == "ready"


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "part.log")
    program = Program("part", ["/nowhere/program"], os.environ, log, stop_timeout_s=1)
    with pytest.raises(OperatorError, match="/nowhere/program: No such file"):
        program.start(threading.Event())


def test_a_program_that_was_ready_once_may_take_long_to_be_ready_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A soak's cell process, which had a long log to fold, was ended for it again and again."""
    monkeypatch.setattr(parts, "READY_TIMEOUT_S", 3.0)
    again = tmp_path / "again"
    script = f'if [ -e "{again}" ]; then sleep 4; fi; echo ready; touch "{again}"; exec sleep 600'
    log = LogFile(tmp_path / "part.log")
    program = Program("part", ["/bin/sh", "-c", script], os.environ, log, stop_timeout_s=5)
    try:
        for _ in range(2):
            program.start(threading.Event())
    finally:
        program.stop()
