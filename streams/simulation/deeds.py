"""How each deed of a script is done to the world.

The one thing to know: a deed never reaches into the parts under test. It publishes, kills, cuts,
delays, spoils; what follows from it is the cell's affair.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from scheduler.model.codec import digest_of
from scheduler.model.foreign_disruption import encode_evict_task
from scheduler.model.foreign_records import (
    encode_confirm_finding,
    encode_kill_job,
    encode_kill_task,
    encode_reject_finding,
    encode_scale_job,
    encode_set_host,
    encode_set_policy,
    encode_skip_record,
    encode_submit,
)
from scheduler.model.ids import JobId
from scheduler.model.proposals import LaunchTasks
from streams.simulation.hosts import Host
from streams.simulation.process import Life, Slot
from streams.simulation.script import Deed, What
from streams.simulation.world import World

POINTS: Final = (
    "inbound-read",
    "round-written",
    "effect-started:AcceptOffers",
    "effect-started",
    "call-sent:AcceptOffers",
    "call-sent",
    "update-written",
)
"""Where a process may be killed; see `streams.cell.points`."""
BUDGETS: Final[Mapping[int, dict[str, Any]]] = {
    2: {
        "unhealthyTasksLimit": {"limitOfUnhealthyContainers": 1},
        "ratePerInterval": {"intervalMs": 600_000, "limitPerInterval": 1},
    },
    3: {"availabilityPercentageLimit": {"percentageOfHealthyContainers": 60}},
    4: {
        "relocationLimit": {"limit": 2},
        "ratePercentagePerHour": {"maxPercentageOfContainersRelocatedInHour": 50},
    },
}
"""Budgets of services by how many tasks they begin with; the others have the injected one."""
OPERATOR_S: Final = 300.0
"""How often the simulated operator looks whether the cell waits for a word."""
NEW_HOST_S: Final = 120.0
REJECTED_SHARE: Final = 0.4
"""So many findings are taken for wrong at first sight; before the calm begins, that is."""


def schedule(world: World) -> None:
    """Put every deed of the script into the world's time, and an operator beside it."""
    hands = Hands(world)
    world.witness.on_launch = hands.decided
    for deed in world.script.deeds:
        world.loop.at(deed.at_s, hands.do, deed)
    world.loop.later(OPERATOR_S, hands.operate)


def descriptor(size: dict[str, Any], cpu: float, run_s: int, failing_percent: int) -> Any:  # noqa: ANN401 - JSON
    """A job whose tasks run for about ``run_s`` and fail so often."""
    return {
        "owner": {"teamEmail": "ada@example.org"},
        "applicationName": "simulated",
        "container": {
            "resources": {"cpu": cpu, "memoryMB": 256, "diskMB": 10},
            "command": ["run", str(run_s), str(failing_percent)],
        },
        **size,
    }


