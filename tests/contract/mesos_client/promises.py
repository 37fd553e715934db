"""What the connector and a Mesos master promise each other: one function, one promise.

The one thing to know: they run against any master that speaks the v1 scheduler API, with the
product's own client; ``test_promises.py`` runs each against the real Mesos and the dev cluster.
What holds for the real one and not for the other is a mistake of the other.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
import pytest

from connectors.mesos.sandbox import (
    FileMissingError,
    HostGoneError,
    SandboxReader,
    TaskNeverRanError,
)
from scheduler.model.effects import (
    AnswerInverseOffers,
    AskAll,
    AskState,
    DeclineOffers,
    KillOnHost,
    Revive,
    Suppress,
)
from scheduler.model.ids import HostId, TaskId
from scheduler.model.mesos import (
    HostFacts,
    HostFailed,
    InverseOffer,
    InverseOfferRescinded,
    InverseOffersReceived,
    OfferRescinded,
    StatusUpdate,
    StreamEnded,
    Subscribed,
)
from scheduler.model.resources import Need, holds_ports
from tests.contract.mesos_client.clusters import Cluster
from tests.contract.mesos_client.framework import WAIT_S, Framework, P, a_task, subscribed

Promise = Callable[[Cluster], Awaitable[None]]
RECONCILIATION: Final = "REASON_RECONCILIATION"
LONG: Final = ("sleep", "120")


async def a_stream_begins_with_subscribed_and_brings_offers(cluster: Cluster) -> None:
    async with subscribed(Framework(cluster)) as it:
        assert it.records[0] == Subscribed(
            it.stream_id, it.framework_id, 1, heartbeat_interval_ms=15000, master=cluster.address
        )
        for zone, port in (("z1", cluster.port + 1), ("z2", cluster.port + 2)):
            offer = await it.offer(
                lambda each: each.facts is not None and ("zone", zone) in each.facts.attributes  # noqa: B023 - awaited at once
            )
            assert offer.facts is not None
            assert offer.facts.url == f"http://127.0.0.1:{port}"
            assert offer.facts.hostname
            assert offer.resources.cpu_milli == 4000
            assert offer.resources.memory_mib == 8192
            assert offer.resources.disk_mib == 10000
            assert holds_ports(offer.resources.ports, (31000, 31999))


async def a_task_runs_and_finishes(cluster: Cluster) -> None:
    async with subscribed(Framework(cluster)) as it:
        task_id, host_id = await it.launch("sh", "-c", "sleep 0.3")
        running = await it.update(task_id, "TASK_RUNNING")
        finished = await it.update(task_id, "TASK_FINISHED")
        for each in (running, finished):
            assert each.uuid
            assert each.host_id == host_id
            assert each.source == "SOURCE_EXECUTOR"
            assert abs(each.observed_at_ms / 1000 - time.time()) < 60
            assert not each.is_reconciliation
        assert running.uuid != finished.uuid


async def a_task_gets_its_argv_and_environment_and_an_exit_code_fails_it(cluster: Cluster) -> None:
    """The task ends with 7 only if argv and environment came through as they were given."""
    async with subscribed(Framework(cluster)) as it:
        script = 'test "$A" = "b c" && test "$1" = "x y" && exit 7; exit 8'
        task = a_task("sh", "-c", script, "sh", "x y", environment=(("A", "b c"),))
        await it.accept(await it.offer(), task)
        failed = await it.update(task.task_id, "TASK_FAILED")
        assert "7" in failed.message


async def a_task_that_is_too_large_is_an_error_and_the_next_one_runs(cluster: Cluster) -> None:
    async with subscribed(Framework(cluster)) as it:
        large, small = a_task("true", need=Need(40_000, 32)), a_task("true")
        await it.accept(await it.offer(), large, small)
        error = await it.update(large.task_id, "TASK_ERROR")
        assert (error.uuid, error.source) == ("", "SOURCE_MASTER")
        assert error.reason == "REASON_TASK_INVALID"
        await it.update(small.task_id, "TASK_FINISHED")


async def a_used_offer_cannot_be_used_again(cluster: Cluster) -> None:
    async with subscribed(Framework(cluster)) as it:
        offer = await it.offer()
        first, second = a_task("true"), a_task("true")
        await it.accept(offer, first)
        assert (await it.accept(offer, second)).fate == "sent"
        dropped = await it.update(second.task_id, "TASK_DROPPED")
        assert (dropped.uuid, dropped.reason) == ("", "REASON_INVALID_OFFERS")
        await it.update(first.task_id, "TASK_FINISHED")


async def ports_are_taken_until_the_task_ends(cluster: Cluster) -> None:
    async with subscribed(Framework(cluster)) as it:
        offer = await it.offer()
        task = a_task(*LONG, ports=(31002, 31000))
        await it.accept(offer, task)
        await it.update(task.task_id, "TASK_RUNNING")
        rest = await it.offer(lambda each: each.host_id == offer.host_id)
        assert not holds_ports(rest.resources.ports, (31000,))
        assert not holds_ports(rest.resources.ports, (31002,))
        assert holds_ports(rest.resources.ports, (31001, 31003, 31999))
        assert rest.resources.cpu_milli == offer.resources.cpu_milli - 100
        assert rest.resources.memory_mib == offer.resources.memory_mib - 32


async def an_unacknowledged_update_is_repeated_and_holds_back_the_next(cluster: Cluster) -> None:
    """Mesos repeats after 10 s; the task has ended long before, and that is not told."""
    async with subscribed(Framework(cluster, acknowledges=False)) as it:
        task_id, _ = await it.launch("sh", "-c", "sleep 0.1")
        first = await it.update(task_id, "TASK_RUNNING")
        since = len(it.records)
        again = await it.update(task_id, "TASK_RUNNING", since=since, wait_s=30)
        assert again.uuid == first.uuid
        assert "TASK_FINISHED" not in {each.state for each in it.heard(task_id)}
        assert (await it.acknowledge(again)).fate == "sent"
        finished = await it.update(task_id, "TASK_FINISHED", wait_s=5)
        assert (await it.acknowledge(finished)).fate == "sent"


async def reconciliation_answers_by_the_table(cluster: Cluster) -> None:
    async with subscribed(Framework(cluster)) as it:
        task_id, host_id = await it.launch(*LONG)
        await it.update(task_id, "TASK_RUNNING")
        nowhere, not_there = TaskId("nowhere-worker-0-1"), TaskId("not-there-worker-0-1")
        elsewhere = TaskId("elsewhere-worker-0-1")
        asked = (
            (task_id, host_id),
            (nowhere, None),
            (not_there, host_id),
            (elsewhere, HostId("no-such-host")),
        )
        since = len(it.records)
        assert (await it.call(AskState(P, asked))).fate == "sent"
        answers = [
            await it.update(task_id, "TASK_RUNNING", since=since),
            await it.update(nowhere, "TASK_UNKNOWN", since=since),
            await it.update(not_there, "TASK_GONE", since=since),
            await it.update(elsewhere, "TASK_UNKNOWN", since=since),
        ]
        since = len(it.records)
        assert (await it.call(AskAll(P))).fate == "sent"
        answers.append(await it.update(task_id, "TASK_RUNNING", since=since))
        for each in answers:
            assert each.is_reconciliation
            assert (each.uuid, each.source) == ("", "SOURCE_MASTER")


async def many_tasks_can_be_asked_for_at_once(cluster: Cluster) -> None:
    async with subscribed(Framework(cluster)) as it:
        tasks = tuple((TaskId(f"many-worker-{n}-1"), None) for n in range(12_000))
        since = len(it.records)
        assert (await it.call(AskState(P, tasks))).fate == "sent"
        await it.update(tasks[-1][0], "TASK_UNKNOWN", since=since)
        answered = [each for each in it.records[since:] if isinstance(each, StatusUpdate)]
        assert {each.task_id for each in answered} == {each for each, _ in tasks}


async def a_kill_is_answered_with_killed(cluster: Cluster) -> None:
    async with subscribed(Framework(cluster)) as it:
        task_id, host_id = await it.launch(*LONG)
        await it.update(task_id, "TASK_RUNNING")
        assert (await it.call(KillOnHost(P, task_id, host_id, 1000))).fate == "sent"
        killed = await it.update(task_id, "TASK_KILLED")
        assert killed.uuid


async def a_kill_waits_for_its_grace(cluster: Cluster) -> None:
    """The task ignores SIGTERM, so only the SIGKILL after the call's grace ends it."""
    async with subscribed(Framework(cluster)) as it:
        script = "trap '' TERM; : >\"$READY\"; while :; do sleep 0.1; done"
        ready = cluster.home / f"ready-{it.framework_id}"
        environment = (("READY", str(ready)),)
        offer = await it.offer()
        task = a_task("sh", "-c", script, environment=environment, kill_grace_ms=60_000)
        await it.accept(offer, task)
        await it.update(task.task_id, "TASK_RUNNING")
        async with asyncio.timeout(10):
            # RUNNING is told before the shell has set its trap.
            while not ready.exists():
                await asyncio.sleep(0.02)
        began = time.monotonic()
        await it.call(KillOnHost(P, task.task_id, offer.host_id, 2000))
        await it.update(task.task_id, "TASK_KILLED")
        assert 1.9 <= time.monotonic() - began < 15


