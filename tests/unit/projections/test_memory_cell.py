"""A cell in memory decides as a real one: a job, an offer, a launch that is started and ended."""

from contextlib import nullcontext

import orjson

from projections.memory_cell import MemoryCell
from scheduler.model.changes import JobAccepted, TaskChanged
from scheduler.model.descriptor import decode_descriptor, spec_digest
from scheduler.model.effects import AcceptOffers, AskAll
from scheduler.model.events import EffectEnded
from scheduler.model.ids import HostId, JobId, OfferId, StreamId
from scheduler.model.inbound import JobSubmitted, OffersChanged
from scheduler.model.job import JobSpec
from scheduler.model.mesos import HostFacts, Offer, Subscribed
from scheduler.model.policy import Policy
from scheduler.model.resources import Resources

STREAM = StreamId("s")


def test_a_job_is_launched_on_the_offer_that_came() -> None:
    cell = MemoryCell("here", "a" * 32, Policy(), 1_000_000, nullcontext)
    assert (cell.state.cell, cell.epoch, cell.next_offset("mesos")) == ("here", 1, 1)
    subscribed = Subscribed(STREAM, "framework", cell.epoch, 15_000, "here")
    cell.copy("mesos", [subscribed])
    assert cell.next_offset("mesos") == 2
    cell.tick()
    asked = cell.round()
    assert asked is not None
    assert any(isinstance(each, AskAll) for each in asked.effects)
    cell.ended([EffectEnded(each, fate="sent") for each in asked.accepted])

    spec = decode_descriptor(
        orjson.dumps(
            {
                "owner": {"teamEmail": "a@example.org"},
                "applicationName": "app",
                "container": {"command": ["true"], "resources": {"cpu": 1, "memoryMB": 64}},
                "batch": {"size": 1, "runtimeLimitSec": 60},
            }
        )
    )
    assert isinstance(spec, JobSpec)
    cell.copy("jobs", [JobSubmitted(JobId("j"), spec, "me", spec_digest(spec))])
    facts = HostFacts("host", "", ())
    offer = Offer(OfferId("o"), HostId("h"), Resources(cpu_milli=4_000, memory_mib=512), facts)
    cell.copy("mesos", [OffersChanged(STREAM, cell.next_offset("mesos"), (offer,))])
    changes = cell.changes()
    assert [type(each) for each in changes if isinstance(each, JobAccepted)] == [JobAccepted]
    assert cell.changes() == []

    placed = cell.round()
    assert placed is not None
    assert placed.placing is not None
    assert placed.placing.placed == 1
    (launch,) = [each for each in placed.effects if isinstance(each, AcceptOffers)]
    assert [each.task_id for each in launch.tasks] == ["j-worker-0-1"]
    cell.ended([EffectEnded(each, fate="sent") for each in placed.accepted])
    states = [each.state for each in cell.changes() if isinstance(each, TaskChanged)]
    assert states[-1] == "Launched"