class Hands:
    """Does what a script says."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._services: list[JobId] = []
        self._batches: list[JobId] = []
        self._rescinding_until_s = 0.0
        self._hosts_made = world.script.hosts
        self._strangers = 0
        self._table: Mapping[What, Callable[[Deed], None]] = {
            "submit-service": self._submit_service,
            "submit-batch": self._submit_batch,
            "submit-twice": self._submit_twice,
            "submit-rubbish": self._submit_rubbish,
            "scale": self._scale,
            "kill-job": self._kill_job,
            "kill-task": self._kill_task,
            "shrink": self._kill_task,
            "set-policy": self._set_policy,
            "drain-host": self._drain_host,
            "evict-task": self._evict_task,
            "crash": self._crash,
            "crash-at-point": self._crash_at_point,
            "crash-all": self._crash_all,
            "freeze": self._freeze,
            "jump-clock": self._jump_clock,
            "reassign": lambda _: world.group.give_to_another(),
            "stall-kafka": self._stall_kafka,
            "cut-from-kafka": self._cut_from_kafka,
            "late-acknowledgements": self._late_acknowledgements,
            "poison-log": self._poison_log,
            "drop-inbound": self._drop_inbound,
            "poison-mesos": self._poison_mesos,
            "cut-from-mesos": self._cut_from_mesos,
            "fail-over-master": lambda deed: world.master.fail_over(deed.for_s),
            "flap-host": self._flap_host,
            "cut-host": self._cut_host,
            "cut-zone": self._cut_zone,
            "kill-host": self._kill_host,
            "rescind": lambda deed: world.master.rescind_of(self._host(deed).host_id),
            "rescind-under-decisions": self._rescind_under_decisions,
            "shuffle-updates": self._shuffle_updates,
            "double-updates": self._double_updates,
            "lose-calls": self._lose_calls,
            "delay-calls": self._delay_calls,
            "stranger-task": self._stranger_task,
            "take-snapshot": self._take_snapshot,
            "spoil-snapshot": lambda deed: world.store.spoil(deed.target, deed.amount),
            "fail-store": self._fail_store,
        }

    def do(self, deed: Deed) -> None:
        """Do one deed now."""
        self._world.note(f"deed {deed.what} {deed.target} {deed.for_s:.0f} {deed.amount}")
        self._table[deed.what](deed)

    def _until_s(self, deed: Deed) -> float:
        return self._world.loop.time() + deed.for_s

    def _publish(self, topic: str, value: bytes, key: str = "") -> None:
        """Publish as a producer does: it repeats what the brokers do not take now."""
        world = self._world
        until_s = world.broker.stalled_until_s
        if world.loop.time() < until_s:
            world.loop.at(until_s, world.broker.publish, topic, value, key.encode())
        else:
            world.broker.publish(topic, value, key.encode())

    # Users and operators.

    def _submit(self, name: str, value: Any, deed: Deed) -> None:  # noqa: ANN401 - JSON
        job_id = JobId(name)
        self._world.submitted.add(job_id)
        data = encode_submit(job_id, value, "ada")
        self._publish("jobs", data, name)
        for number in range(1, 1 + (deed.amount if deed.what == "submit-twice" else 0)):
            self._world.loop.later(number * 1.5, self._publish, "jobs", data, name)

    def _submit_service(self, deed: Deed) -> None:
        capacity = {"min": 0, "desired": deed.amount, "max": 8}
        name = f"service{len(self._services)}"
        self._services.append(JobId(name))
        size: dict[str, Any] = {"service": {"capacity": capacity}}
        if budget := BUDGETS.get(deed.amount):
            size["disruptionBudget"] = budget
        value = descriptor(size, 0.5, int(deed.for_s), deed.target)
        self._submit(name, value, deed)

    def _submit_batch(self, deed: Deed) -> None:
        name = f"batch{len(self._batches)}"
        self._batches.append(JobId(name))
        size = {
            "batch": {"size": max(1, deed.amount), "retryPolicy": {"immediate": {"retries": 3}}}
        }
        self._submit(name, descriptor(size, 0.5, int(deed.for_s), deed.target), deed)

    def _submit_twice(self, deed: Deed) -> None:
        self._submit_batch(deed)

    def _submit_rubbish(self, deed: Deed) -> None:
        rubbish = (b"", b"{", b'{"type":"SubmitJob"}', b"\xff\xfe\x00", b'{"type":"KillJob"}')
        self._publish("jobs", rubbish[deed.target % len(rubbish)], "rubbish")
        self._publish("commands", rubbish[deed.target % len(rubbish)], "rubbish")

    def _service(self, deed: Deed) -> JobId | None:
        return self._services[deed.target % len(self._services)] if self._services else None

    def _scale(self, deed: Deed) -> None:
        job_id = self._service(deed)
        if job_id is not None:
            self._publish(
                "jobs", encode_scale_job(job_id, desired=deed.amount, actor="ada"), job_id
            )

    def _kill_job(self, deed: Deed) -> None:
        jobs = self._services + self._batches
        if jobs:
            job_id = jobs[deed.target % len(jobs)]
            self._publish("jobs", encode_kill_job(job_id, "ada", "enough"), job_id)

    def _kill_task(self, deed: Deed) -> None:
        job_id = self._service(deed)
        state = self._world.witness.state
        there = state.indexes.get(job_id) if job_id is not None else None
        if job_id is None or not there:
            return
        task_id = sorted(there.values())[deed.amount % len(there)]
        is_shrink = deed.what == "shrink"
        self._publish("jobs", encode_kill_task(task_id, "ada", is_shrink=is_shrink), job_id)

    def _set_policy(self, deed: Deed) -> None:
        values = {"launch_timeout_ms": 60_000 + 60_000 * (deed.amount % 5)}
        values["offer_hold_ms"] = 30_000 + 30_000 * (deed.amount % 7)
        self._publish("commands", encode_set_policy(values, "op", "simulated"))

    def _drain_host(self, deed: Deed) -> None:
        host_id = self._host(deed).host_id
        self._publish("commands", encode_set_host(host_id, "draining", "op", "simulated"))
        enable = encode_set_host(host_id, "enabled", "op", "simulated")
        self._world.loop.later(deed.for_s, self._publish, "commands", enable)

    def _evict_task(self, deed: Deed) -> None:
        job_id = self._service(deed)
        there = self._world.witness.state.indexes.get(job_id) if job_id is not None else None
        if job_id is not None and there:
            task_id = sorted(there.values())[deed.amount % len(there)]
            self._publish("jobs", encode_evict_task(task_id, "simulated", "op"), job_id)

    def operate(self) -> None:
        """Give the word that the cell waits for, as an operator who was paged would."""
        world = self._world
        safe = world.witness.state.safe
        if safe is not None:
            is_calm = world.loop.time() >= world.script.hours * 3_600 - world.script.calm_s
            if not is_calm and world.chance.random() < REJECTED_SHARE:
                word = encode_reject_finding(safe.finding, "op", "I do not believe it")
            else:
                word = encode_confirm_finding(safe.finding, self._listed(), "op", "it is so")
            world.note(f"operator on finding {safe.finding}: {word.decode()}")
            self._publish("commands", word)
        if not world.is_over:
            world.loop.later(OPERATOR_S, self.operate)

    def _listed(self) -> int:
        """How many tasks stand on the list that an operator looks at."""
        state = self._world.witness.state
        strangers = [each for each in state.orphans.values() if not each.is_confirmed]
        return len(state.missing) + len(strangers)

    # Processes.

    def _slot(self, deed: Deed) -> Slot:
        """The leader for 0, the others behind it."""
        slots = self._world.slots
        return slots[(self._world.group.number + deed.target) % len(slots)]

    def _life(self, deed: Deed) -> Life | None:
        return self._slot(deed).life

    def _crash(self, deed: Deed) -> None:
        self._slot(deed).kill(max(0.5, deed.for_s))

    def _crash_all(self, deed: Deed) -> None:
        for slot in self._world.slots:
            slot.kill(max(0.5, deed.for_s))

    def _crash_at_point(self, deed: Deed) -> None:
        slot = self._slot(deed)
        slot.crash_point = POINTS[deed.amount % len(POINTS)]

    def _freeze(self, deed: Deed) -> None:
        life = self._life(deed)
        if life is not None:
            life.freeze(deed.for_s)
            self._world.group.look_later()

    def _jump_clock(self, deed: Deed) -> None:
        slot = self._slot(deed)
        slot.clock_ahead_ms += deed.amount
        if deed.for_s:
            self._world.loop.later(deed.for_s, partial(_step_clock, slot, -deed.amount))

    # Kafka.

    def _stall_kafka(self, deed: Deed) -> None:
        broker = self._world.broker
        broker.stalled_until_s = max(broker.stalled_until_s, self._until_s(deed))

    def _cut_from_kafka(self, deed: Deed) -> None:
        life = self._life(deed)
        if life is not None:
            life.kafka_cut_until_s = max(life.kafka_cut_until_s, self._until_s(deed))
            life.is_cut_one_way = deed.amount % 2 == 1
            life.cut_topic = "cell" if deed.amount % 4 == 1 else ""
            self._world.group.look_later()

    def _late_acknowledgements(self, deed: Deed) -> None:
        broker = self._world.broker
        broker.late_until_s = self._until_s(deed)
        broker.late_s_max = deed.amount / 1_000

    def _poison_log(self, deed: Deed) -> None:
        """A stranger writes into the cell's log; an operator who has looked at it skips it."""
        world = self._world
        poison = b"poison " + str(deed.target).encode()
        offset = world.broker.publish("cell", poison)
        world.poisoned.add(offset)
        skip = encode_skip_record(offset, digest_of(poison), "op", "a stranger's record")
        world.loop.later(deed.for_s, self._publish, "commands", skip)

    def _poison_mesos(self, deed: Deed) -> None:
        """A stranger writes into topic ``mesos``; an operator has Kafka delete it after a while.

        Everything before it goes with it, also what no leader could copy since.
        """
        world = self._world
        offset = world.broker.publish("mesos", b"poison " + str(deed.target).encode())
        world.unreadable.add(offset)
        topic = world.broker.partition("mesos")
        world.loop.later(deed.for_s, topic.drop_below, offset + 1)

    def _drop_inbound(self, deed: Deed) -> None:
        """Retention drops what Mesos said and nobody has copied yet, and what was copied."""
        topic = self._world.broker.partition("mesos")
        topic.drop_below(topic.ends - deed.amount % 3)

    # Mesos.

    def _host(self, deed: Deed) -> Host:
        hosts = [each for each in self._world.master.hosts.values() if each.is_alive]
        return hosts[deed.target % len(hosts)]

    def _cut_from_mesos(self, deed: Deed) -> None:
        life = self._life(deed)
        if life is not None and life.manager is not None:
            life.manager.cut(deed.for_s)

    def _flap_host(self, deed: Deed) -> None:
        host = self._host(deed)
        for number in range(deed.amount):
            self._world.loop.later(10.0 * number, self._world.master.cut, host, 5.0)

    def _cut_host(self, deed: Deed) -> None:
        self._world.master.cut(self._host(deed), deed.for_s)

    def _cut_zone(self, deed: Deed) -> None:
        zone = f"zone-{deed.target % 3}"
        for host in list(self._world.master.hosts.values()):
            if host.zone == zone and host.is_alive:
                self._world.master.cut(host, deed.for_s)

    def _kill_host(self, deed: Deed) -> None:
        world, host = self._world, self._host(deed)
        world.master.kill_host(host)
        name = f"host-{self._hosts_made}"
        self._hosts_made += 1
        world.loop.later(NEW_HOST_S, world.master.add_host, name, host.zone)
        if deed.amount:
            world.loop.later(NEW_HOST_S, world.master.mark_gone, host)

    def decided(self, proposal: LaunchTasks) -> None:
        """Take the offers of a launch back that was only just decided, if the script wants it."""
        world = self._world
        if world.loop.time() < self._rescinding_until_s and world.chance.random() < 0.5:
            world.loop.later(0.01 * world.chance.random(), world.master.rescind, proposal.offer_ids)

    def _rescind_under_decisions(self, deed: Deed) -> None:
        self._rescinding_until_s = self._until_s(deed)

    def _shuffle_updates(self, deed: Deed) -> None:
        self._world.master.shuffled_until_s = self._until_s(deed)

    def _double_updates(self, deed: Deed) -> None:
        self._world.master.doubled_until_s = self._until_s(deed)

    def _lose_calls(self, deed: Deed) -> None:
        self._world.weather.losing_until_s = self._until_s(deed)

    def _delay_calls(self, deed: Deed) -> None:
        self._world.weather.delaying_until_s = self._until_s(deed)

    def _stranger_task(self, deed: Deed) -> None:
        name = f"stranger{self._strangers}-worker-0-1"
        self._strangers += 1
        self._world.master.add_stranger(self._host(deed), name)

    # Snapshots.

    def _take_snapshot(self, deed: Deed) -> None:
        life = self._life(deed)
        if life is not None:
            life.take_snapshot()

    def _fail_store(self, deed: Deed) -> None:
        self._world.store.fails_until_ms = self._world.wall_ms() + int(deed.for_s * 1_000)


def _step_clock(slot: Slot, by_ms: int) -> None:
    slot.clock_ahead_ms += by_ms
