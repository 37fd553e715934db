"""`container-crash`: a task's process dies, and one task takes its place.

The one thing to know: the process is ended behind everybody's back, with a signal of its host; what
is known of it came from its agent.
"""

import os
import signal
from typing import Final

from connectors.client.shapes import Task
from streams.drills import looks
from streams.drills.drill import Drill, Options
from streams.drills.installation import Installation, Wanted
from streams.drills.jobs import service_of
from streams.drills.promises import Promise, Seen
from streams.drills.stage import Stage

SERVICE: Final = "steady"
SIZE: Final = 4

SEEN = Promise("seen", "the end is known as a failure of the task itself")
REPLACED = Promise("replaced", "exactly one task takes its place")
EXPLAINED = Promise("explained", "`why` says what happened, with the address in the log")


def go(stage: Stage, here: Installation, _: Options) -> None:
    """All of it."""
    here.there.submit(service_of(SIZE, "exec sleep 10000"), SERVICE, key="")
    stage.ready("the service", lambda: looks.running(here, SERVICE, SIZE))
    victim, *others = here.tasks(SERVICE)
    pid = here.journals.process_of(victim.id)
    os.kill(pid, signal.SIGKILL)
    stage.hurt(f"Process {pid} of {victim.id} was ended with kill -9")
    stage.until(SEEN.key, lambda: _failed(here, victim))
    stage.until(REPLACED.key, lambda: _in_place(here, victim))
    stage.ready("the service", lambda: looks.running(here, SERVICE, SIZE))
    stage.restored()
    stage.saw(EXPLAINED.key, _explained(here, victim))
    journals = here.journals
    stage.saw(looks.UNTOUCHED.key, journals.still_alive(looks.names_of(others)))
    stage.saw(looks.NO_KILL.key, journals.none_killed())
    stage.saw(looks.ONCE.key, journals.launched_once())


def _failed(here: Installation, victim: Task) -> Seen:
    status = here.there.task(victim.id).status
    text = f"{victim.id} is {status.state} {status.reason_code} ({status.reason_message})"
    return Seen((status.state, status.reason_code) == ("Finished", "failed"), text)


def _in_place(here: Installation, victim: Task) -> Seen:
    found = [each for each in here.tasks(SERVICE) if each.resubmit_of == victim.id]
    states = ", ".join(f"{each.id} is {each.status.state}" for each in found)
    is_so = len(found) == 1 and found[0].status.state == "Started"
    return Seen(is_so, states or "nobody is in its place yet")


def _explained(here: Installation, victim: Task) -> Seen:
    why = here.there.why(victim.id)
    is_so = bool(why.chain) and why.replaced_by != ""
    first = why.sentences[0] if why.sentences else "nothing"
    place = why.chain[0].address if why.chain else "nowhere"
    return Seen(is_so, f"{first} (see {place}); replaced by {why.replaced_by}")


CONTAINER_CRASH: Final = Drill(
    "container-crash",
    "A container dies: one takes its place, and nothing else moves.",
    (SEEN, REPLACED, EXPLAINED, looks.UNTOUCHED, looks.NO_KILL, looks.ONCE),
    lambda _: Wanted(agents=2),
    go,
)
