"""A snapshot whose bytes are not quite right is refused, with what is wrong and what to do."""

import random
from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from projections.snapshot import format as snapshots
from projections.snapshot import sections
from projections.snapshot.format import (
    BadSnapshot,
    Captured,
    Expected,
    Raw,
    capture,
    check_against,
    decode,
    encode,
    read_header,
)
from scheduler.digest import canonical_bytes
from scheduler.model.job import Batch
from tests.support.cell import CellInMemory, running_cell, spec_of

NOTHING = Expected()


def busy_cell() -> CellInMemory:
    cell = running_cell()
    cell.submit(spec_of(Batch(3, 10**9), 1, {}), "alpha")
    cell.decide_and_carry_out("sent")
    cell.tick()
    return cell


def taken(**changed: object) -> tuple[CellInMemory, bytes]:
    """A cell, and its snapshot with some fields of the header said otherwise."""
    cell = busy_cell()
    captured = capture(cell.machine, chain="ab" * 32, build="1.2.3")
    header = replace(captured.header, **changed)
    return cell, encode(Captured(header, captured.kept)).data


def test_a_snapshot_is_the_state_again_and_says_what_it_is() -> None:
    cell, data = taken()
    header, machine = decode(data, NOTHING).header, decode(data, NOTHING).machine
    assert canonical_bytes(machine.state) == canonical_bytes(cell.state)
    assert machine.digest.value() == header.digest == cell.machine.digest.value()
    assert (header.cell, header.generation) == (cell.state.cell, cell.state.generation)
    assert header.next_offset == len(cell.log)
    assert header.counts["tasks"] == len(cell.state.tasks) == 3
    assert (header.chain, header.build) == ("ab" * 32, "1.2.3")
    lanes = [(topic, partition) for topic, partition, _, _ in header.watermarks]
    assert lanes == sorted(cell.state.watermarks)
    assert read_header(data[:4_096])[0] == header


def test_what_is_folded_after_the_copy_is_not_in_it() -> None:
    cell = busy_cell()
    captured = capture(cell.machine)
    wanted = canonical_bytes(cell.state)
    cell.submit(spec_of(Batch(2, 10**9), 1, {}), "beta")
    cell.kill_job("alpha")
    cell.tick(1_000, times=3)
    restored = decode(encode(captured).data, NOTHING).machine
    assert canonical_bytes(restored.state) == wanted


def test_any_flipped_bit_is_found() -> None:
    _, data = taken()
    chance = random.Random(6)
    for at in [*range(60), *chance.sample(range(len(data)), 300), len(data) - 1]:
        flipped = bytearray(data)
        flipped[at] ^= 1 << chance.randrange(8)
        with pytest.raises(BadSnapshot):
            decode(bytes(flipped), NOTHING)


def test_any_cut_is_found() -> None:
    _, data = taken()
    for length in [*range(60), *range(60, len(data), 37), len(data) - 1]:
        with pytest.raises(BadSnapshot):
            decode(data[:length], NOTHING)
    with pytest.raises(BadSnapshot, match="half an upload"):
        decode(data + b"\0", NOTHING)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"format": 2}, "has format 2, this build reads 1"),
        ({"fold_version": 99}, "folded by rules 99, this build knows 1; run a newer build"),
        ({"schema_set": "0" * 32}, "schema set 0{32} .build 1.2.3., this build reads"),
        ({"digest": "0" * 32}, "claims 0{32}"),
        ({"next_offset": 3}, "its header says .* 3, "),
        ({"counts": {}}, "its header counts {}"),
    ],
)
def test_a_header_that_is_not_the_states_or_not_for_this_build(
    changed: dict[str, object], said: str
) -> None:
    _, data = taken(**changed)
    with pytest.raises(BadSnapshot, match=said):
        decode(data, NOTHING)


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        (Expected(cell="other"), "is of cell 'test', and 'other' is wanted"),
        (Expected(generation="ffffffff"), "'ffffffff' is wanted"),
        (Expected(cell_uuid="v" * 32), "cell_uuid"),
    ],
)
def test_a_snapshot_of_another_cell_is_refused(expected: Expected, said: str) -> None:
    _, data = taken()
    with pytest.raises(BadSnapshot, match=said):
        decode(data, expected)


