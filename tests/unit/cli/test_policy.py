"""`flumina policy` and `flumina host`: as a person types them, against a cell in memory.

How: the REST API of a cell in memory listens on a socket of this computer; commands ask it.
"""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from scheduler.model.policy import Policy
from streams.cli.main import main
from streams.policy_file.writing import policy_text
from tests.support.web_cell import WebCell

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebCell]:
    """A cell whose API listens; commands find it by FLUMINA_API."""
    cell = WebCell()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    server = uvicorn.Server(uvicorn.Config(cell.app, log_level="warning", lifespan="off"))
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True
    )
    thread.start()
    monkeypatch.setenv("FLUMINA_API", f"http://127.0.0.1:{listening.getsockname()[1]}")
    monkeypatch.setenv("FLUMINA_ACTOR", "ada")
    yield cell
    server.should_exit = True
    thread.join(10)
    listening.close()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command; its exit code, what it printed, and its errors."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(list(words))
        said = capsys.readouterr()
        code = left.value.code
        return (code if isinstance(code, int) else 0), said.out, said.err

    return run


def rules(web: WebCell) -> Any:
    """The rules in force."""
    return web.cell.state.policy.placement


@pytest.mark.slow
def test_what_is_shown_is_edited_and_applied(web: WebCell, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    code, text, _ = run("policy", "show")
    assert code == 0
    assert text.startswith("# Policy version 1.")
    file.write_text(text)
    code, said, _ = run("policy", "apply", str(file), "--why", "test")
    assert (code, said) == (0, "Nothing changed: policy version 1 says the same.\n")
    file.write_text(text.replace("lost_zones: []", "lost_zones: [b]").replace("10 min", "5 min"))
    code, said, _ = run("policy", "diff", str(file))
    assert said.splitlines() == [
        "  lost_zones: [] -> [b]",
        "  aging: 10 min -> 5 min",
        "  limits.suppress_after: 10 min -> 5 min",
        "  limits.crash_loop_window: 10 min -> 5 min",
        "  limits.health_trial: 10 min -> 5 min",
        "  limits.host_losses: 10 min -> 5 min",
        "6 parts would change; policy version 1.",
    ]
    assert not web.published
    code, said, _ = run("policy", "apply", str(file), "--why", "zone b is dark")
    assert code == 0
    assert said.endswith("6 parts changed; policy version 2.\n")
    assert rules(web).lost_zones == ("b",)
    assert b'"why":"zone b is dark"' in web.cell.log[-1]
    assert b'"actor":"ada"' in web.cell.log[-1]
    code, said, _ = run("policy", "--json")
    assert json.loads(said)["version"] == 2
    assert json.loads(said)["policy"]["suppress_after_ms"] == 300_000
    assert json.loads(said)["document"]["lost_zones"] == ["b"]


def test_a_file_with_faults_says_all_of_them_with_their_places(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("mode: fail\ngroups:\n  DEFAULT: {tier: flex}\nplugins:\n- {name: x}\n")
    code, _, errors = run("policy", "check", str(file))
    assert code == 1
    lines = errors.splitlines()
    assert "is no policy, for 4 faults" in lines[0]
    assert lines[1].endswith(
        "policy.yaml:1:1 mode is the text 'fail'; one of normal, failover is needed: did you mean "
        "'failover'?"
    )
    assert "policy.yaml:3:13 groups.DEFAULT.tier is 'flex', which is no tier" in lines[2]
    assert "policy.yaml:5:3 plugins[0]" in errors
    code, said, _ = run("policy", "check", str(file), "--json")
    told = json.loads(said)
    assert (code, told["isValid"], len(told["faults"])) == (1, False, 4)
    assert told["faults"][0] | {"hint": ""} == {
        "line": 1,
        "column": 1,
        "field": "mode",
        "text": "is the text 'fail'; one of normal, failover is needed",
        "hint": "",
    }
    file.write_text(policy_text(Policy()))
    code, said, _ = run("policy", "check", str(file))
    assert (code, said.endswith("can be applied: mode normal, 2 profiles, 2 tiers, 1 groups, "
                                "0 selectors, 0 plug-ins.\n")) == (0, True)  # fmt: skip


def test_nothing_is_applied_over_a_version_that_was_not_seen(
    web: WebCell, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("{mode: failover}")
    code, _, errors = run("policy", "apply", str(file), "--why", "test", "--if-version", "7")
    assert code == 1
    assert "The cell has policy version 1, not 7" in errors
    code, _, errors = run("policy", "apply", str(file))
    assert "No reason was given" in errors
    assert not web.published


@pytest.mark.slow
def test_modes_and_zones_are_switched_and_back(web: WebCell, run: Run) -> None:
    assert run("policy", "mode", "failover", "--why", "test")[:2] == (
        0,
        "Mode failover, with policy version 2.\n",
    )
    assert rules(web).mode == "failover"
    assert run("policy", "zone", "lost", "b", "a", "--why", "test")[1] == (
        "Lost zones: a, b, with policy version 3.\n"
    )
    told = run("policy", "zone", "back", "b", "--why", "test", "--json")[1]
    assert json.loads(told) == {"version": 4, "lostZones": ["a"]}
    code, _, errors = run("policy", "zone", "back", "z", "--why", "test")
    assert code == 1
    assert "'z', which is not lost" in errors
    assert run("policy", "mode", "normal", "--why", "test")[0] == 0
    assert (rules(web).mode, rules(web).lost_zones) == ("normal", ("a",))
    assert run("policy", "mode", "other", "--why", "test")[0] == 2


def test_numbers_are_set_by_their_names_in_the_log(web: WebCell, run: Run) -> None:
    code, _, _ = run("policy", "kill_retry_ms=5000", "--why", "test")
    assert (code, web.cell.state.policy.kill_retry_ms) == (0, 5_000)
    code, said, _ = run("policy", "numbers")
    assert code == 0
    assert ["kill_retry_ms", "5000"] in [line.split() for line in said.splitlines()]
    code, _, errors = run("policy", "kill_retry_ms=soon", "--why", "test")
    assert (code, "sets no policy" in errors) == (1, True)
    code, _, errors = run("policy", "kill_retry_ms=6000")
    assert (code, "No reason was given" in errors) == (1, True)


def test_without_a_cell_the_numbers_are_those_of_a_new_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUMINA_API", raising=False)
    code, said, _ = run("policy", "numbers", "--data-dir", str(tmp_path))
    assert code == 0
    assert said.startswith("No cell runs here; a new one begins with these.\n")
    default = ["kill_retry_ms", str(Policy().kill_retry_ms)]
    assert default in [line.split() for line in said.splitlines()]
    told = json.loads(run("policy", "numbers", "--data-dir", str(tmp_path), "--json")[1])
    assert (told["version"], told["policy"]["kill_retry_ms"]) == (0, Policy().kill_retry_ms)


@pytest.mark.slow
def test_hosts_are_drained_by_name_or_id_and_enabled(web: WebCell, run: Run) -> None:
    code, said, _ = run("host", "drain", "name-of-host1", "--why", "new kernel")
    assert (code, said) == (0, "name-of-host1 is draining.\n")
    (order,) = web.cell.state.host_orders.values()
    assert (order.standing, order.actor, order.why) == ("draining", "ada", "new kernel")
    told = run("host", "last-choice", "host2", "--why", "old", "--json")[1]
    assert json.loads(told) == {"hostId": "host2", "standing": "lastChoice"}
    assert run("host", "enable", "host1", "--why", "done")[0] == 0
    assert [*web.cell.state.host_orders] == ["host2"]
    code, _, errors = run("host", "disable", "host9", "--why", "x")
    assert (code, "no host host9" in errors) == (4, True)
