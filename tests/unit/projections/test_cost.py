"""What a small day held, by owner, application, group and job, and every form in which it is told.

A task of half a cpu runs for ten minutes: the figures are known by hand.
"""

import asyncio
import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from projections.cost.ledger import By, Costs
from projections.travel.questions import CostOf
from scheduler.model.codec import decode_record
from streams.cli.command_cost import FormatWord, costs_of, print_costs, write_costs
from streams.errors import OperatorError
from streams.travel.answering import Answering
from tests.support.asgi import call
from tests.support.cell import BEGAN_AT_MS, CellInMemory, batch, running_cell
from tests.support.log_in_memory import LogInMemory
from tests.support.web_cell import WebCell

TEN_MINUTES_MS = 600_000


def _day() -> CellInMemory:
    """A task runs for ten minutes and ends; another is launched then and still runs."""
    cell = running_cell()
    (task_id,) = cell.run(batch(), "first")
    for _ in range(20):
        cell.offer("host-1")  # What is not used goes back after a while.
        cell.tick(30_000)
    cell.status(task_id, "TASK_FINISHED")
    cell.offer("host-1")
    cell.run(batch(), "second")
    cell.tick(1_000)
    return cell


def _costs(cell: CellInMemory, by: By, first: str = "0", second: str = "now") -> Costs:
    question = CostOf(first, second, by, None)
    return asyncio.run(costs_of(Answering(LogInMemory(cell.log)), question))


def test_a_task_holds_what_it_asked_for_from_launch_to_end() -> None:
    cell = _day()
    found = _costs(cell, "job")
    need = cell.state.jobs[next(iter(cell.state.jobs))].spec.container.need
    rows = {each.name: each for each in found.items}
    assert rows["first"].cpu_milli_ms == need.cpu_milli * TEN_MINUTES_MS
    assert rows["first"].memory_mib_ms == need.memory_mib * TEN_MINUTES_MS
    assert rows["first"].cpu_hours == pytest.approx(need.cpu_milli / 1_000 / 6, abs=1e-6)
    assert rows["second"].cpu_milli_ms == need.cpu_milli * 1_000
    assert found.total.tasks == 2
    assert found.total.cpu_milli_ms == sum(each.cpu_milli_ms for each in found.items)


@pytest.mark.parametrize("by", ["owner", "app", "group"])
def test_rows_of_one_name_are_summed_up(by: By) -> None:
    found = _costs(_day(), by)
    (row,) = found.items
    assert row.cpu_milli_ms == found.total.cpu_milli_ms > 0
    assert row.name


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(Exception, match="ends before it begins"):
        _costs(_day(), "job", "10", "4")


def test_a_range_behind_the_end_counts_what_is_there() -> None:
    cell = _day()
    newest = decode_record(cell.log[-1]).at_ms
    found = _costs(cell, "job", "2023-11-14T22:13:20Z")
    assert found.from_ms == BEGAN_AT_MS
    assert found.to_ms == newest


def test_every_form_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = _costs(_day(), "job")
    exact = {each.name: each.cpu_milli_ms for each in found.items}
    write_costs(found, FormatWord.csv, None)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {each["name"]: int(each["cpuMilliMs"]) for each in rows} == exact
    write_costs(found, FormatWord.csv, tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text().count("\n") == 3
    write_costs(found, FormatWord.parquet, tmp_path / "x.parquet")
    read = pq.read_table(tmp_path / "x.parquet")
    assert {each["name"]: each["cpuMilliMs"] for each in read.to_pylist()} == exact
    assert read.schema.metadata[b"by"] == b"job"
    write_costs(found, FormatWord.json, tmp_path / "x.json")
    told = json.loads((tmp_path / "x.json").read_text())
    assert {each["name"]: each["cpuMilliMs"] for each in told["items"]} == exact
    text = io.StringIO()
    print_costs(found, Console(file=text, width=1_000))
    assert "first" in text.getvalue()
    assert "total" in text.getvalue()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    found = _costs(_day(), "owner")
    for form in FormatWord:
        with pytest.raises(OperatorError, match="cannot be written"):
            write_costs(found, form, tmp_path / "nowhere" / "x")


def test_rest_tells_the_dearest_first_and_how_many_it_leaves_out() -> None:
    web = WebCell(_day())
    answer = call(web.app, "GET", "/api/flumina/cost?from=0&by=job&limit=1")
    assert answer.status == 200
    assert [each["name"] for each in answer.json["items"]] == ["first"]
    assert answer.json["dropped"] == 1
    assert answer.json["total"]["tasks"] == 2
    assert call(web.app, "GET", "/api/flumina/cost?by=colour").status == 400
