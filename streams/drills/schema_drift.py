"""`schema-drift`: a newer release writes the cell log, and readers of this one meet its records.

The one thing to know: Titus swallowed the error of such a read, came up empty, and its
reconciliation ended 12,000 containers. Here every reader of this build halts at the first newer
record; a process of this build that is then forced to lead does nothing; and the release with the
upcaster goes on from the very same state.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from scheduler.model.codec import RECORD_VERSION
from streams.clock import now_ms
from streams.drills import looks
from streams.drills.drill import Drill, Options
from streams.drills.installation import API, CELL, Installation, Wanted
from streams.drills.jobs import service_of
from streams.drills.newer_records import Newer, first_newer
from streams.drills.next_release import make_next_release
from streams.drills.own_fold import Folded, OwnFold, folded_elsewhere
from streams.drills.promises import Promise, Seen
from streams.drills.stage import Stage

TASKS_PER_JOB: Final = 1_000
TASKS_PER_HOST: Final = 24
"""Of 32 that would fit, so that the cluster has room and offers on."""
MARK_RECORDS: Final = 5
"""Folds digest what has changed at each mark; after the drill there are some seconds of records."""
HALT_S: Final = 5.0
HELD_S: Final = 10.0
"""How long the forced reader is watched."""
LAUNCH_S: Final = 240.0
LATER: Final = "after-the-drill"

HALTED = Promise("halted", f"a reader of this build halts within {HALT_S:.0f} s of the record")
FORCED = Promise(
    "forced", "a process of this build that is forced in has halted before it is ready"
)
PAGED = Promise("paged", "the page names the record: topic, partition, offset, digest and version")
HELD = Promise("held", "with this build forced in, every task runs on, and nothing is launched")
HEALED = Promise("healed", "the release with the upcaster reads the whole log and leads")
LIFTED = Promise("lifted", "before the first newer record both releases have the same digest")
DIGESTS = Promise("digests", "two hash seeds and the API have one digest of the whole log")
WORKS = Promise("works", "the cell works again: a new job runs")


def go(stage: Stage, here: Installation, options: Options) -> None:
    """All of it."""
    jobs = _submit(here, options.tasks)
    stage.step(f"{options.tasks} tasks were submitted as {jobs} services")
    stage.ready(
        f"{options.tasks} tasks to run", lambda: looks.all_running(here, options.tasks), LAUNCH_S
    )
    alive = here.journals.alive
    launched = len(here.journals.launched)
    fold = OwnFold(here.kafka, here.cell_topic)
    next_release = make_next_release(here.data_dir / "next-release")
    stage.step(f"The next release was made: records of version {RECORD_VERSION + 1}")
    newer = _drift(stage, here, fold, next_release)
    _force_in(stage, here, newer)
    _hold(stage, here, alive, launched)
    _heal(stage, here, options.tasks, next_release)
    _compare(stage, here, fold, newer, next_release)
    here.there.submit(service_of(1, "exec sleep 10000"), LATER, key="")
    stage.until(WORKS.key, lambda: looks.running(here, LATER, 1))
    stage.restored()
    journals = here.journals
    stage.saw(looks.UNTOUCHED.key, journals.still_alive(alive))
    stage.saw(looks.NO_KILL.key, journals.none_killed())
    stage.saw(looks.ONCE.key, journals.launched_once())


def _submit(here: Installation, tasks: int) -> int:
    """Submit services of so many tasks in all; how many services."""
    left, number = tasks, 0
    while left:
        size = min(left, TASKS_PER_JOB)
        body = service_of(size, "exec sleep 10000", cpu=1)
        here.there.submit(body, f"drift-{number}", key="")
        left, number = left - size, number + 1
    return number


def _drift(stage: Stage, here: Installation, fold: OwnFold, next_release: Path) -> Newer:
    """Let the next release lead, and see this build's API halt at its first record."""
    here.take_away(CELL)
    fold.read()
    # Left to itself it would wait until the API can read what it writes.
    at_once = {"PYTHONPATH": str(next_release), "FLUMINA_WRITE_AT_ONCE": "true"}
    here.set_environment(CELL, at_once)
    here.begin_back(CELL)
    stage.hurt(f"{CELL} is of the next release now; the API is still of this one")
    since = fold.machine.state.next_offset
    stage.ready(
        "its first record", lambda: _has_newer(first_newer(here.kafka, here.cell_topic, since))
    )
    stage.until(HALTED.key, lambda: _halted(here, since), HALT_S)
    newer = first_newer(here.kafka, here.cell_topic, since)
    assert newer is not None, "it was there a moment ago"
    stage.saw(PAGED.key, _paged(here.there.standing().halt, here.log_of(API), newer))
    return newer


def _has_newer(newer: Newer | None) -> Seen:
    if newer is None:
        return Seen(is_so=False, text="none yet")
    return Seen(is_so=True, text=f"version {newer.version} at offset {newer.offset}")


