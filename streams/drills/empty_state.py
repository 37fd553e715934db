"""`empty-state`: a cell comes up with an empty log, while Mesos reports that its tasks run.

The one thing to know: this is what killed 12,000 containers at Titus. The empty cell is made as a
botched restore would make it: a new log that begins with the same cell's uuid, so that Mesos takes
it for the same framework and tells it of every task.
"""

import asyncio
from typing import Final

import msgspec

from scheduler.machine import FOLD_VERSION
from scheduler.model.changes import CellPaged, SafeBegan
from scheduler.model.events import CellCreated, FoldVersion, PolicySet
from scheduler.model.ids import CellName, CellUuid, Generation
from scheduler.model.policy import Policy
from streams.cell.writer import CellLog, our_producer
from streams.clock import elapsed_s
from streams.drills import looks
from streams.drills.drill import Drill, Options
from streams.drills.installation import API, CELL, START_TIMEOUT_S, Installation, Wanted
from streams.drills.jobs import service_of
from streams.drills.own_fold import OwnFold
from streams.drills.promises import Promise, Seen
from streams.drills.shelves import take_snapshots
from streams.drills.stage import Stage
from streams.errors import OperatorError
from streams.kafka.generations import ensure_generations
from streams.kafka.topic_admin import ensure_topics

SERVICE: Final = "steady"
SIZE: Final = 6
HELD_S: Final = 5.0
"""How long the empty cell is watched once it is safe."""
SAFE_S: Final = 5.0
"""Within which it must be safe, from the moment when it leads."""
EMPTY: Final = "empty."

REFUSED = Promise("refused", "with its store at hand the cell refuses an empty log, and says why")
ORPHANS = Promise("orphans", "the empty cell shows every task as an orphan, none as its own")
SAFE = Promise("safe", f"it is safe within {SAFE_S:.0f} s of being led, and pages the list")
HELD = Promise("held", "while it is empty, it ends nothing and launches nothing")
SAME = Promise("same", "with its own log again, it has the same tasks, no orphan, and is not safe")


def go(stage: Stage, here: Installation, _: Options) -> None:
    """All of it."""
    here.there.submit(service_of(SIZE, "exec sleep 10000"), SERVICE, key="")
    stage.ready("the service", lambda: looks.running(here, SERVICE, SIZE))
    names = looks.names_of(here.tasks(SERVICE))
    launched = len(here.journals.launched)
    parts = here.our_parts
    uuid = looks.state_of(here).cell_uuid
    take_snapshots(here, 1)
    here.take_away(*parts)
    prefix = here.options.settings.topic_prefix + EMPTY
    asyncio.run(_begin_empty(here, prefix, uuid))
    _refused(stage, here, prefix)
    for part in (CELL, API):
        store = (here.data_dir / "empty-store").as_uri()
        here.set_environment(part, {"FLUMINA_TOPIC_PREFIX": prefix, "FLUMINA_STORE": store})
    here.bring_back(CELL, API)
    stage.hurt(f"The cell came up with an empty log and an empty store, under its own uuid {uuid}")
    stage.ready("a leader", lambda: looks.led(here))
    began_s = elapsed_s()
    stage.until(ORPHANS.key, lambda: _orphans(here, names))
    fold = OwnFold(here.kafka, f"{prefix}cell")
    stage.until(SAFE.key, lambda: _is_safe(fold, began_s), SAFE_S)
    stage.saw(HELD.key, _held(stage, here, fold, launched))
    here.take_away(CELL, API)
    for part in (CELL, API):
        here.set_environment(part, {})
    here.bring_back(*parts)
    stage.step("The cell was ended, and started with its own log and store again")
    stage.ready("a leader", lambda: looks.led(here))
    own = OwnFold(here.kafka, here.cell_topic)
    stage.until(SAME.key, lambda: _same(here, own, names))
    stage.restored()
    journals = here.journals
    stage.saw(looks.UNTOUCHED.key, journals.still_alive(names))
    stage.saw(looks.NO_KILL.key, journals.none_killed())
    stage.saw(looks.ONCE.key, journals.launched_once())