async def a_kill_of_an_unknown_task_is_answered(cluster: Cluster) -> None:
    async with subscribed(Framework(cluster)) as it:
        offer = await it.offer()
        await it.call(KillOnHost(P, TaskId("ghost-worker-0-1"), offer.host_id, 0))
        gone = await it.update(TaskId("ghost-worker-0-1"), "TASK_GONE")
        assert gone.uuid == ""


async def a_kill_right_after_its_launch_never_overtakes_it(cluster: Cluster) -> None:
    async with subscribed(Framework(cluster)) as it:
        for _ in range(5):
            offer = await it.offer()
            task = a_task(*LONG)
            launched, killed = await asyncio.gather(
                it.accept(offer, task),
                it.call(KillOnHost(P, task.task_id, offer.host_id, 0)),
            )
            assert (launched.fate, killed.fate) == ("sent", "sent")
            await it.update(task.task_id, "TASK_KILLED")


async def declined_resources_stay_away_until_revived(cluster: Cluster) -> None:
    async with subscribed(Framework(cluster)) as it:
        await it.offer(lambda each: _zone(each.facts) == "z2")
        offer = await it.offer(lambda each: _zone(each.facts) == "z1")
        await it.call(DeclineOffers(P, (offer.offer_id,), refuse_ms=3_600_000))
        del it.offers[offer.offer_id]
        since = len(it.records)
        # The allocator runs each second: an offer that is not there after three is held back.
        with pytest.raises(AssertionError, match="no such offer"):
            await it.offer(lambda each: each.host_id == offer.host_id, wait_s=3)
        await it.call(Revive(P))
        again = await it.offer(lambda each: each.host_id == offer.host_id)
        assert again.offer_id != offer.offer_id
        assert not any(isinstance(each, StreamEnded) for each in it.records[since:])


