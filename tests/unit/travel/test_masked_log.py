"""A masked log folds to the masked state, with nothing secret in either; what is none stays."""

import msgspec
import pytest

from projections.masking import MASK, Masker
from projections.travel.masking import (
    MaskedLog,
    masked_copy,
    masked_json,
    masked_record,
    masked_spec,
)
from scheduler.digest import canonical_bytes
from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from scheduler.model.events import CellRecord, Checkpoint, Copied, Mark
from scheduler.model.ids import JobId
from scheduler.model.inbound import InboundBody, JobSubmitted
from scheduler.model.job_requests import JobAttributesAsked
from scheduler.model.mesos import StatusUpdate, Unrecognised
from scheduler.model.task import Finished, KillInitiated
from tests.support.cell import CellInMemory, batch, running_cell, submission

SECRET = "hunter2"


@pytest.fixture(scope="module")
def day() -> CellInMemory:
    """A secret in an environment, a command, attributes, and in what hosts and people said."""
    cell = running_cell(3)
    first, second, third, fourth = cell.run(
        batch(4, environment=(("TOKEN", SECRET),), command=("run", "--password", SECRET))
    )
    plain, attributes = JobId("plain"), (("token", SECRET), ("zone", "a"))
    cell.submit(batch(environment=()), plain)
    cell.copy("jobs", JobAttributesAsked(plain, attributes, actor="ada"))
    raw = f'{{"type":"NEW","message":"token={SECRET}"}}'
    cell.copy("mesos", Unrecognised(cell.stream_id, raw))
    cell.status(first, "TASK_FAILED", message=f"login with password={SECRET}")
    cell.status(second, "TASK_FAILED", message="of itself")
    cell.kill_task(third)
    cell.decide_and_carry_out()
    cell.status(third, "TASK_KILLED", message=f"token={SECRET}")
    cell.copy("jobs", *(submission(batch(), "env-less"),))
    cell.kill_task(fourth)
    return cell


def records(cell: CellInMemory) -> list[CellRecord]:
    """All of the log."""
    return [decode_record(data) for data in cell.log]


def bodies(record: CellRecord) -> list[InboundBody]:
    """What was copied with the record."""
    return [each.body for each in record.events if isinstance(each, Copied)]


def test_the_day_has_its_secret_in_state_and_log(day: CellInMemory) -> None:
    assert SECRET.encode() in canonical_bytes(day.state)
    told = [each.text for held in day.state.host_failures.values() for each in held.failures]
    assert sorted(each.partition("): ")[2] for each in told) == [
        "login with password=hunter2",
        "of itself",
    ]
    kinds = {type(task.state) for task in day.state.tasks.values()}
    assert {Finished, KillInitiated} <= kinds


def test_a_masked_log_folds_to_the_masked_state(day: CellInMemory) -> None:
    masker, machine = Masker(), Machine()
    for offset, record in enumerate(records(day)):
        machine.apply(offset, masked_record(record, masker))
    masked = canonical_bytes(masked_copy(day.machine, masker).state)
    assert canonical_bytes(machine.state) == masked
    assert SECRET.encode() not in masked
    assert b"login with password=masked" in masked
    assert b"of itself" in masked
    assert SECRET.encode() in canonical_bytes(day.state), "a copy was masked, not the state"


def test_without_a_masker_environments_alone_are_masked(day: CellInMemory) -> None:
    masked = masked_copy(day.machine).state
    (spec,) = {job.spec for job in masked.jobs.values() if job.spec.container.environment}
    assert spec.container.environment == (("TOKEN", MASK),)
    assert spec.container.command == ("run", "--password", SECRET)
    assert b"login with password=hunter2" in canonical_bytes(masked)


