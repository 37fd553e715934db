"""The follower: halts at what it may not pass, scans for a skip, folds anew; no Kafka needed."""

import asyncio
from collections.abc import Sequence

from scheduler.model.codec import digest_of
from scheduler.model.events import CellRecord, Tick
from scheduler.model.inbound import RecordSkipped
from streams.cell.follower import BareFold, Changes, Follower, LogRecord
from tests.support.cell import CellInMemory, batch, running_cell

GARBAGE = b'{"version":1,"epoch":1,"at_ms":1,"events":[{"type":"Miracle"}]}'


def follower_of(log: Sequence[bytes]) -> Follower:
    follower = Follower("cell", 0, BareFold)
    hand_over(follower, log)
    return follower


def hand_over(follower: Follower, log: Sequence[bytes]) -> None:
    """Hand over all that the follower wants, as the lane does: again when it begins anew."""
    for _ in range(10):
        wanted = follower.wanted_offset
        if wanted >= len(log):
            return
        follower.take([LogRecord(at, log[at]) for at in range(wanted, len(log))])


def poisoned_cell() -> tuple[CellInMemory, list[bytes]]:
    """A cell's log with a record in it that nobody can read, and work behind it."""
    cell = running_cell()
    log = [*cell.log, GARBAGE]
    return cell, log


def test_what_cannot_be_decoded_halts_at_its_offset_and_what_was_folded_stays() -> None:
    cell, log = poisoned_cell()
    follower = follower_of(log)
    assert follower.halt is not None
    assert follower.halt.offset == len(log) - 1
    assert follower.halt.digest == digest_of(GARBAGE)
    assert "Miracle" in follower.halt.cause
    assert f"flumina skip {len(log) - 1} --digest {digest_of(GARBAGE)}" in follower.halt.sentence()
    assert follower.machine.digest.value() == cell.machine.digest.value()


def test_a_halted_follower_applies_nothing_and_still_counts_what_it_has_seen() -> None:
    cell, log = poisoned_cell()
    follower = follower_of(log)
    digest = follower.machine.digest.value()
    cell.tick()
    log.append(cell.log[-1])
    hand_over(follower, log)
    assert follower.seen_offset == len(log) - 1
    assert follower.machine.digest.value() == digest


def test_a_skip_that_names_offset_and_bytes_lets_the_fold_go_on_without_the_record() -> None:
    cell, log = poisoned_cell()
    follower = follower_of(log)
    poison = len(log) - 1
    wrong = RecordSkipped(offset=poison, digest="0" * 32, actor="ann", why="a guess")
    cell.copy("commands", wrong)
    log.append(cell.log[-1])
    hand_over(follower, log)
    assert follower.halt is not None, "a skip of other bytes must not count"
    right = RecordSkipped(offset=poison, digest=digest_of(GARBAGE), actor="ann", why="a test")
    cell.copy("commands", right)
    log.append(cell.log[-1])
    hand_over(follower, log)
    assert follower.halt is None
    assert follower.seen_offset == len(log) - 1
    # A replay that meets the same log does the same.
    assert follower_of(log).machine.digest.value() == follower.machine.digest.value()


def test_a_second_poisoned_record_halts_again_behind_the_first_skip() -> None:
    cell, log = poisoned_cell()
    first = len(log) - 1
    log.append(GARBAGE)
    cell.copy(
        "commands",
        RecordSkipped(offset=first, digest=digest_of(GARBAGE), actor="ann", why="first"),
    )
    log.append(cell.log[-1])
    follower = follower_of(log)
    assert follower.halt is not None
    assert follower.halt.offset == first + 1


def test_an_exception_of_our_own_halts_with_its_kind() -> None:
    class Broken(BareFold):
        def apply(self, offset: int, record: CellRecord) -> Changes:
            raise KeyError(offset, record.version)

    follower = Follower("cell", 0, Broken)
    follower.take([LogRecord(0, running_cell().log[0])])
    assert follower.halt is not None
    assert "KeyError" in follower.halt.cause


