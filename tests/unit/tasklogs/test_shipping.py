"""A task's output on its way: quotas told in the log, files a task cut, a failing store, traps."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from connectors.tasklogs.layout import Completed
from connectors.tasklogs.limits import Limits
from connectors.web.cell import LogUnavailable
from tests.support.task_logs import JOB, TASK, LogWorld

PART = 8_192
LIMITS = Limits(part_bytes_max=PART, host_parts_max=2, file_bytes_max=16 * PART, files_max=4)
RUN = f"task-logs/main/{JOB}/{TASK}/run-1"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LogWorld]:
    made = LogWorld(tmp_path, LIMITS)
    yield made
    made.shipper.close()


def numbered(begin: int, end: int) -> bytes:
    """Bytes of which each eight are another number."""
    return b"".join(i.to_bytes(8) for i in range(begin // 8, end // 8))


def completed(world: LogWorld) -> Completed:
    return msgspec.json.decode(world.store.get(f"{RUN}/complete.json"), type=Completed)


def stored_bytes(world: LogWorld) -> int:
    keys = [each.key.rpartition("/")[2] for each in world.store.facts(RUN)]
    spans = [key.split("-") for key in keys if key.endswith(".gz")]
    return sum(int(end) - int(begin) for begin, end, _ in spans)


def test_nothing_is_shipped_before_it_is_worth_a_part_or_has_waited(world: LogWorld) -> None:
    world.write("stdout", b"one line\n")
    world.look()
    world.ship()
    assert world.store.puts == 0
    world.now_ms += LIMITS.ship_after_ms
    world.ship()
    assert world.store.puts == 1
    world.write("stdout", numbered(0, PART))
    world.look()
    world.ship()
    assert world.store.puts == 2


def test_a_long_running_task_makes_few_objects() -> None:
    limits, now_ms, parts = Limits(), 0, 0
    month_ms = 30 * 86_400_000
    while now_ms < month_ms:
        now_ms += limits.patience_ms(now_ms)
        parts += 1
    assert parts < 9_000, "a line now and then, for a month"


def test_the_host_gives_back_what_the_store_has(world: LogWorld) -> None:
    data = numbered(0, 12 * PART)
    world.write("stdout", data)
    world.look()
    world.ship()
    facts = world.path("stdout").stat()
    assert facts.st_size == len(data), "offsets stay what they are"
    assert facts.st_blocks * 512 <= 4 * PART
    assert world.read_all("stdout") == data


def test_the_middle_of_what_is_too_much_is_dropped_and_the_log_says_so(world: LogWorld) -> None:
    data = b""
    for begin in range(0, 60 * PART, 3 * PART):
        data += (more := numbered(begin, begin + 3 * PART))
        world.write("stdout", more)
        world.look()
        world.ship()
        assert stored_bytes(world) <= LIMITS.file_bytes_max + 3 * PART
    world.end()
    found = world.read_all("stdout")
    totals = completed(world).files["stdout"]
    said = f"[flumina: {totals.bytes_dropped} bytes".encode()
    head, _, rest = found.partition(b"\n" + said)
    note, _, tail = rest.partition(b"]\n")
    assert data.startswith(head)
    assert len(head) == LIMITS.head_bytes
    assert data.endswith(tail)
    assert LIMITS.tail_bytes // 2 < len(tail) <= LIMITS.tail_bytes
    assert b"larger than what is kept" in note
    assert totals.bytes_total == len(data) == len(head) + totals.bytes_dropped + len(tail)


def test_a_store_that_is_away_loses_nothing_within_the_limit(world: LogWorld) -> None:
    world.store.weather = "before"
    data = numbered(0, 16 * PART)
    for begin in range(0, len(data), PART):
        world.write("stdout", data[begin : begin + PART])
        world.look()
        assert not world.ship()
    world.crash()
    world.look()
    assert not world.ship()
    world.end()
    world.is_host_gone = True
    assert world.read_all("stdout") == data


def test_a_store_that_is_away_for_long_costs_the_host_a_bounded_disk(world: LogWorld) -> None:
    world.store.weather = "before"
    data = numbered(0, 90 * PART)
    for begin in range(0, len(data), 3 * PART):
        world.write("stdout", data[begin : begin + 3 * PART])
        world.look()
        world.ship()
        assert world.path("stdout").stat().st_blocks * 512 <= LIMITS.file_bytes_max + 4 * PART
    live = world.read_all("stdout")
    world.end()
    kept = world.read_all("stdout")
    assert live == kept
    assert data.startswith(kept[: LIMITS.head_bytes])
    assert data.endswith(kept[-LIMITS.tail_bytes // 2 :])


def test_a_file_that_the_task_cuts_goes_on_and_what_was_lost_is_told(world: LogWorld) -> None:
    world.write("a.log", b"first\n")
    world.look()
    world.now_ms += LIMITS.ship_after_ms
    world.ship()
    world.write("a.log", b"second\n")
    world.look()
    os.truncate(world.path("a.log"), 0)
    world.write("a.log", b"third, and longer than both before\n")
    world.end()
    found = world.read_all("a.log")
    assert found.startswith(b"first\n\n[flumina: 7 bytes (6 to 13) are missing here: the task cut")
    assert found.endswith(b"]\nthird, and longer than both before\n")
    assert completed(world).files["a.log"].bytes_dropped == 7


def test_a_log_that_is_rotated_while_the_agent_is_away_stays_one(world: LogWorld) -> None:
    world.write("a.log", b"one\n")
    world.look()
    world.crash()
    world.path("a.log").rename(world.path("a.log.1"))
    world.write("a.log", b"two\n")
    world.end()
    assert world.read_all("a.log") == b"one\ntwo\n"
    assert "a.log.1" not in completed(world).files


def test_the_end_is_shipped_to_the_last_byte_and_said(world: LogWorld) -> None:
    world.write("stdout", b"out")
    world.write("stderr", b"err")
    world.write("audit.log", b"who\x00\xff\x1b[2J")
    world.end()
    world.is_host_gone = True
    done = completed(world)
    assert {name: each.bytes_total for name, each in done.files.items()} == {
        "stdout": 3,
        "stderr": 3,
        "audit.log": 9,
    }
    assert world.read_all("audit.log") == b"who\x00\xff\x1b[2J"


def test_a_host_that_ships_the_end_and_dies_is_read_from_what_it_shipped(world: LogWorld) -> None:
    world.write("stdout", b"begun")
    world.look()
    assert world.read("stdout", 0).data == b"begun"
    assert world.archive.run("main", JOB, TASK) is None, "listed while it is empty"
    world.end()
    world.is_host_gone = True
    piece = world.read("stdout", 0, after_ms=0)
    assert (piece.data, piece.note) == (b"begun", "")


def test_a_task_that_wrote_nothing_has_empty_outputs(world: LogWorld) -> None:
    world.end()
    world.is_host_gone = True
    assert world.read_all("stdout") == b""
    with pytest.raises(LogUnavailable):
        world.read_all("never.log")


def test_the_instant_of_a_line_is_found_by_its_part(world: LogWorld) -> None:
    for _ in range(5):
        world.write("stdout", numbered(0, PART))
        world.look()
        world.ship()
        world.now_ms += 60_000
    run = world.archive.run("main", JOB, TASK, is_new=True)
    assert run is not None
    index = run.files["stdout"]
    assert index.offset_at(0) == 0
    assert index.offset_at(1_000_000 + 150_000) == 2 * PART
    assert index.offset_at(world.now_ms) == 4 * PART


TRAPS: dict[str, Callable[[Path, Path], object]] = {
    "a link to a file of others": lambda at, secret: at.symlink_to(secret),
    "a second name of a file of others": lambda at, secret: at.hardlink_to(secret),
    "a pipe": lambda at, _: os.mkfifo(at),
    "a name that moves the cursor": lambda at, _: (at.parent / "a\x1b[2Jb").write_bytes(b"x"),
    "a folder of links": lambda at, secret: at.symlink_to(secret.parent),
    "a name that is too long for a key": lambda at, _: (at.parent / ("é" * 100)).write_bytes(b"x"),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_what_is_no_plain_file_of_the_task_is_not_read(
    world: LogWorld, tmp_path: Path, trap: str
) -> None:
    secret = tmp_path / "elsewhere" / "secret"
    secret.parent.mkdir()
    secret.write_bytes(b"the password")
    TRAPS[trap](world.path("trap.log"), secret)
    world.end()
    assert completed(world).files_refused == 1
    assert set(completed(world).files) == {"stdout", "stderr"}


def test_an_output_that_became_a_link_is_not_followed(world: LogWorld, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"the password")
    world.path("stdout").unlink()
    world.path("stdout").symlink_to(secret)
    world.write("stderr", b"x")
    world.end()
    assert "stdout" not in completed(world).files


def test_a_log_folder_that_is_a_link_is_not_followed(world: LogWorld, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.log").write_bytes(b"secret")
    (world.sandbox / "logs").rmdir()
    (world.sandbox / "logs").symlink_to(tmp_path / "elsewhere")
    world.end()
    assert set(completed(world).files) == {"stdout", "stderr"}


def test_a_task_with_many_files_has_some_of_them_kept(world: LogWorld) -> None:
    for number in range(10):
        world.write(f"{number}.log", b"x")
    world.end()
    assert len(completed(world).files) == LIMITS.files_max
    assert completed(world).files_refused == 8


def test_an_object_that_somebody_changed_is_not_passed_off_as_the_log(world: LogWorld) -> None:
    world.write("stdout", b"true words")
    world.end()
    (found,) = [each.key for each in world.store.facts(f"{RUN}/stdout/")]
    packed = world.store.get(found)
    world.store.delete(found)
    world.store.put_new(found, packed[:-9] + b"123456789")
    with pytest.raises(LogUnavailable) as refused:
        world.read_all("stdout")
    assert refused.value.kind == "broken"


def test_a_store_without_the_bytes_is_told_and_not_papered_over(world: LogWorld) -> None:
    data = numbered(0, 4 * PART)
    world.write("stdout", data)
    world.end()
    keys = [each.key for each in world.store.facts(f"{RUN}/stdout/")]
    world.store.delete(keys[1])
    found = world.read_all("stdout")
    assert found.startswith(data[:PART] + b"\n[flumina: 8192 bytes (8192 to 16384) are missing")
    assert found.endswith(data[2 * PART :])


def test_who_writes_on_into_a_renamed_file_is_heard_until_it_rests(world: LogWorld) -> None:
    with world.path("a.log").open("ab", buffering=0) as file:
        file.write(b"one ")
        world.look()
        file.write(b"two ")
        world.path("a.log").rename(world.path("a.log.1"))
        world.write("a.log", b"four")
        world.look()
        file.write(b"three ")
        for _ in range(3):
            world.look()
    world.end()
    assert world.read_all("a.log") == b"one two three four"


def test_a_rotated_file_is_not_shipped_again_when_it_is_long_done(world: LogWorld) -> None:
    data = b""
    for number in range(12):
        data += (more := numbered(number * PART, (number + 1) * PART))
        world.write("a.log", more)
        world.look()
        world.ship()
        world.path("a.log").rename(world.path(f"a.log.{number}"))
        world.path("a.log").touch()
        world.look()
        world.look()
        world.ship()
    world.crash()
    world.end()
    assert set(completed(world).files) == {"stdout", "stderr", "a.log"}
    assert world.read_all("a.log") == data


@pytest.mark.parametrize("is_agent_killed", [False, True])
def test_a_part_of_unknown_fate_is_looked_for_and_not_put_again_longer(
    world: LogWorld, *, is_agent_killed: bool
) -> None:
    world.write("stdout", b"first")
    world.look()
    world.now_ms += LIMITS.ship_after_ms
    world.store.weather = "after"
    assert not world.ship()
    world.store.weather = "good"
    if is_agent_killed:
        world.crash()
    world.write("stdout", b" and second")
    world.end()
    parts = [each.key.rpartition("/")[2] for each in world.store.facts(f"{RUN}/stdout/")]
    spans = [tuple(map(int, part.split("-")[:2])) for part in parts]
    assert spans == [(0, 5), (5, 16)]
    assert world.read_all("stdout") == b"first and second"