def _halted(here: Installation, since: int) -> Seen:
    """Whether the API says that it has halted, and how long after the record was written."""
    halt = here.there.standing().halt
    newer = first_newer(here.kafka, here.cell_topic, since)
    if not halt or newer is None:
        return Seen(is_so=False, text="the API goes on")
    # By the record's own time, which is before it was written: the wait is counted too long.
    spent_s = (now_ms() - newer.at_ms) / 1_000
    return Seen(spent_s <= HALT_S, f"seen {spent_s:.1f} s after record {newer.offset} was made")


def _paged(halt: str, log: str, newer: Newer) -> Seen:
    """Whether halt and page name the first newer record."""
    wanted = {
        "place": f"{newer.topic}[{newer.partition}]",
        "offset": f"offset {newer.offset}",
        "digest": newer.digest,
        "version": f"version {newer.version}",
    }
    missing = sorted(name for name, text in wanted.items() if text not in halt)
    pages = [line for line in log.splitlines() if '"page": true' in line and newer.digest in line]
    text = f"{len(pages)} page: {halt}"
    return Seen(not missing and bool(pages), f"without {missing}: {text}" if missing else text)


def _force_in(stage: Stage, here: Installation, newer: Newer) -> None:
    """Start a process of this build where the next release led."""
    here.take_away(CELL)
    here.set_environment(CELL, {})
    here.bring_back(CELL)
    stage.step(f"{CELL} of the next release was ended with kill -9; {CELL} of this build is back")
    lines = [line for line in here.log_of(CELL).splitlines() if '"fold halted"' in line]
    named = [line for line in lines if f"offset {newer.offset}:" in line]
    text = f"{len(named)} of {len(lines)} halts name offset {newer.offset}"
    stage.saw(FORCED.key, Seen(len(lines) == len(named) == 1, text))


def _hold(stage: Stage, here: Installation, alive: frozenset[str], launched: int) -> None:
    """Watch the halted cell for a while, with Mesos full of its tasks."""
    stage.pass_time(HELD_S, "with this build forced in")
    journals = here.journals
    still = journals.still_alive(alive)
    new = len(journals.launched) - launched
    text = f"{len(journals.killed)} KILL, {new} launches, {still.text}"
    stage.saw(HELD.key, Seen(still.is_so and not new and not journals.killed, text))


def _heal(stage: Stage, here: Installation, tasks: int, next_release: Path) -> None:
    """Roll out the release that has the upcaster, everywhere."""
    parts = here.our_parts
    here.take_away(*parts)
    for part in parts:
        here.set_environment(part, {"PYTHONPATH": str(next_release)})
    here.bring_back(*parts)
    stage.step(f"{', '.join(parts)} are of the next release, with its upcaster")

    def look() -> Seen:
        led, running = looks.led(here), looks.all_running(here, tasks)
        return Seen(led.is_so and running.is_so, f"{led.text}; {running.text}")

    stage.until(HEALED.key, look)


def _compare(
    stage: Stage, here: Installation, fold: OwnFold, newer: Newer, next_release: Path
) -> None:
    """Hold the digests of both releases, of two hash seeds and of the API against each other."""

    def elsewhere(end_offset: int, seed: str) -> Folded:
        build = {"PYTHONPATH": str(next_release), "PYTHONHASHSEED": seed}
        return folded_elsewhere(here.kafka, here.cell_topic, end_offset, build)

    fold.read(newer.offset)
    old, lifted = fold.folded, elsewhere(newer.offset, "1")
    text = f"at {old.end_offset} this build has {old.digest}, the next one {lifted.digest}"
    stage.saw(LIFTED.key, Seen(old == lifted, text))
    stage.until(DIGESTS.key, lambda: _digests(here, elsewhere))


def _digests(here: Installation, elsewhere: Callable[[int, str], Folded]) -> Seen:
    """Whether two folds from zero agree with what the API has at the same offset."""
    state = looks.state_of(here)
    if not state.digest:
        return Seen(is_so=False, text="the API has no digest at hand")
    found = [elsewhere(state.next_offset, seed) for seed in ("1", "2")]
    text = ", ".join(
        f"{name} {digest}"
        for name, digest in (
            ("API", state.digest),
            *((f"seed {n}", each.digest) for n, each in enumerate(found, 1)),
        )
    )
    is_so = {each.digest for each in found} == {state.digest}
    return Seen(is_so, f"at {state.next_offset}: {text}")


SCHEMA_DRIFT: Final = Drill(
    "schema-drift",
    "A newer release writes the log: this one halts and ends nothing, an upcaster heals it.",
    (
        *(HALTED, PAGED, FORCED, HELD, HEALED, LIFTED, DIGESTS, WORKS),
        *(looks.UNTOUCHED, looks.NO_KILL, looks.ONCE),
    ),
    lambda options: Wanted(
        simulated_agents=max(2, options.tasks // TASKS_PER_HOST + 1),
        policy={"mark_records": MARK_RECORDS},
    ),
    go,
)