def test_a_hole_in_the_log_halts() -> None:
    cell = running_cell()
    follower = follower_of(cell.log[:2])
    follower.take([LogRecord(4, cell.log[4])])
    assert follower.halt is not None
    assert "offset 2 is missing" in follower.halt.cause


def test_a_log_that_ends_below_what_was_folded_halts() -> None:
    cell = running_cell()
    follower = follower_of(cell.log)
    follower.stop_at_hole(begins=0, ends=1)
    assert follower.halt is not None
    assert "below offset" in follower.halt.cause


def test_who_waits_for_an_offset_is_told_when_it_was_looked_at() -> None:
    async def scenario() -> None:
        cell = running_cell()
        follower = follower_of(cell.log)
        offset = len(cell.log)
        waiting = asyncio.create_task(follower.until(offset))
        changed = asyncio.create_task(follower.newer(follower.version, timeout_s=5))
        await asyncio.sleep(0)
        assert not waiting.done()
        cell.tick()
        hand_over(follower, cell.log)
        await asyncio.wait_for(waiting, 30)
        assert await changed == follower.version

    asyncio.run(scenario())


def test_who_looks_for_news_goes_on_without_it_after_a_while() -> None:
    """The version as it is; who has given up, and who was ended, is told no more."""

    async def scenario() -> None:
        cell = running_cell()
        follower = follower_of(cell.log)
        version = follower.version
        assert await follower.newer(version, timeout_s=0.001) == version
        ended = asyncio.create_task(follower.newer(version, timeout_s=60))
        await asyncio.sleep(0)
        ended.cancel()
        await asyncio.wait((ended,))
        assert ended.cancelled()
        cell.tick()
        hand_over(follower, cell.log)
        assert follower.version > version
        assert await follower.newer(version, timeout_s=60) == follower.version

    asyncio.run(scenario())


def test_who_looks_for_news_waits_as_long_as_he_said_whoever_else_looks() -> None:
    """One timer serves all: who looks for less is first, and the others wait on behind him."""

    async def scenario() -> None:
        cell = running_cell()
        follower, ended = follower_of(cell.log), list[float]()
        version = follower.version

        async def look(timeout_s: float) -> None:
            begun_s = asyncio.get_running_loop().time()
            assert await follower.newer(version, timeout_s) == version
            assert asyncio.get_running_loop().time() - begun_s > 0.9 * timeout_s
            ended.append(timeout_s)

        looking = [asyncio.create_task(look(each)) for each in (0.04, 60, 0.02, 0.03)]
        waiting = looking.pop(1)
        await asyncio.wait_for(asyncio.gather(*looking), 30)
        assert ended == [0.02, 0.03, 0.04]
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait((waiting,))
        # The timer of those 60 s is still there; a shorter look has its own time all the same.
        await asyncio.wait_for(look(0.01), 30)

    asyncio.run(scenario())


def test_all_who_look_for_news_are_told_of_it_in_the_order_in_which_they_came() -> None:
    async def scenario() -> None:
        cell = running_cell()
        follower, told = follower_of(cell.log), list[int]()

        async def look(number: int) -> None:
            await follower.newer(follower.version, timeout_s=60)
            told.append(number)

        looking = [asyncio.create_task(look(number)) for number in range(3)]
        await asyncio.sleep(0)
        cell.tick()
        hand_over(follower, cell.log)
        assert not told, "a batch is folded whole before anybody goes on"
        await asyncio.wait_for(asyncio.gather(*looking), 5)
        assert told == [0, 1, 2]

    asyncio.run(scenario())


def test_listeners_hear_changes_in_order_with_their_offsets() -> None:
    cell = running_cell()
    follower = Follower("cell", 0, BareFold)
    heard: list[int] = []
    follower.listeners.append(lambda offset, _, changes: heard.extend([offset] * len(changes)))
    cell.submit(batch(2))
    cell.write(Tick())
    hand_over(follower, cell.log)
    assert heard == sorted(heard)
    assert len(heard) == len(cell.changes)
