"""The chain over raw records, and the follower that halts where the leader read other bytes."""

import pytest

from scheduler.chain import BEGINNING, Chain
from scheduler.model.events import Checkpoint, Mark
from streams.cell.follower import BareFold, Follower, LogRecord
from tests.support.cell import CellInMemory, batch, running_cell


def folded(log: list[bytes]) -> Follower:
    """A follower that was handed this log."""
    follower = Follower("cell", 0, BareFold)
    follower.take([LogRecord(offset, data) for offset, data in enumerate(log)])
    return follower


def chain_of(log: list[bytes]) -> str:
    """The chain after these records."""
    chain = Chain()
    for data in log:
        chain.take(data)
    return chain.hex


def cell_with_mark() -> tuple[CellInMemory, int]:
    """A cell at work, and where it was marked."""
    cell = running_cell()
    cell.run(batch(3))
    return cell, cell.write(Mark())


def test_every_record_and_its_place_count() -> None:
    log = [b"a", b"bc", b""]
    seen = {chain_of(each) for each in (log, log[::-1], log[:2], [b"ab", b"c", b""], [])}
    assert len(seen) == 5
    assert chain_of([]) == BEGINNING.hex()


def test_a_chain_goes_on_from_its_text() -> None:
    chain = Chain.restored(chain_of([b"a", b"b"]))
    chain.take(b"c")
    assert chain.hex == chain_of([b"a", b"b", b"c"])
    with pytest.raises(ValueError, match="64 digits"):
        Chain.restored("00ff")


def test_the_follower_keeps_the_chain_of_what_it_was_handed() -> None:
    cell, marked = cell_with_mark()
    follower = folded(cell.log)
    assert follower.chain.hex == chain_of(cell.log)
    assert follower.chain_at(marked) == chain_of(cell.log[: marked + 1])
    assert follower.chain_at(marked - 1) == ""


def test_a_checkpoint_with_the_same_chain_lets_the_fold_go_on() -> None:
    cell, marked = cell_with_mark()
    digest = cell.machine.marks[marked]
    chain = chain_of(cell.log[: marked + 1])
    cell.write(Checkpoint(marked, 1, digest, chain=chain))
    cell.write(Checkpoint(marked - 1, 1, digest, chain="0" * 64))  # Of no mark that is known.
    assert folded(cell.log).halt is None


def test_a_checkpoint_with_another_chain_halts_and_says_what_that_means() -> None:
    cell, marked = cell_with_mark()
    cell.write(Checkpoint(marked, 1, cell.machine.marks[marked], chain="0" * 64))
    halt = folded(cell.log).halt
    assert halt is not None
    assert halt.offset == marked + 1
    assert "does not hold what the leader was given, or a topic was made anew" in halt.cause


def test_bytes_that_mean_the_same_and_are_not_the_same_are_found() -> None:
    """The state's digest agrees; only the chain tells that this is not the leader's log."""
    cell, marked = cell_with_mark()
    chain = chain_of(cell.log[: marked + 1])
    cell.write(Checkpoint(marked, 1, cell.machine.marks[marked], chain=chain))
    other = list(cell.log)
    other[3] = other[3].replace(b'{"version"', b'{ "version"')
    assert other[3] != cell.log[3]
    halt = folded(other).halt
    assert halt is not None
    assert "chain" in halt.cause


def test_a_checkpoint_of_a_leader_that_is_obeyed_no_more_says_nothing() -> None:
    cell, marked = cell_with_mark()
    old = cell.epoch
    cell.elect("cell-1")
    cell.write(Checkpoint(marked, 1, "0" * 32, chain="0" * 64), epoch=old)
    assert folded(cell.log).halt is None
