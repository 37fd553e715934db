"""`operator-mistake`: orders that would end or starve much, given by somebody who means well.

The one thing to know: an order that cannot be meant is refused; one that can be meant is done, but
at a pace at which it is seen, with a page that names who gave it. What was done is undone by the
means that an operator has: the policy before, the right digest, the same jobs once more.
"""

import asyncio
from typing import Final

from connectors.client.shapes import Taken
from scheduler.model.changes import CellPaged
from scheduler.model.codec import RECORD_VERSION, digest_of
from streams.cell.writer import our_producer
from streams.cli.client import ApiError
from streams.clock import elapsed_s
from streams.drills import looks
from streams.drills.drill import Drill, Options
from streams.drills.installation import ACTOR, Installation, Wanted
from streams.drills.jobs import service_of
from streams.drills.own_fold import OwnFold
from streams.drills.promises import Promise, Seen
from streams.drills.stage import Stage

JOBS: Final = 20
TASKS_MAX: Final = 1_000
"""What a hasty script ends; more would only take longer."""
TASKS_PER_HOST: Final = 24
ORDERED_MAX: Final = 64
"""Numbers of the policy that one order may name."""
KILLS_PER_S: Final = 50
ACTOR_KILLS: Final = 100
"""What one actor may end within an hour before somebody is paged."""
PAGE_S: Final = 5.0
SEEN_WITH_MILLI: Final = 500
"""Of a thousand tasks so many at least must run when the page is there: time to act."""
STARVED: Final = "starved"
WRONG_DIGEST: Final = "0" * 32
POISON: Final = b'{"version":%d,"epoch":1,"at_ms":1,"events":[]}' % (RECORD_VERSION + 98)

ZEROS = Promise("zeros", "a policy of zeros is refused, and nothing of it holds")
OLD = Promise("old", "a policy made from an older one than the cell has is refused")
STARVES = Promise("starves", "a policy that lets nobody in says so to each job, and is undone")
WRONG_SKIP = Promise(
    "wrong-skip", "a skip with another digest changes nothing, the cell stays halted"
)
RIGHT_SKIP = Promise("right-skip", "with the digest of the page it goes on, as it was")
FINDING = Promise("finding", "the confirmation of a finding that there is not is refused")
NO_KILL = Promise("no-kill", "none of these orders ends a task")
PAGED = Promise("paged", f"who ends very many tasks is named by a page within {PAGE_S:.0f} s")
IN_TIME = Promise("in-time", "by then at least half of them still run")
PACED = Promise("paced", f"they are ended at {KILLS_PER_S} a second, by the master's journal")
UNDONE = Promise("undone", "the same jobs, submitted once more, run")
OWN_KILLS = Promise("own-kills", "Mesos is told to end exactly the tasks that were asked for")


def go(stage: Stage, here: Installation, options: Options) -> None:
    """All of it."""
    tasks = min(options.tasks, TASKS_MAX) // JOBS * JOBS
    _submit(here, tasks, "first")
    stage.ready(f"{tasks} tasks to run", lambda: looks.all_running(here, tasks))
    fold = OwnFold(here.kafka, here.cell_topic)
    _wrong_policies(stage, here)
    fold.passed_over.add(_wrong_skip(stage, here, tasks))
    stage.saw(FINDING.key, _refused(here, "confirm-finding", {"finding": 7, "tasks": 0}))
    stage.saw(NO_KILL.key, here.journals.none_killed())
    _end_all(stage, here, fold, tasks)
    _submit(here, tasks, "again")
    stage.step("The same jobs were submitted once more")
    stage.until(UNDONE.key, lambda: looks.all_running(here, tasks))
    stage.restored()
    stage.saw(looks.ONCE.key, here.journals.launched_once())


