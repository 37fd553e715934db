"""What the logs of a working cell prove: same bytes, the same offers, an answer to every record.

One cell of real parts works through good and bad input; the tests then read its topics.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from projections.offers import CellOffers, MesosOffers
from scheduler.chain import Chain
from scheduler.digest import canonical_bytes
from scheduler.machine import Machine
from scheduler.model.address import Address, Source
from scheduler.model.changes import JobAccepted, JobRejected
from scheduler.model.codec import decode_change, decode_mesos, decode_record
from scheduler.model.events import Checkpoint, Copied
from scheduler.model.inbound import OffersChanged
from scheduler.model.task import Started
from streams.supervise.ports import free_block
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration

ADDRESSES_COMPARED = 40
BAD_RECORDS = {
    "no JSON": b"{not json",
    "no UTF-8": b"\xff\xfe{}",
    "empty": b"",
    "unknown type": b'{"type":"Teleport"}',
    "unknown field": b'{"type":"KillJob","jobId":"x","colour":"red"}',
    "wrong type": b'{"type":"SubmitJob","jobId":7,"job":{}}',
    "large": b'{"type":"SubmitJob","jobId":"large","job":"' + b"x" * 700_000 + b'"}',
}


@pytest.fixture(scope="module")
def worked(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cell that has worked: two leaders, good jobs, bad records, marks and checkpoints."""
    world = World(kafka, f"log{os.getpid()}.", tmp_path_factory.mktemp("world"))
    try:
        world.start_cluster(free_block(3))
        world.start_cell("cell-0")
        world.set_policy(mark_records=5)
        world.submit("service", service_of(3, "sleep 1000"))
        world.until(lambda: world.are("service", Started, 3), "the service runs")
        for value in BAD_RECORDS.values():
            world.publish("jobs", "bad", value)
        world.submit("after-bad", batch_of(5, "sleep 0.3", retries=1))
        world.until(lambda: world.is_normal("after-bad"), "the job behind the bad records")
        world.kill_cell("cell-0")
        world.start_cell("cell-0")
        world.submit("last", batch_of(3, "true"))
        world.until(lambda: world.is_normal("last"), "a job of the second term")
        world.until(lambda: len(checkpoints(world)) >= 3, "checkpoints of the leaders")
        yield world
    finally:
        world.close()


def checkpoints(world: World) -> list[Checkpoint]:
    """Every checkpoint in the log."""
    return [
        event
        for record in world.records
        for event in record.events
        if isinstance(event, Checkpoint)
    ]


def test_every_fold_has_the_digests_that_the_leaders_wrote(world_log: list[bytes]) -> None:
    # Two interpreters with different hash seeds fold from zero; a difference halts the fold.
    code = (
        "import sys\n"
        "from scheduler.digest import canonical_bytes\n"
        "from scheduler.machine import Machine\n"
        "from scheduler.model.codec import decode_record, digest_of\n"
        "machine = Machine()\n"
        "for offset, line in enumerate(sys.stdin.buffer):\n"
        "    machine.apply(offset, decode_record(line))\n"
        "print(machine.digest.value(), digest_of(canonical_bytes(machine.state)))\n"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=b"\n".join(world_log) + b"\n",
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path.cwd())},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1


def test_the_leaders_checkpoints_are_those_of_a_fold_from_zero(worked: World) -> None:
    wanted = {each.mark_offset: each for each in checkpoints(worked)}
    machine, chain = Machine(), Chain()
    compared = 0
    for offset, data in enumerate(worked.log):
        machine.apply(offset, decode_record(data))
        chain.take(data)
        if offset in wanted:
            assert machine.checkpoint_of(offset, chain.hex) == wanted[offset]
            compared += 1
    assert compared == len(wanted) >= 3
    assert canonical_bytes(machine.state) == canonical_bytes(worked.machine.state)


@pytest.fixture
def world_log(worked: World) -> list[bytes]:
    """The cell log as it is by now."""
    worked.read()
    return list(worked.log)


def test_the_offers_of_the_cell_log_are_those_of_topic_mesos(worked: World) -> None:
    topic = [decode_mesos(value) for value in worked.all_of("mesos")]
    chance = random.Random(7)
    addresses = sorted(chance.sample(range(len(worked.records)), ADDRESSES_COMPARED))
    cell, mesos = CellOffers(), MesosOffers()
    seen = 0
    for offset, record in enumerate(worked.records):
        cell.apply(offset, record)
        if offset not in addresses:
            continue
        for position in range(mesos.next_offset, cell.mesos_offset + 1):
            mesos.apply(position, topic[position])
        assert cell.offers == mesos.offers_of(cell.stream_id), f"at offset {offset}"
        seen += len(cell.offers)
    changed = [
        event
        for record in worked.records
        for event in record.events
        if isinstance(event, Copied) and isinstance(event.body, OffersChanged)
    ]
    assert seen > 0, "no address had an offer: nothing was compared"
    assert len(changed) > 1


def test_every_record_of_jobs_is_answered_with_its_address(worked: World) -> None:
    answers = [decode_change(value) for value in worked.all_of("job-events")]
    generation = json.loads(worked.all_of("jobs")[0])["generation"]
    places = {
        name: Source("jobs", generation, 0, offset, offset - 1)
        for offset, name in enumerate(("began", "service", *BAD_RECORDS, "after-bad", "last"))
    }
    for name in ("service", "after-bad", "last"):
        accepted = [each for each in answers if isinstance(each, JobAccepted)]
        assert any(each.source == places[name] for each in accepted), name
    for name in BAD_RECORDS:
        found = [
            each
            for each in answers
            if isinstance(each, JobRejected) and each.source == places[name]
        ]
        assert found, name
        assert all(fault.text for each in found for fault in each.faults), name


def test_published_changes_name_addresses_that_exist(worked: World) -> None:
    cell = worked.machine.state
    for offset, index, _ in worked.changes:
        assert index < len(worked.records[offset].events)
        address = Address(cell.cell, cell.generation, offset, index)
        assert str(address).startswith(f"{cell.cell}/{cell.generation}:{offset}[")
