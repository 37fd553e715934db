"""`control-plane-down`: all of our processes are away for a while, and tasks do not notice.

The one thing to know: while nobody of ours runs, a batch task ends well and a task of the service
fails. Mesos keeps both updates until somebody acknowledges them, so both are known later.
"""

import os
import signal
from typing import Final

from connectors.client.shapes import Task
from streams.clock import elapsed_s
from streams.drills import looks
from streams.drills.drill import Drill, Options
from streams.drills.installation import Installation, Wanted
from streams.drills.jobs import batch_of, service_of
from streams.drills.journals import is_process
from streams.drills.promises import Promise, Seen
from streams.drills.stage import Stage

SERVICE: Final = "steady"
SERVICE_SIZE: Final = 4
BATCH: Final = "ends-meanwhile"
BATCH_S: Final = 4
AWAY_S: Final = 6.0
"""Longer than the batch task runs, and than the session of a leader that is gone."""
POLL_S: Final = 0.1

AWAY = Promise("away", "while every process of ours is away, the tasks run on")
STATUS = Promise("status", "the end that Mesos kept meanwhile is known afterwards, as it was")
REPLACED = Promise("replaced", "the task that failed meanwhile is replaced, and only that one")


def go(stage: Stage, here: Installation, _: Options) -> None:
    """All of it."""
    here.there.submit(service_of(SERVICE_SIZE, "exec sleep 10000"), SERVICE, key="")
    stage.ready("the service", lambda: looks.running(here, SERVICE, SERVICE_SIZE))
    here.there.submit(batch_of(1, f"sleep {BATCH_S}"), BATCH, key="")
    stage.ready("the batch job", lambda: looks.running(here, BATCH, 1))
    before = here.tasks(SERVICE)
    (batch,) = here.tasks(BATCH)
    victim, *others = before
    _go_away(stage, here, victim, others, batch)
    here.bring_back(*here.our_parts)
    stage.step("Every process of ours was started again")
    stage.ready("a leader", lambda: looks.led(here))
    stage.until(STATUS.key, lambda: _ended_well(here, batch))
    stage.until(REPLACED.key, lambda: _replaced(here, victim, others))
    stage.restored()
    journals = here.journals
    stage.saw(looks.UNTOUCHED.key, journals.still_alive(looks.names_of(others)))
    stage.saw(looks.NO_KILL.key, journals.none_killed())
    stage.saw(looks.ONCE.key, journals.launched_once())


def _go_away(
    stage: Stage, here: Installation, victim: Task, others: list[Task], batch: Task
) -> None:
    """Take everything of ours away, let two tasks end, and look whether the others noticed."""
    parts = here.our_parts
    here.take_away(*parts)
    stage.hurt(f"{', '.join(parts)}: ended with kill -9, and not started again")
    pid = here.journals.process_of(victim.id)
    os.kill(pid, signal.SIGKILL)
    stage.step(f"Process {pid} of {victim.id} was ended meanwhile, as by a bug of its own")
    began_s = elapsed_s()
    names = looks.names_of(others)

    def over() -> Seen:
        alive = here.journals.alive
        is_over = batch.id not in alive and victim.id not in alive
        gone_s = elapsed_s() - began_s
        return Seen(is_over and gone_s > AWAY_S, f"away for {gone_s:.0f} s")

    stage.ready(f"{AWAY_S:.0f} s to pass, and the batch task to end by itself", over)
    journals = here.journals
    processes = [pid for each in names if is_process(pid := journals.process_of(each))]
    alive = journals.still_alive(names)
    stage.saw(
        AWAY.key,
        Seen(
            alive.is_so and len(processes) == len(names),
            f"after {elapsed_s() - began_s:.0f} s {alive.text}",
        ),
    )


def _ended_well(here: Installation, batch: Task) -> Seen:
    status = here.there.task(batch.id).status
    text = f"{batch.id} is {status.state} {status.reason_code}"
    return Seen((status.state, status.reason_code) == ("Finished", "normal"), text)


def _replaced(here: Installation, victim: Task, others: list[Task]) -> Seen:
    """Whether the service runs again with the tasks that it had and one in the victim's place."""
    now = [each for each in here.tasks(SERVICE) if each.status.state == "Started"]
    kept = looks.names_of(others) & looks.names_of(now)
    in_place = [each.id for each in now if each.resubmit_of == victim.id]
    is_so = len(now) == SERVICE_SIZE and len(kept) == len(others) and len(in_place) == 1
    status = here.there.task(victim.id).status
    text = (
        f"{victim.id} is {status.state} {status.reason_code}, {len(in_place)} in its place, "
        f"{len(kept)} of the other {len(others)} kept"
    )
    return Seen(is_so and status.reason_code == "failed", text)


CONTROL_PLANE_DOWN: Final = Drill(
    "control-plane-down",
    "Every process of ours is away for a while: tasks run on, and no status is lost.",
    (AWAY, STATUS, REPLACED, looks.UNTOUCHED, looks.NO_KILL, looks.ONCE),
    lambda _: Wanted(agents=2),
    go,
)