def _refused(stage: Stage, here: Installation, prefix: str) -> None:
    """Try to start the cell with the empty log while its own store is there."""
    here.set_environment(CELL, {"FLUMINA_TOPIC_PREFIX": prefix})
    keeper = here.begin_back(CELL)
    stage.hurt(f"{CELL} was started with an empty log; its store still has a snapshot")
    try:
        keeper.address(START_TIMEOUT_S)
    except OperatorError as error:
        seen = Seen("the topic was made anew" in str(error), _told(error))
    else:
        seen = Seen(is_so=False, text=f"{CELL} was ready")
    stage.saw(REFUSED.key, seen)
    here.take_away(CELL)


def _told(error: OperatorError) -> str:
    """The line by which the process said why it did not begin."""
    lines = str(error).splitlines()
    return next((line.strip() for line in lines if "made anew" in line), lines[-1])


async def _begin_empty(here: Installation, prefix: str, cell_uuid: str) -> None:
    """Write record 0 of a new log of the same cell, as the cell's process would of a new one."""
    settings = msgspec.structs.replace(here.options.settings, topic_prefix=prefix)
    await ensure_topics(here.kafka, settings)
    await ensure_generations(here.kafka, prefix, settings.cells)
    producer = our_producer(here.kafka, "flumina-drill")
    await producer.start()
    try:
        log = CellLog(producer, f"{prefix}cell", 0, "drill")
        created = CellCreated(
            cell=CellName(settings.cell),
            cell_uuid=CellUuid(cell_uuid),
            generation=Generation("0badc0de"),
        )
        policy = PolicySet(version=1, policy=Policy())
        await log.append(-1, [created, FoldVersion(version=FOLD_VERSION), policy])
    finally:
        await producer.stop()


def _orphans(here: Installation, names: frozenset[str]) -> Seen:
    found = {each.task_id for each in here.there.orphans().items}
    tasks = sum(looks.state_of(here).tasks.values())
    text = f"{len(found & names)} of {len(names)} are orphans, {tasks} tasks are its own"
    return Seen(found == names and tasks == 0, text)


def _is_safe(fold: OwnFold, began_s: float) -> Seen:
    safe = fold.read().state.safe
    pages = [each for each in fold.changes if isinstance(each, CellPaged) and each.kind == "safe"]
    is_so = safe is not None and bool(pages)
    text = safe.why if safe else "it is not safe"
    named = f"; {len(pages)} pages, {pages[-1].tasks_total} tasks on the list" if pages else ""
    return Seen(is_so, f"{text}{named}, {elapsed_s() - began_s:.1f} s after it was led")


def _held(stage: Stage, here: Installation, fold: OwnFold, launched: int) -> Seen:
    stage.pass_time(HELD_S, "with the cell empty")
    journals = here.journals
    begun = sum(isinstance(each, SafeBegan) for each in fold.changes)
    is_safe = fold.read().state.safe is not None
    text = (
        f"{len(journals.killed)} KILL, {len(journals.launched) - launched} launches in "
        f"{HELD_S:.0f} s, safe {'still' if is_safe else 'no more'}"
    )
    is_so = is_safe and begun == 1 and not journals.killed
    return Seen(is_so and len(journals.launched) == launched, text)


def _same(here: Installation, own: OwnFold, names: frozenset[str]) -> Seen:
    tasks = looks.same_tasks(here, SERVICE, names)
    orphans = len(here.there.orphans().items)
    safe = own.read().state.safe
    text = f"{tasks.text}, {orphans} orphans, {'not safe' if safe is None else safe.why}"
    return Seen(tasks.is_so and not orphans and safe is None, text)


EMPTY_STATE: Final = Drill(
    "empty-state",
    "A cell comes up empty while its tasks run: they are orphans, the cell is safe, none is ended.",
    (REFUSED, ORPHANS, SAFE, HELD, SAME, looks.UNTOUCHED, looks.NO_KILL, looks.ONCE),
    lambda _: Wanted(agents=2),
    go,
)