async def who_suppresses_gets_no_offers_until_it_revives(cluster: Cluster) -> None:
    async with subscribed(Framework(cluster)) as it:
        await it.offer(lambda each: _zone(each.facts) == "z1")
        await it.offer(lambda each: _zone(each.facts) == "z2")
        await it.call(Suppress(P))
        await it.call(DeclineOffers(P, tuple(it.offers), refuse_ms=0))
        it.offers.clear()
        with pytest.raises(AssertionError, match="no such offer"):
            await it.offer(wait_s=3)
        await it.call(Revive(P))
        await it.offer()


async def a_second_stream_fences_off_the_first(cluster: Cluster) -> None:
    """The old client does not read its stream, so it is the master that refuses its calls."""
    old = Framework(cluster)
    records = old.client.subscribe(1)
    first = await anext(records)
    assert isinstance(first, Subscribed)
    async with subscribed(Framework(cluster, old.framework_id)) as new:
        assert new.stream_id != first.stream_id
        refused = await old.client.carry_out(Revive(P), first.stream_id)
        assert refused.fate == "refused"
        assert "400" in refused.detail
        assert (await old.client.carry_out(Revive(P), new.stream_id)).fate == "refused"
        rest = [record async for record in records]
        assert isinstance(rest[-1], StreamEnded)
        assert not rest[-1].is_fatal
        assert (await new.call(Revive(P))).fate == "sent"
    await old.client.close()


async def who_reads_its_stream_is_told_that_it_was_replaced(cluster: Cluster) -> None:
    async with subscribed(Framework(cluster)) as new:
        old, old_stream = new.client, new.stream_id
        task_id, host_id = await new.launch(*LONG)
        await new.update(task_id, "TASK_RUNNING")
        void = await new.offer()
        other = Framework(cluster, new.framework_id)
        async with subscribed(other):
            ended = await new.ended()
            assert "Framework failed over" in ended.why
            assert (ended.is_fatal, ended.stream_id) == (False, old_stream)
            assert (await old.carry_out(Revive(P), old_stream)).fate == "refused"
            # The old stream's offers are void, without a word on either stream.
            assert not any(isinstance(each, OfferRescinded) for each in other.records)
            task = a_task("true")
            await other.accept(void, task)
            dropped = await other.update(task.task_id, "TASK_DROPPED")
            assert dropped.reason == "REASON_INVALID_OFFERS"
            # The tasks go on.
            await other.call(AskState(P, ((task_id, host_id),)))
            await other.update(task_id, "TASK_RUNNING", lambda each: each.is_reconciliation)