def test_a_masked_log_has_no_secret_and_checkpoints_of_its_own_state() -> None:
    cell = running_cell(1)
    start = len(cell.log)
    machine = masked_copy(cell.machine, Masker())
    cell.run(batch(environment=(("TOKEN", SECRET),)))
    mark = cell.write(Mark())
    checkpoint = cell.machine.checkpoint_of(mark)
    assert checkpoint is not None
    cell.write(checkpoint)
    cell.write(msgspec.structs.replace(checkpoint, mark_offset=start - 1))
    log = MaskedLog(machine, Masker())
    written = [log.take(offset, decode_record(cell.log[offset])) for offset in range(start, mark)]
    assert SECRET.encode() not in b"".join(written)
    log.take(mark, decode_record(cell.log[mark]))
    ours = log.machine.checkpoint_of(mark)
    assert ours is not None
    assert ours.digest != checkpoint.digest
    (anew,) = decode_record(log.take(mark + 1, decode_record(cell.log[mark + 1]))).events
    assert anew == Checkpoint(mark, ours.digest_version, ours.digest)
    # Of a mark from before the first record nothing is known here, and nothing is said.
    (other,) = decode_record(log.take(mark + 2, decode_record(cell.log[mark + 2]))).events
    assert other == Checkpoint(start - 1, 0, "")


def test_what_holds_no_secret_is_the_same_object() -> None:
    cell, masker = running_cell(1), Masker()
    cell.submit(batch(), "job")
    cell.copy("jobs", JobAttributesAsked(JobId("job"), (("zone", "a"),), actor="ada"))
    cell.copy("mesos", Unrecognised(cell.stream_id, "{}"))
    cell.launched()
    cell.status(cell.task().task_id, "TASK_FAILED", message="of itself")
    for record in records(cell):
        assert masked_record(record, masker) is record
        assert masked_record(record) is record
    spec = batch()
    assert masked_spec(spec, masker) is spec
    machine = masked_copy(cell.machine, masker)
    assert canonical_bytes(machine.state) == canonical_bytes(cell.state)


def test_each_body_is_masked_where_its_secret_stands(day: CellInMemory) -> None:
    found = [each for record in records(day) for each in bodies(masked_record(record, Masker()))]
    (attributes,) = [each for each in found if isinstance(each, JobAttributesAsked)]
    assert attributes.attributes == (("token", MASK), ("zone", "a"))
    (raw,) = [each.raw for each in found if isinstance(each, Unrecognised)]
    assert raw == '{"type":"NEW","message":"token=masked"}'
    messages = [each.message for each in found if isinstance(each, StatusUpdate) and each.message]
    assert messages == ["login with password=masked", "of itself", "token=masked"]
    submitted = [each.spec.container for each in found if isinstance(each, JobSubmitted)]
    assert [each.environment for each in submitted] == [(("TOKEN", MASK),), (), ()]
    assert submitted[0].command == ("run", "--password", MASK)


def test_a_command_is_masked_where_there_is_no_environment() -> None:
    spec = batch(command=("run", "--password", SECRET))
    assert masked_spec(spec, Masker()).container.command == ("run", "--password", MASK)
    assert masked_spec(spec) is spec


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ({"env": {"A": "b", "C": 1}}, {"env": {"A": MASK, "C": MASK}}),
        ({"environment": [["A", "b"], "C=d", []]}, {"environment": [["A", MASK], MASK, MASK]}),
        ({"env": "A=b"}, {"env": MASK}),
        ({"env": None}, {"env": None}),
        ([{"a": [{"env": "x"}, 7]}, "A=b"], [{"a": [{"env": MASK}, 7]}, "A=b"]),
    ],
)
def test_environments_of_foreign_records_are_masked_in_any_shape(
    value: object, masked: object
) -> None:
    assert msgspec.json.decode(masked_json(msgspec.json.encode(value))) == masked


@pytest.mark.parametrize("data", [b"", b"no JSON", b"[" * 100_000])
def test_a_foreign_record_that_cannot_be_looked_into_is_left_out(data: bytes) -> None:
    assert masked_json(data) == b""
