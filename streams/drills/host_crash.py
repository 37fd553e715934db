"""`host-crash`: a host dies for good, and its tasks come back on others.

The one thing to know: nobody says that the host is dead. Mesos misses its pings, the tasks are
unreachable, and only when that has lasted as long as the policy says are they replaced.
"""

from typing import Final

from connectors.client.shapes import Task
from streams.cli.demo_hands import Victim
from streams.drills import looks
from streams.drills.drill import Drill, Options
from streams.drills.installation import Installation, Wanted
from streams.drills.jobs import service_of
from streams.drills.promises import Promise, Seen
from streams.drills.stage import Stage

SERVICE: Final = "steady"
SIZE: Final = 4
AGENTS: Final = 3
CPU: Final = 1.4
"""Two of these fit a host of four, so two hosts have work and the third has room."""
UNREACHABLE_MS: Final = 3_000

MISSED = Promise("missed", "the dead host's tasks are known to be lost, and no other")
BACK = Promise("back", "each of them runs elsewhere, once")


def go(stage: Stage, here: Installation, _: Options) -> None:
    """All of it."""
    stage.ready("offers", lambda: looks.offered(here, AGENTS))
    here.there.submit(service_of(SIZE, "exec sleep 10000", cpu=CPU), SERVICE, key="")
    stage.ready("the service", lambda: looks.running(here, SERVICE, SIZE))
    tasks = here.tasks(SERVICE)
    victim = _busiest(tasks)
    dead = [each for each in tasks if each.host_id == victim.host_id]
    others = [each for each in tasks if each.host_id != victim.host_id]
    stage.hurt(here.hand.lose(victim))
    stage.until(MISSED.key, lambda: _missed(here, dead))
    stage.until(BACK.key, lambda: _back(here, dead, victim.host_id))
    stage.ready("the service", lambda: looks.running(here, SERVICE, SIZE))
    stage.restored()
    journals = here.journals
    stage.saw(looks.UNTOUCHED.key, journals.still_alive(looks.names_of(others)))
    stage.saw(looks.NO_KILL.key, journals.none_killed())
    stage.saw(looks.ONCE.key, journals.launched_once())


def _busiest(tasks: list[Task]) -> Victim:
    """The host with most tasks."""
    hosts = [each.host_id for each in tasks]
    host_id = max(sorted(set(hosts)), key=hosts.count)
    return Victim(host_id, next(each.host for each in tasks if each.host_id == host_id))


def _missed(here: Installation, dead: list[Task]) -> Seen:
    ended = [each for each in looks.all_tasks(here, SERVICE) if each.is_finished]
    wrong = looks.names_of(ended) - looks.names_of(dead)
    lost = [each for each in ended if each.status.reason_code == "lost"]
    text = f"{len(lost)} of {len(dead)} are Finished lost, {len(wrong)} others have ended"
    return Seen(len(lost) == len(dead) and not wrong, text)


def _back(here: Installation, dead: list[Task], host_id: str) -> Seen:
    now = here.tasks(SERVICE)
    names = looks.names_of(dead)
    found = [
        each
        for each in now
        if each.resubmit_of in names and each.status.state == "Started" and each.host_id != host_id
    ]
    places = {each.resubmit_of for each in found}
    hosts = ", ".join(sorted({each.host for each in found}))
    text = f"{len(found)} of {len(dead)} run in their place on {hosts or 'no host yet'}"
    return Seen(len(found) == len(places) == len(dead), text)


HOST_CRASH: Final = Drill(
    "host-crash",
    "A host dies for good: its tasks come back on others, the rest runs on.",
    (MISSED, BACK, looks.UNTOUCHED, looks.NO_KILL, looks.ONCE),
    lambda _: Wanted(agents=AGENTS, policy={"unreachable_timeout_ms": UNREACHABLE_MS}),
    go,
)