async def tasks_outlive_the_control_plane_and_updates_wait_for_it(cluster: Cluster) -> None:
    """The stream ends before the update is acknowledged; it comes again on the next one."""
    away = Framework(cluster, acknowledges=False)
    await away.subscribe()
    task_id, _ = await away.launch("sh", "-c", "sleep 0.3")
    running = await away.update(task_id, "TASK_RUNNING")
    await away.end()
    async with subscribed(Framework(cluster, away.framework_id)) as back:
        again = await back.update(task_id, "TASK_RUNNING")
        assert (again.uuid, again.stream_id) == (running.uuid, back.stream_id)
        await back.update(task_id, "TASK_FINISHED")


async def a_framework_that_is_torn_down_is_burnt(cluster: Cluster) -> None:
    it = Framework(cluster)
    await it.subscribe()
    await it.teardown()
    assert not (await it.ended()).is_fatal  # the stream just closes
    late = await it.call(Revive(P))
    assert late.fate == "refused"
    since = len(it.records)
    burnt = await _fruitless(it)
    assert burnt.is_fatal
    assert "Framework has been removed" in burnt.why
    assert len(it.records) == since
    await it.end()


async def a_framework_that_was_away_too_long_is_burnt(cluster: Cluster) -> None:
    it = Framework(cluster, failover_timeout_s=0.3)
    await it.subscribe()
    await it.end()
    deadline = time.monotonic() + 60
    while True:
        back = Framework(cluster, it.framework_id, failover_timeout_s=0.3)
        ended = await _first_end(back)
        if ended is not None and ended.is_fatal:
            return
        assert time.monotonic() < deadline, "the framework id was never burnt"
        await asyncio.sleep(0.5)  # longer than the time-out, which began anew


async def the_master_dies_and_tasks_live(cluster: Cluster) -> None:
    async with subscribed(Framework(cluster)) as it:
        task_id, host_id = await it.launch(*LONG)
        await it.update(task_id, "TASK_RUNNING")
        old_stream, since = it.stream_id, len(it.records)
        cluster.kill("master")
        try:
            ended = await it.ended(since=since)
            assert not ended.is_fatal
            refused = await it.call(Revive(P))
            assert (refused.fate, refused.stream_id) == ("refused", old_stream)
            down = await _fruitless(it)
            # A connection that the dying process had not taken yet is broken off instead.
            assert "cannot be reached" in down.why or "broke off" in down.why
            assert not down.is_fatal
        finally:
            cluster.start("master")
            cluster.await_master()
        await _resubscribe(it)
        assert it.stream_id != old_stream
        running = await _reconciled(it, task_id, host_id)
        assert running.state == "TASK_RUNNING"
        await it.call(KillOnHost(P, task_id, host_id, 1000))
        await it.update(task_id, "TASK_KILLED")
        await it.offer(lambda each: _zone(each.facts) == "z1")
        await it.offer(lambda each: _zone(each.facts) == "z2")


async def a_host_dies_and_comes_back_with_its_task(cluster: Cluster) -> None:
    async with subscribed(Framework(cluster)) as it:
        offer = await it.offer(lambda each: _zone(each.facts) == "z1")
        task = a_task(*LONG)
        await it.accept(offer, task)
        await it.update(task.task_id, "TASK_RUNNING")
        rest = await it.offer(lambda each: each.host_id == offer.host_id)
        since = len(it.records)
        cluster.kill("agent1")
        try:
            await it.wait_for(
                OfferRescinded,
                "the dead host's offer is taken back",
                lambda each: each.offer_id == rest.offer_id,
                since=since,
            )
            lost = await it.update(task.task_id, "TASK_UNREACHABLE", since=since)
            assert (lost.uuid, lost.reason) == ("", "REASON_AGENT_REMOVED")
            failed = await it.wait_for(HostFailed, "the host's failure", since=since)
            assert (failed.host_id, failed.executor_id) == (offer.host_id, "")
        finally:
            cluster.start("agent1")
            cluster.await_agent("agent1")
        back = await it.update(task.task_id, "TASK_RUNNING", since=since, wait_s=30)
        assert back.reason == "REASON_AGENT_REREGISTERED"
        await it.call(KillOnHost(P, task.task_id, offer.host_id, 1000))
        await it.update(task.task_id, "TASK_KILLED")


