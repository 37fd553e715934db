"""`kafka-lost`: Kafka and all that it kept are gone; the cell goes on in an empty one.

The one thing to know: what goes on is what the store has, archive and snapshots. What only the lost
Kafka had is gone: tasks that were launched in its last moments run, and the log does not know them.
They are orphans, enough of them make the cell safe, and none is ended.
"""

import asyncio
import shutil
from typing import Final

from connectors.archive.archive import Archive
from streams.drills import looks
from streams.drills.drill import Drill, Options
from streams.drills.installation import Installation, Wanted
from streams.drills.jobs import service_of
from streams.drills.own_fold import OwnFold
from streams.drills.promises import Promise, Seen
from streams.drills.stage import Stage
from streams.history.archived_log import ArchivedLog
from streams.snapshots.moving import Moved, continue_cell
from streams.store import store_of

KAFKA: Final = "kafka"
HISTORY: Final = "history"
SERVICE: Final = "steady"
SIZE: Final = 6
LATE: Final = "never-archived"
LATE_SIZE: Final = 3
"""One more than are tolerated as orphans, so that the cell becomes safe."""
AFTER: Final = "after-the-loss"
ARCHIVE_AGE_S: Final = 1
GONE_S: Final = 4.0
"""How long the control plane runs without a Kafka."""
BUILD: Final = "drill"

GONE = Promise("gone", "without Kafka the tasks run on, and nothing is decided")
CONTINUED = Promise("continued", "the same cell goes on in a new log, from the archive's end")
SAME = Promise("same", "every task that the archive knows is the same, and runs")
ORPHANS = Promise("orphans", "what only the lost Kafka knew are orphans, and the cell is safe")
CONFIRMED = Promise("confirmed", "an operator confirms, the cell is not safe, the orphans run on")
WORKS = Promise("works", "the cell works again: a new job runs")


def go(stage: Stage, here: Installation, _: Options) -> None:
    """All of it."""
    here.there.submit(service_of(SIZE, "exec sleep 10000"), SERVICE, key="")
    stage.ready("the service", lambda: looks.running(here, SERVICE, SIZE))
    names = looks.names_of(here.tasks(SERVICE))
    before = looks.state_of(here)
    stage.ready(
        f"the archive to reach offset {before.next_offset}",
        lambda: _archived(here, before.next_offset),
    )
    here.take_away(HISTORY)
    stage.step("The history process is taken away: from here on nothing is archived")
    here.there.submit(service_of(LATE_SIZE, "exec sleep 10000"), LATE, key="")
    stage.ready("the late service", lambda: looks.running(here, LATE, LATE_SIZE))
    late = looks.names_of(here.tasks(LATE))
    _lose(stage, here, names | late)
    moved = _continue(stage, here, before.cell_uuid)
    here.bring_back(*here.our_parts)
    stage.ready("a leader", lambda: looks.led(here))
    stage.until(SAME.key, lambda: _same(here, names, moved))
    stage.until(ORPHANS.key, lambda: _orphans(here, late))
    _confirm(stage, here, late)
    here.there.submit(service_of(1, "exec sleep 10000"), AFTER, key="")
    stage.until(WORKS.key, lambda: looks.running(here, AFTER, 1))
    stage.restored()
    journals = here.journals
    stage.saw(looks.UNTOUCHED.key, journals.still_alive(names | late))
    stage.saw(looks.NO_KILL.key, journals.none_killed())
    stage.saw(looks.ONCE.key, journals.launched_once())


def _archived(here: Installation, offset: int) -> Seen:
    """Whether everything below the offset can be read from the archive."""
    end = asyncio.run(_archived_end(here))
    return Seen(end >= offset, f"archived up to {end}")


async def _archived_end(here: Installation) -> int:
    settings = here.options.settings
    generation = here.there.standing().generation
    log = ArchivedLog(Archive(store_of(settings)), settings.cell, generation)
    try:
        return (await log.bounds()).end_offset
    finally:
        await log.close()


def _lose(stage: Stage, here: Installation, names: frozenset[str]) -> None:
    """End Kafka and delete its directory; see what the control plane does without one."""
    launched = len(here.journals.launched)
    here.take_away(KAFKA)
    shutil.rmtree(here.data_dir / KAFKA)
    stage.hurt("Kafka was ended with kill -9, and its directory deleted")
    stage.pass_time(GONE_S, "without a Kafka")
    journals = here.journals
    alive, new = journals.still_alive(names), len(journals.launched) - launched
    is_so = alive.is_so and not new and not journals.killed
    text = f"{alive.text}, {new} launches, {len(journals.killed)} KILL"
    stage.saw(GONE.key, Seen(is_so, text))


def _continue(stage: Stage, here: Installation, cell_uuid: str) -> Moved:
    """Let the cell go on in an empty Kafka, as `flumina continue` does."""
    here.take_away(*here.our_parts)
    address = here.new_kafka()
    stage.step(f"An empty Kafka runs at {address}; everything else of ours is ended")
    moved = asyncio.run(continue_cell(here.settings, BUILD))
    own = OwnFold(here.kafka, here.cell_topic)
    record = own.first_record()
    is_so = record is not None and str(record.cell_uuid) == cell_uuid
    text = (
        f"generation {moved.generation} goes on behind {moved.previous_generation}:"
        f"{moved.previous_offset}, digest {moved.digest}, {moved.tasks_on_hosts} tasks on hosts"
    )
    stage.saw(CONTINUED.key, Seen(is_so, text))
    return moved


def _same(here: Installation, names: frozenset[str], moved: Moved) -> Seen:
    tasks, standing = looks.same_tasks(here, SERVICE, names), here.there.standing()
    text = f"{tasks.text}, in generation {standing.generation}"
    return Seen(tasks.is_so and standing.generation == moved.generation, text)


def _orphans(here: Installation, late: frozenset[str]) -> Seen:
    found = looks.finding_of(here)
    orphans = {each.task_id for each in here.there.orphans().items}
    text = f"{len(orphans & late)} of {len(late)} are orphans; {found.why or 'not safe'}"
    return Seen(orphans == late and found.is_safe and found.tasks == len(late), text)


def _confirm(stage: Stage, here: Installation, late: frozenset[str]) -> None:
    """Confirm the finding, as an operator does who has looked at the list."""
    found = looks.finding_of(here)
    body = {"finding": found.finding, "tasks": found.tasks, "why": "launched as Kafka was lost"}
    here.there.command("confirm-finding", body)
    stage.step(f"The operator has confirmed finding {found.finding}, {found.tasks} tasks")

    def look() -> Seen:
        is_safe = looks.finding_of(here).is_safe
        alive = here.journals.still_alive(late)
        text = f"{'still safe' if is_safe else 'not safe'}, of the orphans {alive.text}"
        return Seen(alive.is_so and not is_safe, text)

    stage.until(CONFIRMED.key, look)


KAFKA_LOST: Final = Drill(
    "kafka-lost",
    "Kafka is lost with all its data: the cell goes on from its archive, and ends no task.",
    (
        *(GONE, CONTINUED, SAME, ORPHANS, CONFIRMED, WORKS),
        *(looks.UNTOUCHED, looks.NO_KILL, looks.ONCE),
    ),
    lambda _: Wanted(agents=2, has_own_kafka=True, archive_age_s=ARCHIVE_AGE_S),
    go,
)