def test_bytes_that_are_no_snapshot() -> None:
    for data in (b"", b"PK\x03\x04", b"flumina snapshot\n", b"flumina snapshot\n\xff\xff\xff\xff"):
        with pytest.raises(BadSnapshot):
            decode(data, NOTHING)


def test_a_field_that_is_added_to_the_state_changes_the_schema_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So no build goes on from a snapshot that lacks what it needs."""
    before = sections.schema_set()
    known = dict(sections.sections())
    more = {**known, "state.other": msgspec.structs.replace(known["state.epoch"], name="other")}
    monkeypatch.setattr(sections, "sections", lambda: more)
    assert sections.schema_set.__wrapped__() != before
    monkeypatch.setattr(sections, "sections", lambda: dict(list(known.items())[1:]))
    assert sections.schema_set.__wrapped__() != before


def test_an_earlier_schema_set_is_lifted_by_its_upcast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The earlier build had named a field otherwise, and a mapping was in another field."""
    cell = busy_cell()
    captured = capture(cell.machine)
    earlier = encode(Captured(replace(captured.header, schema_set="5" * 32), captured.kept)).data
    seen: list[Raw] = []

    def lift(raw: Raw) -> Raw:
        seen.append(raw)
        leader = raw.pop("state.leader")
        return {**raw, "state.leader": f"{leader}-lifted"}

    with pytest.raises(BadSnapshot, match="schema set"):
        decode(earlier, NOTHING)
    monkeypatch.setattr(snapshots, "UPCASTS", {"5" * 32: lift})
    restored = decode(earlier, NOTHING, is_proven=False).machine
    assert restored.state.leader == f"{cell.state.leader}-lifted"
    assert restored.state.tasks == cell.state.tasks
    assert list(restored.state.indexes.items()) == list(cell.state.indexes.items())
    assert seen


def test_an_upcast_that_gives_nonsense_is_a_bad_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    captured = capture(busy_cell().machine)
    earlier = encode(Captured(replace(captured.header, schema_set="5" * 32), captured.kept)).data
    nonsense: Callable[[Raw], Raw] = lambda raw: {**raw, "state.epoch": "x"}  # noqa: E731
    monkeypatch.setattr(snapshots, "UPCASTS", {"5" * 32: nonsense})
    with pytest.raises(BadSnapshot, match="cannot be read"):
        decode(earlier, NOTHING)


@pytest.mark.parametrize("block_bytes", [1, 700, 1 << 20])
def test_blocks_and_chunks_of_any_size_hold_the_same(
    monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(snapshots, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(snapshots, "CHUNK_ITEMS", 2)
    cell = busy_cell()
    captured = capture(cell.machine)
    data = encode(captured).data
    check_against(data, captured)
    assert canonical_bytes(decode(data, NOTHING).machine.state) == canonical_bytes(cell.state)
    earlier = encode(Captured(replace(captured.header, schema_set="5" * 32), captured.kept)).data
    monkeypatch.setattr(snapshots, "UPCASTS", {"5" * 32: lambda raw: raw})
    lifted = decode(earlier, NOTHING).machine.state
    assert list(lifted.tasks.items()) == list(cell.state.tasks.items()), "of two chunks"


def test_the_same_in_another_order_is_not_what_was_copied() -> None:
    cell = busy_cell()
    data, other = encode(capture(cell.machine)).data, capture(cell.machine)
    check_against(data, other)
    other.kept.state.tasks = dict(reversed(other.kept.state.tasks.items()))
    with pytest.raises(BadSnapshot, match=r"^tasks is not what was copied from the fold$"):
        check_against(data, other)


def test_a_body_without_a_section_says_which_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    captured = capture(busy_cell().machine)
    known = sections.sections()
    less = {name: each for name, each in known.items() if name != "state.leader"}
    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "sections", lambda: less)
        data = encode(captured).data
    with pytest.raises(BadSnapshot, match=r"^it lacks state\.leader$"):
        decode(data, NOTHING)


def test_what_is_wrong_with_a_header_is_said_in_words() -> None:
    _, data = taken()
    for bad, said in (
        (b"PK\x03\x04" + data, "it does not begin as a snapshot does"),
        (data[: len(snapshots.MAGIC) + 3], "it ends inside its header: it was cut$"),
        (data[:400], "it was cut, or a bit of the length is wrong"),
        (data[:40] + b"\0" + data[41:], "the checksum of its header is wrong"),
    ):
        with pytest.raises(BadSnapshot, match=said):
            read_header(bad)