async def what_a_task_writes_can_be_read(cluster: Cluster) -> None:
    # Under the real Mesos' stand-in helpers what is printed does not reach the sandbox.
    script = 'printf "a\\303\\274\\377z"; printf "to err" >&2; exec sleep 120'
    if not cluster.writes_sandbox:
        script = f'exec >"$MESOS_SANDBOX/stdout" 2>"$MESOS_SANDBOX/stderr"; {script}'
    text = "aü".encode() + b"\xffz"
    reader = SandboxReader(timeout_s=5)
    try:
        async with subscribed(Framework(cluster)) as it:
            offer = await it.offer()
            task = a_task("sh", "-c", script)
            await it.accept(offer, task)
            await it.update(task.task_id, "TASK_RUNNING")
            assert offer.facts is not None
            url = offer.facts.url
            directory = await reader.directory(url, it.framework_id, task.task_id)
            deadline = time.monotonic() + 60
            while await reader.size(url, directory, "stderr") < 6:
                assert time.monotonic() < deadline, "the task wrote nothing"
                await asyncio.sleep(0.05)
            assert await reader.size(url, directory, "stdout") == len(text)
            whole = await reader.read(url, directory, "stdout", 0, 1000)
            assert (whole.data, whole.next_offset) == (text, 5)
            assert (await reader.read(url, directory, "stderr", 0, 1000)).data == b"to err"
            # From the middle of a character, and beyond the end.
            assert (await reader.read(url, directory, "stdout", 2, 2)).data == text[2:4]
            assert (await reader.read(url, directory, "stdout", 5, 10)).data == b""
            assert (await reader.read(url, directory, "stdout", 99, 10)).data == b""
            with pytest.raises(FileMissingError):
                await reader.read(url, f"{directory}/nowhere", "stdout", 0, 10)
            with pytest.raises(TaskNeverRanError, match="never ran there"):
                await reader.directory(url, it.framework_id, TaskId("ghost"))
            with pytest.raises(TaskNeverRanError):
                await reader.directory(url, "other-framework", task.task_id)
            with pytest.raises(HostGoneError, match="may be down"):
                await reader.directory("http://127.0.0.1:1", it.framework_id, task.task_id)
            await it.call(KillOnHost(P, task.task_id, offer.host_id, 0))
            await it.update(task.task_id, "TASK_KILLED")
            # The sandbox stays when the task has ended.
            assert await reader.directory(url, it.framework_id, task.task_id) == directory
            assert (await reader.read(url, directory, "stdout", 0, 1000)).data == text
    finally:
        await reader.close()


async def planned_maintenance_is_told_and_answered(cluster: Cluster) -> None:
    """With the host's offer, and by an inverse offer; the operator sees what is answered."""
    async with subscribed(Framework(cluster)) as it:
        offer = await it.offer(lambda each: _zone(each.facts) == "z1")
        assert offer.facts is not None
        await it.accept(offer, a_task(*LONG))
        window: dict[str, object] = {
            "machine_ids": [{"hostname": offer.facts.hostname, "ip": "127.0.0.1"}],
            "unavailability": {
                "start": {"nanoseconds": 1_900_000_000_000_000_000},
                "duration": {"nanoseconds": 3_600_000_000_000},
            },
        }
        try:
            await _schedule(cluster, window)
            told = {("mesos.unavailable_for_ms", "3600000")}
            told.add(("mesos.unavailable_from_ms", "1900000000000"))
            await it.offer(lambda each: each.facts is not None and told <= {*each.facts.attributes})
            since = 0
            for status in ("DECLINE", "ACCEPT"):
                heard, inverse = await _asked_for(it, offer.host_id, since)
                since = it.records.index(heard) + 1
                assert (inverse.from_ms, inverse.for_ms) == (1_900_000_000_000, 3_600_000)
                # Mesos asks again as soon as the refusal is over.
                ids, is_yes = (inverse.offer_id,), status == "ACCEPT"
                await it.call(AnswerInverseOffers(P, ids, is_accepted=is_yes, refuse_ms=500))
                await _answered(cluster, it.framework_id, status)
            _, again = await _asked_for(it, offer.host_id, since)
            await _schedule(cluster)
            await it.wait_for(
                InverseOfferRescinded, "its end", lambda each: each.offer_id == again.offer_id
            )
        finally:
            await _schedule(cluster)
        assert not any(isinstance(each, StreamEnded) for each in it.records)


