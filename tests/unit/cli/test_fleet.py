"""`flumina fleet` against the real API over a cell in memory whose cloud is in memory, too."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import flumina
from tests.support.fleet import FleetWorld, SimGroup
from tests.support.served import served
from tests.support.web_cell import WebCell


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    world = FleetWorld(SimGroup("blue", desired=2), SimGroup("green"))
    world.pass_ms(120_000)
    web = WebCell(world.cell)
    with served(web.app) as there:
        yield there.url


def test_groups_and_the_plan_are_shown(api: str, tmp_path: Path) -> None:
    groups = flumina(tmp_path, "fleet", "groups", "--api", api)
    assert groups.returncode == 0, groups.stderr
    lines = groups.stdout.splitlines()
    assert lines[0].split() == [
        *("group", "size", "bounds", "busy", "idle", "starting", "warm", "use", "note")
    ]
    assert lines[1].split() == ["blue", "2", "0-100", "0", "2", "0", "Active"]
    one = flumina(tmp_path, "fleet", "groups", "blue", "--api", api)
    assert "name-of-host-i-blue-0001" in one.stdout
    plan = flumina(tmp_path, "fleet", "plan", "--api", api)
    assert "0 (minimum)" in plan.stdout
    whole = json.loads(flumina(tmp_path, "fleet", "plan", "--json", "--api", api).stdout)
    assert [each["name"] for each in whole["groups"]] == ["blue", "green"]


def test_rules_are_printed_and_set_from_a_file(api: str, tmp_path: Path) -> None:
    rules = json.loads(flumina(tmp_path, "fleet", "rules", "--api", api).stdout)
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(rules | {"slo_ms": 1}))
    refused = flumina(tmp_path, "fleet", "rules", str(file), "--why", "x", "--api", api)
    assert refused.returncode != 0
    assert "sloMs" in refused.stderr
    file.write_text(json.dumps(rules | {"sloMs": 1_000}))
    no_reason = flumina(tmp_path, "fleet", "rules", str(file), "--api", api)
    assert "No reason is given" in no_reason.stderr
    done = flumina(tmp_path, "fleet", "rules", str(file), "--why", "x", "--api", api)
    assert done.returncode == 0, done.stderr
    assert json.loads(flumina(tmp_path, "fleet", "rules", "--api", api).stdout)["sloMs"] == 1_000
    file.write_text("no JSON")
    broken = flumina(tmp_path, "fleet", "rules", str(file), "--why", "x", "--api", api)
    assert "holds no rules" in broken.stderr


def test_a_size_is_set_and_a_deployment_goes_its_way(api: str, tmp_path: Path) -> None:
    def ask(*words: str) -> str:
        done = flumina(tmp_path, "fleet", *words, "--why", "kernel", "--api", api)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "blue is to have 3 hosts" in ask("set", "blue", "3")
    assert "taking the place of blue" in ask("deploy", "green", "--from", "blue", "--size", "1")
    assert "paused" in ask("pause", "green")
    assert json.loads(ask("resume", "green", "--json")) == {"id": "green"}
    assert "goes back" in ask("rollback", "green")
    listed = flumina(tmp_path, "fleet", "deployments", "--api", api).stdout
    assert listed.splitlines()[1].split()[:4] == ["green", "blue", "goingBack", "0/1"]
    assert "growing: " in flumina(tmp_path, "fleet", "deployments", "green", "--api", api).stdout


def test_the_process_says_what_it_needs(tmp_path: Path) -> None:
    done = flumina(tmp_path, "fleet", "run")
    assert "needs the cell's API" in done.stderr
    done = flumina(tmp_path, "fleet", "run", "--api", "http://127.0.0.1:1")
    assert "needs a Kafka and a cloud" in done.stderr


def test_instances_stand_by_and_do_not_any_more(api: str, tmp_path: Path) -> None:
    pool = ("fleet", "warm-pool", "green", "--api", api)
    done = flumina(tmp_path, *pool, "--min-size", "1", "--max-prepared", "3", "--why", "nine")
    assert done.returncode == 0, done.stderr
    assert "green is to have a warm pool" in done.stdout
    shown = flumina(tmp_path, "fleet", "groups", "green", "--api", api).stdout
    assert shown.splitlines()[1].split()[6] == "0/3"
    wrong = flumina(tmp_path, *pool, "--max-prepared", "101", "--why", "nine")
    assert wrong.returncode != 0
    assert "may have 100 at most" in wrong.stderr
    assert "No reason is given" in flumina(tmp_path, *pool, "--remove").stderr
    assert flumina(tmp_path, *pool, "--remove", "--why", "over").returncode == 0
