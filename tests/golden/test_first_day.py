"""The golden log of a cell's first day: the same bytes lead to the same state and the same words.

If one of these fails, the fold reads old logs differently. That is a new `FOLD_VERSION`, unless no
release has written such logs: then `python -m tests.golden.first_day --replace`, on purpose.
"""

import json

import pytest

from scheduler.digest import canonical_bytes
from scheduler.invariants import check_everything
from scheduler.machine import Refusal
from scheduler.model.codec import decode_record, encode_record
from scheduler.model.events import Checkpoint
from tests.golden.first_day import DIGESTS, LOG, TRANSCRIPT, transcript
from tests.support.derived import check_derived, check_digest
from tests.support.hash_seeds import output_with_seed

RECORDS = LOG.read_bytes().splitlines()


def test_digests_on_the_way_are_those_that_were_recorded() -> None:
    _, digests, _ = transcript(RECORDS)
    assert digests == json.loads(DIGESTS.read_text("utf-8"))


def test_the_transcript_is_the_one_that_was_recorded() -> None:
    lines, _, _ = transcript(RECORDS)
    assert lines == TRANSCRIPT.read_bytes().splitlines()


def test_the_log_is_read_and_written_the_same() -> None:
    assert [encode_record(decode_record(data)) for data in RECORDS] == RECORDS


def test_what_must_hold_holds_at_the_end_of_the_day() -> None:
    _, _, machine = transcript(RECORDS)
    check_everything(machine.state)
    check_derived(machine.state)
    check_digest(machine)


def test_the_day_has_something_of_everything() -> None:
    """A golden log that holds no kill cannot say that kills are folded as before."""
    text = LOG.read_text("utf-8")
    for name in ("LaunchTasks", "KillTask", "DeclineOffers", "SuppressOffers", "ReviveOffers"):
        assert f'"type":"{name}"' in text, name
    for name in ("ReconcileTasks", "ReconcileAll", "LeaderElected", "Checkpoint", "InboundLost"):
        assert f'"type":"{name}"' in text, name
    assert '"is_inferred":true' in text
    told = TRANSCRIPT.read_text("utf-8")
    for reason in ("normal", "failed", "killed", "lost", "scaledDown", "stuckInState"):
        assert f'"reason":"{reason}"' in told, reason
    for name in ("ProposalRefused", "OrphanSeen", "TimeGapped", "CellPaged", "JobRejected"):
        assert f'"type":"{name}"' in told, name


def test_a_fold_that_went_another_way_halts_at_the_next_checkpoint() -> None:
    """The first finished task is made a failed one: the leader's digest does not agree."""
    changed = list(RECORDS)
    offset = next(at for at, data in enumerate(RECORDS) if b"TASK_FINISHED" in data)
    changed[offset] = RECORDS[offset].replace(b"TASK_FINISHED", b"TASK_FAILED")
    checkpoints = [
        at
        for at, data in enumerate(RECORDS)
        if any(isinstance(event, Checkpoint) for event in decode_record(data).events)
    ]
    with pytest.raises(Refusal, match=r"One of the two folds is wrong"):
        transcript(changed)
    later = next(at for at in checkpoints if at > offset)
    transcript(changed[:later])


def folded_with_seed(seed: str) -> bytes:
    """What a process with this hash seed says of the log."""
    return output_with_seed(seed, "tests.support.fold_log", str(LOG))


@pytest.mark.integration  # It starts processes.
def test_the_same_log_gives_the_same_bytes_under_any_hash_seed() -> None:
    """Two processes order their sets differently; digests, changes, decisions, state are equal."""
    first, second = folded_with_seed("1"), folded_with_seed("2")
    assert first == second
    _, _, machine = transcript(RECORDS)
    assert first.endswith(canonical_bytes(machine.state))
    assert first.count(b"\n") > len(RECORDS)
