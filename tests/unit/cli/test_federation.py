"""The commands of federation and failover over real APIs, by the words that a person gives."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from connectors.federation.cells import Cells
from connectors.federation.configuration import Configuration
from connectors.federation.evacuations import folded
from connectors.federation.records import EvacuationBegan
from connectors.objects.directory import DirectoryStore
from streams.cli.command_failover import _document, with_percent
from streams.cli.main import main
from streams.clock import now_ms
from streams.errors import OperatorError
from streams.federation.evacuating import Order, name_there
from streams.federation.main import told_cells
from streams.federation.replication import Replicator
from tests.support.federated import Federation, federation
from tests.support.web_cell import WebCell
from tests.unit.cli.test_policy import Run, run, web

__all__ = ("run", "web")


@contextmanager
def served() -> Iterator[Federation]:
    """A federation whose loop runs in a thread of its own, for commands that block."""
    there: list[Federation] = []
    is_ready, is_over = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with federation() as made:
            there.append(made)
            is_ready.set()
            await is_over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert is_ready.wait(30)
    try:
        yield there[0]
    finally:
        loops[0].call_soon_threadsafe(is_over.set)
        thread.join(30)


def test_the_api_of_a_cell_is_said_to_be_no_federation(web: WebCell, run: Run) -> None:
    assert web.cell.state.policy_version == 1
    code, _, told = run("federation", "status")
    assert code == 1
    assert "is no federation" in told
    assert "--api" in told


def test_status_names_the_cell_that_is_silent_and_how_old_replicas_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served() as there:
        url = there.front_url
        with pytest.raises(SystemExit) as left:
            main(["federation", "status", "--api", url])
        assert left.value.code == 1
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[:2] for line in lines[1:]] == [
            ["one", "yes"],
            ["two", "yes"],
            ["three", "no"],
        ]
        there.without_third()
        store = DirectoryStore(tmp_path)

        async def keep() -> None:
            cells = Cells()
            keeping = Replicator(lambda: there.configuration, cells, store, now_ms)
            await keeping.one_round(there.configuration.cells[0])
            await cells.close()

        asyncio.run(keep())
        words = ["federation", "status", "--api", url, "--json", "--replica", tmp_path.as_uri()]
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == 1, "one has a replica, two has none"
        found = json.loads(capsys.readouterr().out)
        assert [each["replica"]["ageMs"] is None for each in found["cells"]] == [False, True]


def test_cells_are_told_as_names_and_addresses() -> None:
    found = told_cells(["a=http://one/", "b=https://two"])
    assert found is not None
    assert [(each.name, each.api) for each in found.cells] == [
        ("a", "http://one"),
        ("b", "https://two"),
    ]
    assert found.default == "a"
    assert told_cells([]) is None
    for wrong in (["a"], ["a=ftp://x"], ["a=http://x", "a=http://y"]):
        with pytest.raises(OperatorError):
            told_cells(wrong)


def test_an_evacuation_needs_a_reason_and_a_kafka(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KAFKA_BROKERS", raising=False)
    with pytest.raises(SystemExit):
        main(["failover", "east", "--data-dir", str(tmp_path)])
    assert "none is named" in capsys.readouterr().err
    monkeypatch.setenv("KAFKA_BROKERS", "127.0.0.1:1")
    with pytest.raises(SystemExit):
        main(["failover", "east", "--data-dir", str(tmp_path)])
    assert "needs a reason" in capsys.readouterr().err


def test_a_drill_says_what_came_of_it_and_its_exit_code_is_the_promise(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["failover", "drill", "--tasks", "300", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [each["way"] for each in found["ways"]] == ["spread", "pack"]
    assert (left.value.code or 0) == (1 if found["broken"] else 0) == 0
    assert found["ways"][1]["controlPlaneSeconds"] > 0


def test_long_names_stay_apart_at_the_receiver() -> None:
    began = EvacuationBegan(
        at_ms=1,
        evacuation="east-0a1b2c3d",
        region="east",
        percent=1,
        per_second=1,
        actor="",
        why="",
    )
    evacuation = folded([began])["east-0a1b2c3d"]
    assert name_there(evacuation, "web") == "web-0a1b2c3d"
    names = {name_there(evacuation, "x" * 60 + tail) for tail in ("abcd", "abce")}
    assert len(names) == 2
    assert {len(each) for each in names} == {64}
    assert msgspec.json.encode(_document(evacuation))
    assert Configuration(cells=(), default="").names == ()


def test_who_goes_on_goes_as_far_as_was_ordered_before() -> None:
    began = EvacuationBegan(
        at_ms=1, evacuation="e-1", region="east", percent=25, per_second=1, actor="", why=""
    )
    begun = folded([began])["e-1"]
    plain = Order("east", 0, 100, "op", "go on")
    assert with_percent(plain, begun).percent == 25
    assert with_percent(plain, None).percent == 100
    assert with_percent(msgspec.structs.replace(plain, percent=60), begun).percent == 60
