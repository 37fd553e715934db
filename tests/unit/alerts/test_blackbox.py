"""What the black-box prober makes of rounds: one bad one is no news, several are one page.

How: rounds as they would come, and one real round against an address where nobody listens.
"""

from pathlib import Path

import pytest

from streams.blackbox.judging import Judge, Limits, Standing
from streams.blackbox.metrics import BlackboxMetrics
from streams.blackbox.probing import Probing, Round, Step, descriptor_of
from streams.supervise.ports import free_block
from tests.support.asgi import call
from tests.support.web_cell import WebCell

GOOD = Round((Step("status", 0.1), Step("submit", 0.2), Step("cleanup", 90.0)), cell="main")
SLOW = Round((Step("status", 0.1), Step("start", 31.0)), cell="main")
BAD = Round((Step("status", 0.1),), "submit", "answered 503", "blackbox-1")


def judged(*rounds: Round) -> list[str]:
    """What was paged, by the number of its round."""
    judge = Judge("http://api:7100", "main", Limits())
    found = []
    for number, each in enumerate(rounds):
        page = judge.judged(each, number * 1_000)
        if page is not None:
            found.append(f"{number} {page.what}")
    return found


@pytest.mark.parametrize(
    ("rounds", "paged"),
    [
        ((GOOD, BAD, GOOD, BAD, GOOD), []),
        ((GOOD, BAD, BAD, BAD), ["2 seen from outside, the cell does not do what it is asked"]),
        ((SLOW, SLOW), ["1 seen from outside, the cell is slow"]),
        (
            (BAD, BAD, GOOD, BAD, GOOD, GOOD, GOOD),
            [
                "1 seen from outside, the cell does not do what it is asked",
                "5 is over: the cell answers again",
            ],
        ),
    ],
)
def test_rounds_become_pages(rounds: tuple[Round, ...], paged: list[str]) -> None:
    assert judged(*rounds) == paged


def test_a_second_outage_is_another_page() -> None:
    judge = Judge("http://api:7100", "main", Limits(failures=1, recoveries=1))
    pages = [judge.judged(each, at) for at, each in enumerate([BAD, GOOD, BAD])]
    assert len({page.id for page in pages if page is not None}) == 3
    assert pages[0] is not None
    assert "step submit failed: answered 503; done: status 0.1 s" in pages[0].why


@pytest.mark.parametrize(("found", "standing"), [(GOOD, "good"), (SLOW, "slow"), (BAD, "bad")])
def test_metrics_count_what_rounds_were(found: Round, standing: Standing) -> None:
    metrics = BlackboxMetrics()
    metrics.took(found, standing, 5_000)
    value = metrics.registry.get_sample_value
    assert value("flumina_blackbox_up") == float(standing == "good")
    assert value("flumina_blackbox_rounds_total", {"standing": standing}) == 1
    failed = value("flumina_blackbox_step_failures_total", {"step": "submit"})
    assert failed == float(standing == "bad")


def test_nobody_who_listens_is_a_failed_first_step() -> None:
    found = Probing(f"http://127.0.0.1:{free_block(1)}", 1.0).round()
    assert found.failed_step == "status"
    assert found.why
    assert not found.steps


def test_a_cell_takes_the_job_of_a_round() -> None:
    web = WebCell()
    answer = call(web.app, "POST", "/api/v3/jobs?jobId=blackbox-1", descriptor_of("word"))
    assert answer.status == 201, answer.json


def test_the_metrics_are_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text("utf-8")
    for family in BlackboxMetrics().registry.collect():
        assert f"`{family.name}`" in text, family.name
