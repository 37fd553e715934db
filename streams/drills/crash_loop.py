"""`crash-loop`: a job whose tasks fail as soon as they start, again and again.

The one thing to know: each failure doubles the pause before the next start, up to what the job's
retry policy says, so the job costs less the longer it loops; everybody else is served meanwhile.
"""

from collections import Counter
from itertools import pairwise
from typing import Final

from streams.clock import now_ms
from streams.drills import looks
from streams.drills.drill import Drill, Options
from streams.drills.installation import Installation, Wanted
from streams.drills.jobs import batch_of, service_of
from streams.drills.journals import few
from streams.drills.promises import Promise, Seen
from streams.drills.stage import Stage

STEADY: Final = "steady"
STEADY_SIZE: Final = 3
LOOPING: Final = "crash-looping"
LOOPING_SIZE: Final = 3
OTHER: Final = "somebody-elses"
OTHER_SIZE: Final = 5
DELAY_MS: Final = 1_000
DELAY_MS_MAX: Final = 30_000
LOOP_DELAY_MS: Final = 1_000
"""Shorter than the usual ten seconds: the pauses are the job's own, and the drill is short."""
STARTS: Final = 4
"""Of one index: enough to see a pause double twice."""
SERVED_S: Final = 15.0
"""Within which somebody else's job must have ended, on two busy cores."""
QUIET_MS: Final = 6_000
"""Longer than the pause that would come next, so that silence afterwards means something."""

BACK_OFF = Promise("back-off", "pauses before the next starts double: at least 1, 2 and 4 s")
TOLD = Promise("told", "the job's history and its why say that it is in a crash loop")
SERVED = Promise("served", f"a job of somebody else ends well within {SERVED_S:.0f} s meanwhile")
ENDED = Promise("ended", "once its owner ends the job, nothing of it is started any more")
OWN_KILLS = Promise("own-kills", "Mesos is told to end tasks of the ended job only, if any")


def go(stage: Stage, here: Installation, _: Options) -> None:
    """All of it."""
    here.there.submit(service_of(STEADY_SIZE, "exec sleep 10000"), STEADY, key="")
    stage.ready("the service", lambda: looks.running(here, STEADY, STEADY_SIZE))
    steady = looks.names_of(here.tasks(STEADY))
    back_off = {"initialDelayMs": DELAY_MS, "maxDelayIntervalMs": DELAY_MS_MAX, "retries": 1_000}
    policy = {"retryPolicy": {"exponentialBackOff": back_off}}
    here.there.submit(service_of(LOOPING_SIZE, "exit 1", policy), LOOPING, key="")
    stage.hurt(f"{LOOPING} was submitted: {LOOPING_SIZE} tasks that fail as soon as they start")
    stage.ready("its first failures", lambda: _failed(here, LOOPING_SIZE))
    here.there.submit(batch_of(OTHER_SIZE, "true"), OTHER, key="")
    stage.until(SERVED.key, lambda: _has_ended_well(here), SERVED_S)
    stage.until(TOLD.key, lambda: _is_told(here))
    stage.until(BACK_OFF.key, lambda: _backs_off(here))
    here.there.kill(LOOPING, "the drill's operator has seen enough")
    ended_at_ms = now_ms()
    stage.step(f"{LOOPING} was ended by its owner")
    stage.ready("the job to end", lambda: _is_finished(here))
    stage.restored()
    stage.until(ENDED.key, lambda: _is_quiet(here, ended_at_ms))
    journals = here.journals
    stage.saw(looks.UNTOUCHED.key, journals.still_alive(steady))
    others = [each for each in journals.killed if not each.startswith(LOOPING)]
    stage.saw(OWN_KILLS.key, Seen(not others, f"{len(journals.killed)} KILL{few(others)}"))
    stage.saw(looks.ONCE.key, journals.launched_once())


def _failed(here: Installation, count: int) -> Seen:
    failed = [each for each in looks.all_tasks(here, LOOPING) if each.is_finished]
    return Seen(len(failed) >= count, f"{len(failed)} have failed")


def _is_told(here: Installation) -> Seen:
    said = [each for each in here.there.why(LOOPING).sentences if "crash loop" in each]
    noted = [each for each in here.there.events(LOOPING).lines if each.what == "job health"]
    return Seen(bool(said and noted), said[0] if said else "why says nothing of it yet")


def _has_ended_well(here: Installation) -> Seen:
    status = here.there.job(OTHER).status
    is_so = (status.state, status.reason_code) == ("Finished", "normal")
    return Seen(is_so, f"{OTHER} is {status.state} {status.reason_code}")


def _backs_off(here: Installation) -> Seen:
    """Whether the pauses between starts at index 0 have doubled often enough."""
    tasks = [each for each in looks.all_tasks(here, LOOPING) if each.index == 0]
    starts = here.journals.starts(looks.names_of(tasks))
    pauses = [later - earlier for earlier, later in pairwise(starts)][: STARTS - 1]
    least = [min(DELAY_MS << number, DELAY_MS_MAX) for number in range(len(pauses))]
    kept = [pause >= wanted for pause, wanted in zip(pauses, least, strict=True)]
    shown = ", ".join(f"{each / 1_000:.1f}" for each in pauses)
    is_so = len(pauses) == STARTS - 1 and all(kept)
    return Seen(is_so, f"seconds between {len(starts)} starts at index 0: {shown or 'none yet'}")


def _is_finished(here: Installation) -> Seen:
    job = here.there.job(LOOPING)
    left = Counter(each.status.state for each in here.tasks(LOOPING))
    text = f"{LOOPING} is {job.status.state}, {sum(left.values())} tasks left"
    return Seen(job.status.state == "Finished" and not left, text)


def _is_quiet(here: Installation, since_ms: int) -> Seen:
    """Whether nothing was started for longer than the next pause would have been."""
    starts = here.journals.starts(looks.names_of(looks.all_tasks(here, LOOPING)))
    later = [each for each in starts if each > since_ms]
    quiet_ms = now_ms() - since_ms
    text = f"{len(later)} starts in the {quiet_ms / 1_000:.1f} s since"
    return Seen(quiet_ms > QUIET_MS and not later, text)


CRASH_LOOP: Final = Drill(
    "crash-loop",
    "A job fails as soon as it starts: it is slowed down, and others do not notice.",
    (BACK_OFF, TOLD, SERVED, ENDED, OWN_KILLS, looks.UNTOUCHED, looks.ONCE),
    lambda _: Wanted(agents=2, policy={"crash_loop_delay_ms": LOOP_DELAY_MS}),
    go,
)
