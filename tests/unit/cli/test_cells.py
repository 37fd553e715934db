"""Commands about one of several cells: `--cell`, and what is asked when none is named."""

import os
from pathlib import Path

import msgspec
import pytest

from projections.cost.ledger import CostRow, Costs
from projections.cost.ledger import together as costs_together
from streams.cli import common, each_cell
from streams.cli.cell_option import with_cell
from streams.cli.command_doctor import together
from streams.cli.command_up import with_cells
from streams.cli.common import api_of, installation_here, of_cell, settings_here
from streams.cli.doctor_checks import failed, ok
from streams.cli.each_cell import cells_meant
from streams.cli.main import COMMANDS, NOT_OF_A_CELL, app_for
from streams.errors import OperatorError
from streams.settings import settings_of
from streams.supervise.up_file import CellAddress, UpView

CELLS = (CellAddress("main-0", "http://a"), CellAddress("main-1", "http://b"))


@pytest.fixture(autouse=True)
def _unsettled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment of the tests names, these begin without."""
    monkeypatch.delenv("FLUMINA_API", raising=False)


def view(tmp_path: Path, cells: tuple[CellAddress, ...] = CELLS) -> UpView:
    return UpView(
        version=1,
        pid=1,
        started_at_ms=0,
        data_dir=str(tmp_path),
        api="http://front",
        kafka="127.0.0.1:1",
        topic_prefix="",
        mesos=(),
        dev_cluster=None,
        parts=(),
        cells=cells,
    )


def test_the_named_cell_has_its_partition_and_its_api(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUMINA_CELL", "main-1")
    found = of_cell(settings_here(), view(tmp_path))
    assert (found.cell, found.partition, found.cells) == ("main-1", 1, 2)
    assert api_of(view(tmp_path)) == "http://b"


def test_without_a_name_the_federation_is_asked_and_a_log_is_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUMINA_CELL", raising=False)
    assert api_of(view(tmp_path)) == "http://front"
    with pytest.raises(OperatorError, match="not clear which cell") as raised:
        of_cell(settings_here(), view(tmp_path))
    assert raised.value.cause == "The cells here are main-0, main-1."


def test_an_unknown_name_is_refused_with_the_known_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUMINA_CELL", "west")
    with pytest.raises(OperatorError, match="There is no cell west"):
        of_cell(settings_here(), view(tmp_path))


def test_of_one_cell_nothing_has_to_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUMINA_CELL", raising=False)
    only = view(tmp_path, CELLS[:1])
    assert of_cell(settings_here(), only).cell == "main-0"
    older = view(tmp_path, ())
    assert of_cell(settings_here(), older).cell == "main"
    assert installation_here(settings_here(), tmp_path).cells == 1


def test_every_command_about_a_cell_takes_the_option() -> None:
    known = {command.name for command in COMMANDS}
    assert known >= NOT_OF_A_CELL
    for command in COMMANDS:
        app = app_for([command.name])
        named = [each for each in app.registered_commands if each.name == command.name]
        groups = [each for each in app.registered_groups if each.name == command.name]
        inner = groups[0].typer_instance if groups else None
        found = inner.registered_commands if inner is not None else named
        callbacks = [each.callback for each in found if each.callback is not None]
        takes = {"cell_named" in each.__annotations__ for each in callbacks}
        if command.name in NOT_OF_A_CELL:
            assert takes == {False}, command.name
        elif command.name != "snapshots":  # Two of its commands have one of their own.
            assert takes == {True}, command.name


def test_the_option_is_the_variable_for_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUMINA_CELL", "before")
    seen: list[str] = []

    def command(word: str = "") -> None:
        seen.append(word + os.environ["FLUMINA_CELL"])

    wrapped = with_cell(command)
    wrapped(word="1 ")
    wrapped(word="2 ", cell_named="main-1")
    assert seen == ["1 before", "2 main-1"]
    assert with_cell(wrapped) is wrapped


def test_a_number_of_cells_names_them_and_does_not_contradict_the_environment() -> None:
    here = settings_of({})
    assert with_cells(here, None) is here
    three = with_cells(here, 3)
    assert three.cell_names == ("main-0", "main-1", "main-2")
    assert with_cells(three, 3) is three
    with pytest.raises(OperatorError, match="--cells 2 is not possible"):
        with_cells(three, 2)
    assert msgspec.structs.asdict(with_cells(here, 1)) == msgspec.structs.asdict(here)


def test_what_only_reads_looks_at_every_cell_unless_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUMINA_CELL", raising=False)
    assert cells_meant(view(tmp_path)) == CELLS
    assert cells_meant(view(tmp_path, CELLS[:1])) == ()
    assert cells_meant(None) == ()
    running = view(tmp_path)
    for module in (common, each_cell):
        monkeypatch.setattr(module, "running_here", lambda *_: running)
    found = each_cell.installations_here(settings_here(), None)
    assert [(each.cell, each.partition, each.cells) for each in found] == [
        ("main-0", 0, 2),
        ("main-1", 1, 2),
    ]
    apis = [(name, there.connection.url) for name, there in each_cell.apis_here(None, None)]
    assert apis == [("main-0", "http://a"), ("main-1", "http://b")]
    monkeypatch.setenv("FLUMINA_CELL", "main-1")
    assert cells_meant(running) == ()
    assert [each.cell for each in each_cell.installations_here(settings_here(), None)] == ["main-1"]


def test_what_the_doctor_finds_of_every_cell_is_said_once() -> None:
    kafka = ok("kafka", "3 brokers")
    found = together(
        {
            "main-0": [kafka, ok("leader", "cell-1")],
            "main-1": [kafka, failed("leader", "none", "start one")],
        }
    )
    assert [(each.check, each.status) for each in found] == [
        ("kafka", "ok"),
        ("leader of main-0", "ok"),
        ("leader of main-1", "failed"),
    ]


def test_costs_of_several_cells_are_added_up_to_the_thousandth() -> None:
    def row(name: str, hours: int) -> CostRow:
        cpu = hours * 3_600_000_000
        return CostRow(name, 1, float(hours), float(hours), 0.0, 0.0, cpu, 0, 0)

    east = Costs(10, 20, "owner", (row("a", 2), row("b", 1)), row("", 3))
    west = Costs(12, 25, "owner", (row("b", 4),), row("", 4))
    found = costs_together([east, west])
    assert (found.from_ms, found.to_ms) == (10, 25)
    assert [(each.name, each.cpu_hours, each.tasks) for each in found.items] == [
        ("b", 5.0, 2),
        ("a", 2.0, 1),
    ]
    assert found.total.cpu_milli_ms == sum(each.cpu_milli_ms for each in found.items)
    assert costs_together([east]) == east
