"""Ids by state in the order of creation, against lists that are sorted and counted each time."""

import asyncio
import random

import pytest

from projections import creation_order
from projections.cell_view import CellView
from projections.creation_order import OrderByState
from projections.v3_query import JOB_STATES, TASK_STATES, jobs_page, parse_query, tasks_page
from scheduler.model.task import titus_state
from tests.support.asgi import answer
from tests.support.web_cell import WebCell, descriptor, service_descriptor

STATES = ("Accepted", "Started", "Finished")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("bucket_max", [2, 5, 1_024])
def test_pages_ranks_and_totals_are_those_of_a_sorted_list(
    seed: int, bucket_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creation_order, "BUCKET_MAX", bucket_max)
    draw, order = random.Random(seed), OrderByState[str]()
    known: dict[int, str] = {}
    newest = 0
    for step in range(400):
        what = draw.random()
        if what < 0.45 or not known:
            newest += draw.randint(1, 3)
            known[newest] = draw.choice(STATES)
            order.add(newest, f"id{newest}", known[newest])
        elif what < 0.8:
            place, now = draw.choice(sorted(known)), draw.choice(STATES)
            order.move(place, f"id{place}", known[place], now)
            known[place] = now
        else:
            place = draw.choice(sorted(known))
            order.remove(place, known.pop(place))
        states = draw.sample(STATES, draw.randint(1, 3))
        after, most = draw.randint(-1, newest + 1), draw.randint(1, 9)
        found = [(each, f"id{each}") for each in sorted(known) if known[each] in states]
        chosen = order.page(states, after, most)
        assert chosen.places == [each for each in found if each[0] > after][:most], step
        assert chosen.before == sum(each[0] <= after for each in found)
        assert chosen.total == len(found)


def test_what_was_not_put_there_is_not_taken_away() -> None:
    order: OrderByState[str] = OrderByState()
    order.add(7, "seven", "Accepted")
    with pytest.raises(AssertionError, match="nothing was created at 6"):
        order.remove(6, "Accepted")
    with pytest.raises(AssertionError, match="seven were created at one place"):
        order.add(7, "again", "Accepted")


async def _busy(web: WebCell) -> None:
    for number in range(8):
        body = descriptor(batch={"size": 2}) if number % 2 else service_descriptor(2)
        made = await answer(web.app, "POST", f"/api/v3/jobs?jobId=job{number}", body)
        assert made.status == 201
    web.cell.launched()
    for number in (1, 3):
        for task in web.cell.tasks(f"job{number}"):
            web.cell.status(task.task_id, "TASK_RUNNING")
            web.cell.status(task.task_id, "TASK_FAILED" if number == 3 else "TASK_FINISHED")
    assert (await answer(web.app, "DELETE", "/api/v3/jobs/job0")).status == 200


@pytest.mark.parametrize("is_restored", [False, True], ids=["whole", "from a snapshot"])
def test_the_lists_of_a_cell_are_what_a_look_at_everything_finds(*, is_restored: bool) -> None:
    """Walked through page by page, in every state."""
    web = WebCell()
    asyncio.run(_busy(web))
    view = CellView.restored(web.view.machine) if is_restored else web.view
    jobs, tasks = view.timeline.histories.jobs, view.timeline.histories.tasks
    assert len({each.state for each in view.state.jobs.values()}) > 1
    for page_of, states, expected in (
        (jobs_page, JOB_STATES, {name: view.job(name).state for name in jobs}),  # type: ignore[union-attr]
        (
            tasks_page,
            TASK_STATES,
            {name: titus_state(view.task(name).state) for name in tasks},  # type: ignore[union-attr]
        ),
    ):
        name = "jobState" if page_of is jobs_page else "taskStates"
        for wanted in (*states, "Any"):
            found, cursor = list[str](), ""
            while True:
                query = parse_query({name: wanted, "pageSize": "3", "cursor": cursor})
                page = page_of(view, query)
                found += [each["id"] for each in page["items"]]
                assert page["pagination"]["cursorPosition"] == len(found) - 1
                if not page["pagination"]["hasMore"]:
                    break
                cursor = page["pagination"]["cursor"]
            right = [each for each, state in expected.items() if wanted in {state, "Any"}]
            assert found == right, (wanted, is_restored)
            assert page["pagination"]["totalItems"] == len(right)