def _submit(here: Installation, tasks: int, prefix: str) -> None:
    body = service_of(tasks // JOBS, "exec sleep 10000", cpu=1)
    for number in range(JOBS):
        here.there.submit(body, f"{prefix}-{number}", key="")


def _wrong_policies(stage: Stage, here: Installation) -> None:
    """Give policies that cannot be meant, and one that can."""
    before = here.there.policy()
    zeros = dict.fromkeys(sorted(looks.state_of(here).policy)[:ORDERED_MAX], 0)
    stage.hurt(f"The operator sets {len(zeros)} numbers of the policy to 0, the most at once")
    refusal = _refused(here, "policy", {"values": zeros})
    now = here.there.policy()
    is_same = now.version == before.version
    text = f"{refusal.text}; the policy is version {now.version} as before"
    stage.saw(ZEROS.key, Seen(refusal.is_so and is_same, text))
    here.there.command("policy", {"values": {"active_jobs_max": JOBS}, "why": "fewer jobs"})
    stage.step(f"The operator lets {JOBS} jobs in, as many as there are")
    stage.saw(OLD.key, _old_refused(here, before.version, before.document))
    stage.saw(STARVES.key, _starves(here))


def _old_refused(here: Installation, version: int, document: dict[str, object]) -> Seen:
    try:
        here.there.put_policy(document, "made yesterday", version)
    except ApiError as error:
        return Seen(error.status in {400, 409, 412}, f"{error.status}: {error.what}")
    return Seen(is_so=False, text="it was taken")


def _starves(here: Installation) -> Seen:
    """Whether a job is refused with the limit's name, and taken when the limit is undone."""
    try:
        here.there.submit(service_of(1, "exec sleep 10000"), STARVED, key="")
    except ApiError as error:
        told = f"{error.status}: {error.what}"
    else:
        return Seen(is_so=False, text="the job was taken")
    here.there.command("policy", {"values": {"active_jobs_max": 2 * JOBS + 2}, "why": "undo"})
    taken = here.there.submit(service_of(0, "exec sleep 10000"), STARVED, key="")
    return Seen(taken.id == STARVED, f"{told}; then, undone, {STARVED} was taken")


def _refused(here: Installation, name: str, body: dict[str, object]) -> Seen:
    try:
        here.there.command(name, {**body, "why": "in a hurry"})
    except ApiError as error:
        return Seen(400 <= error.status < 500, f"{error.status}: {error.what}")
    return Seen(is_so=False, text="it was taken")


def _wrong_skip(stage: Stage, here: Installation, tasks: int) -> int:
    """Halt the cell by a stranger's record, and skip it wrongly, then rightly; its offset."""
    offset = asyncio.run(_publish(here, POISON))
    stage.hurt(f"A stranger's record stands in the cell log at {offset}; every fold halts there")
    stage.ready("the halt", lambda: _is_halted(here))
    refusal = _refused(here, "skip", {"offset": offset, "digest": WRONG_DIGEST})
    halted = _is_halted(here)
    text = f"{refusal.text.partition('  ')[0]}; {halted.text}"
    stage.saw(WRONG_SKIP.key, Seen(refusal.is_so and halted.is_so, text))
    here.there.command(
        "skip", {"offset": offset, "digest": digest_of(POISON), "why": "a stranger's record"}
    )

    def look() -> Seen:
        led, running = looks.led(here), looks.all_running(here, tasks)
        return Seen(led.is_so and running.is_so, f"{led.text}; {running.text}")

    stage.until(RIGHT_SKIP.key, look)
    return offset


async def _publish(here: Installation, value: bytes) -> int:
    producer = our_producer(here.kafka, "flumina-drill")
    await producer.start()
    try:
        return int((await producer.send_and_wait(here.cell_topic, value, partition=0)).offset)
    finally:
        await producer.stop()


def _is_halted(here: Installation) -> Seen:
    halt = here.there.standing().halt
    return Seen(bool(halt), halt.partition(". ")[0] or "not halted")


def _end_all(stage: Stage, here: Installation, fold: OwnFold, tasks: int) -> None:
    """End every job, as a hasty script does, and see how that is noticed."""
    alive = here.journals.alive
    began_s = elapsed_s()
    taken: list[Taken] = [
        here.there.kill(f"first-{number}", "cleaning up") for number in range(JOBS)
    ]
    stage.hurt(f"A script has ended all {len(taken)} jobs, {tasks} tasks")
    left = 0

    def look() -> Seen:
        nonlocal left
        pages = _pages(fold)
        left = len(alive & here.journals.alive)
        text = pages[0].what if pages else "nobody was paged"
        return Seen(bool(pages), f"{text}, after {elapsed_s() - began_s:.1f} s")

    stage.until(PAGED.key, look, PAGE_S)
    text = f"{left} of {tasks} still run"
    stage.saw(IN_TIME.key, Seen(left * 1_000 >= tasks * SEEN_WITH_MILLI, text))
    stage.ready("the jobs to end", lambda: _none_left(here))
    stage.saw(PACED.key, _paced(here))
    killed = set(here.journals.killed)
    text = f"{len(killed)} tasks were ended, {len(killed - alive)} others"
    stage.saw(OWN_KILLS.key, Seen(killed == alive, text))


def _pages(fold: OwnFold) -> list[CellPaged]:
    fold.read()
    pages = [each for each in fold.changes if isinstance(each, CellPaged)]
    return [each for each in pages if each.kind == "user kills" and each.key == ACTOR]


def _none_left(here: Installation) -> Seen:
    tasks = looks.state_of(here).tasks
    left = sum(count for state, count in tasks.items() if state != "Finished")
    return Seen(left == 0, f"{left} are left")


def _paced(here: Installation) -> Seen:
    """Whether the master was told of ends at the pace, and not in a burst."""
    first = here.journals.first_kills()
    span_s = (first[-1] - first[0]) / 1_000
    # Two of the log's seconds can meet in one of the journal's.
    busiest = max(sum(at_ms <= each < at_ms + 1_000 for each in first) for at_ms in first)
    is_so = (len(first) - 2 * KILLS_PER_S) / KILLS_PER_S <= span_s and busiest <= 2 * KILLS_PER_S
    return Seen(is_so, f"{len(first)} ends in {span_s:.1f} s, at most {busiest} within any second")


OPERATOR_MISTAKE: Final = Drill(
    "operator-mistake",
    "Orders that would end or starve much are refused, paced or paged, and are undone.",
    (
        *(ZEROS, OLD, STARVES, WRONG_SKIP, RIGHT_SKIP, FINDING, NO_KILL),
        *(PAGED, IN_TIME, PACED, OWN_KILLS, UNDONE, looks.ONCE),
    ),
    lambda options: Wanted(
        simulated_agents=max(2, min(options.tasks, TASKS_MAX) // TASKS_PER_HOST + 1),
        policy={"kills_per_s_max": KILLS_PER_S, "actor_kills_per_hour": ACTOR_KILLS},
    ),
    go,
)
