"""Restore tests find a snapshot that is not what the log makes; rehearsals gate a deployment."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from projections.snapshot.format import Captured, capture, encode
from scheduler.machine import Machine
from streams.cell.follower import LogRecord
from streams.snapshots.loading import Bases
from streams.snapshots.names import SnapshotName, key_of
from streams.snapshots.proving import Proof, RestoreTest
from streams.snapshots.rehearsing import Rehearsal, Rehearsing
from tests.golden.first_day import LOG
from tests.support.log_in_memory import LogInMemory
from tests.support.snapshots import Scene

FIRST_DAY = LOG.read_bytes().splitlines()
POINTS = (100, 200, 300)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, FIRST_DAY)


def proof_of(scene: Scene, name: SnapshotName | None = None) -> Proof:
    test = RestoreTest(scene.bases, page=lambda *said: scene.pages.append(said))
    found = asyncio.run(test.of(name) if name else test.once())
    assert found is not None
    return found


def rehearsal_of(scene: Scene, bases: Bases | None = None) -> Rehearsal:
    return asyncio.run(Rehearsing(bases or scene.bases, "staging", "candidate").run())


def wrong_snapshot(scene: Scene, offset: int) -> None:
    """A snapshot of a state that the log does not make, well-formed in every other way."""
    scene.fold_to(offset)
    wrong = Machine.restored(scene.follower.machine.kept())
    wrong.state.hosts.popitem()
    wrong.digest.forget()
    captured = capture(wrong, scene.follower.chain.hex)
    scene.store.put_new(key_of(captured.header), encode(captured).data)


def test_a_snapshot_is_what_the_one_before_and_the_log_make(scene: Scene) -> None:
    names = scene.take_at(*POINTS)
    proof = proof_of(scene)
    assert (proof.outcome, proof.key) == ("equal", names[-1].key)
    assert proof.records_folded == 100, "from the one before, and not from itself"
    assert proof.counts["jobs"] > 0
    assert proof_of(scene, names[0]).records_folded == 100
    assert not scene.pages


def test_without_a_snapshot_there_is_nothing_to_test(scene: Scene) -> None:
    assert asyncio.run(RestoreTest(scene.bases).once()) is None


def test_a_wrong_state_is_found_and_paged_though_it_proves_itself(scene: Scene) -> None:
    scene.take_at(*POINTS)
    wrong_snapshot(scene, 400)
    proof = proof_of(scene)
    assert proof.outcome == "different"
    assert "digest" in proof.why
    assert "state.hosts" in proof.why
    assert [what for what, _ in scene.pages] == ["restore-test-failed"]


def test_what_no_digest_sees_is_found_as_well(scene: Scene) -> None:
    """A deadline that is lost is in no digest; the task would never be given up."""
    scene.take_at(*POINTS)
    scene.fold_to(320)
    kept = scene.follower.machine.kept()
    assert kept.looked_at_ms, "something waits for its time-out there"
    kept.looked_at_ms.clear()
    captured = Captured(capture(scene.follower.machine).header, kept)
    scene.store.put_new(key_of(captured.header), encode(captured).data)
    assert proof_of(scene).why == "looked_at_ms: not the same bytes"


def test_a_chain_of_other_bytes_is_found(scene: Scene) -> None:
    scene.take_at(*POINTS)
    scene.fold_to(400)
    captured = capture(scene.follower.machine, chain="ab" * 32)
    scene.store.put_new(key_of(captured.header), encode(captured).data)
    assert "chain: the log's records are not those" in proof_of(scene).why


def test_a_damaged_newest_is_different_and_one_without_its_log_impossible(scene: Scene) -> None:
    *_, last = scene.take_at(*POINTS)
    data = scene.store.get(last.key)
    scene.damage(last, data[:-1])
    assert "cannot be restored" in proof_of(scene).why
    scene.damage(last, data)
    short = Bases(scene.shelf, LogInMemory(FIRST_DAY[:250]))
    proof = asyncio.run(RestoreTest(short).of(last))
    assert proof.outcome == "impossible"


# Rehearsals.


def test_a_build_that_makes_the_same_of_it_passes(scene: Scene) -> None:
    scene.take_at(*POINTS)
    found = rehearsal_of(scene)
    assert found.verdict == "passed", found.checks
    assert (found.cell, found.from_cell) == ("staging", "test")
    assert found.records_folded == len(FIRST_DAY) - 200
    assert {"counts", "digest", "the log's bytes", "the first decision"} <= {
        each.what for each in found.checks
    }


def test_a_build_that_has_another_state_fails_and_says_where(scene: Scene) -> None:
    scene.take_at(*POINTS)
    wrong_snapshot(scene, 400)
    found = rehearsal_of(scene)
    assert found.verdict == "failed"
    wrong = {each.what: each.found for each in found.checks if not each.is_good}
    assert "hosts" in wrong["counts"]
    assert "digest" in wrong


def test_a_build_of_another_schema_set_folds_from_further_back_and_may_pass(
    scene: Scene,
) -> None:
    """Production's snapshots are of another build: the log is there, and is folded whole."""
    for name in scene.take_at(*POINTS):
        restored = scene.shelf.load(name)
        header = replace(restored.header, schema_set="7" * 32, build="before")
        scene.damage(name, encode(Captured(header, restored.machine.kept())).data)
    found = rehearsal_of(scene)
    assert found.verdict == "passed", found.checks
    assert found.production_build == "before"
    assert found.records_folded == len(FIRST_DAY)
    read = next(each for each in found.checks if each.what == "the newest snapshot is read")
    assert "not by this build" in read.found


def test_a_record_that_the_build_cannot_read_fails_it(scene: Scene) -> None:
    scene.take_at(*POINTS)
    newer = [*FIRST_DAY[:350], b'{"version":9,"epoch":1,"at_ms":1,"events":[]}']
    found = rehearsal_of(scene, Bases(scene.shelf, LogInMemory(newer)))
    assert found.verdict == "failed"
    assert "version 9" in found.checks[-1].found


def test_nothing_is_written_by_a_rehearsal(scene: Scene) -> None:
    scene.take_at(*POINTS)
    before = list(scene.store.facts(""))
    rehearsal_of(scene)
    assert list(scene.store.facts("")) == before
    assert scene.follower.wanted_offset == POINTS[-1]
    scene.follower.take([LogRecord(POINTS[-1], FIRST_DAY[POINTS[-1]])])
    assert scene.follower.halt is None