async def _schedule(cluster: Cluster, *windows: dict[str, object]) -> None:
    """Set the maintenance schedule, as an operator does."""
    url = f"http://{cluster.address}/maintenance/schedule"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, json={"windows": windows}) as answer,
    ):
        assert answer.status == 200, await answer.text()


async def _asked_for(
    it: Framework, host_id: HostId, since: int
) -> tuple[InverseOffersReceived, InverseOffer]:
    """The next inverse offer of a host: its record, and itself."""

    def named(record: InverseOffersReceived) -> list[InverseOffer]:
        return [each for each in record.offers if each.host_id == host_id]

    what = f"an inverse offer of {host_id}"
    record = await it.wait_for(
        InverseOffersReceived, what, lambda each: bool(named(each)), since=since
    )
    return record, named(record)[0]


async def _answered(cluster: Cluster, framework_id: str, status: str) -> None:
    """Wait until the operator is shown that this framework has answered so."""
    url = f"http://{cluster.address}/maintenance/status"
    async with aiohttp.ClientSession() as http, asyncio.timeout(WAIT_S):
        while True:
            async with http.get(url) as answer:
                shown = await answer.json()
            said = [
                (each["framework_id"]["value"], each["status"])
                for machine in shown.get("draining_machines", [])
                for each in machine.get("statuses", [])
            ]
            if (framework_id, status) in said:
                return
            await asyncio.sleep(0.05)


PROMISES: Final[tuple[Promise, ...]] = (
    a_stream_begins_with_subscribed_and_brings_offers,
    a_task_runs_and_finishes,
    a_task_gets_its_argv_and_environment_and_an_exit_code_fails_it,
    a_task_that_is_too_large_is_an_error_and_the_next_one_runs,
    a_used_offer_cannot_be_used_again,
    ports_are_taken_until_the_task_ends,
    an_unacknowledged_update_is_repeated_and_holds_back_the_next,
    reconciliation_answers_by_the_table,
    many_tasks_can_be_asked_for_at_once,
    a_kill_is_answered_with_killed,
    a_kill_waits_for_its_grace,
    a_kill_of_an_unknown_task_is_answered,
    a_kill_right_after_its_launch_never_overtakes_it,
    declined_resources_stay_away_until_revived,
    who_suppresses_gets_no_offers_until_it_revives,
    a_second_stream_fences_off_the_first,
    who_reads_its_stream_is_told_that_it_was_replaced,
    tasks_outlive_the_control_plane_and_updates_wait_for_it,
    a_framework_that_is_torn_down_is_burnt,
    a_framework_that_was_away_too_long_is_burnt,
    what_a_task_writes_can_be_read,
    planned_maintenance_is_told_and_answered,
    the_master_dies_and_tasks_live,
    a_host_dies_and_comes_back_with_its_task,
)


def _zone(facts: HostFacts | None) -> str:
    return dict(facts.attributes).get("zone", "") if facts is not None else ""


async def _fruitless(it: Framework) -> StreamEnded:
    """Subscribe without success: the one record that comes."""
    (record,) = [each async for each in it.client.subscribe(2)]
    assert isinstance(record, StreamEnded)
    return record


async def _first_end(it: Framework) -> StreamEnded | None:
    """Subscribe and end at once: the first record, if it is the stream's end."""
    records = it.client.subscribe(2)
    first = await anext(records)
    await records.aclose()
    await it.end()
    return first if isinstance(first, StreamEnded) else None


async def _resubscribe(it: Framework) -> None:
    """Subscribe again and again, as a leader does, until the master takes us."""
    deadline = time.monotonic() + 60
    while True:
        first = await it.subscribe(2)
        if isinstance(first, Subscribed):
            return
        assert time.monotonic() < deadline, f"the master never took us again: {first}"
        await asyncio.sleep(0.1)  # a leader waits longer between its attempts


async def _reconciled(it: Framework, task_id: TaskId, host_id: HostId) -> StatusUpdate:
    """Ask for a task until there is an answer: before its host is back there is none."""
    deadline = time.monotonic() + 60
    while True:
        since = len(it.records)
        await it.call(AskState(P, ((task_id, host_id),)))
        try:
            return await it.wait_for(
                StatusUpdate,
                "an answer",
                lambda each: each.task_id == task_id and each.is_reconciliation,
                since=since,
                wait_s=1,
            )
        except AssertionError:
            assert time.monotonic() < deadline, "no answer about the task"
