"""`flumina autoscale`: policies are put, shown and deleted, and what they did is listed.

How: the real command against the real application over a cell in memory, by a socket on loopback.
"""

import json
from pathlib import Path

from tests.support.cell import service
from tests.support.scaling import ScaledCell
from tests.support.web_cell import WebCell
from tests.unit.cli.test_policy import Run, run, web  # noqa: F401 - fixtures

EXAMPLES = sorted((Path(__file__).parents[3] / "docs" / "examples" / "scaling").glob("*.json"))


def test_policies_are_put_listed_and_deleted(web: WebCell, run: Run) -> None:  # noqa: F811
    web.cell.submit(service(2, 20, 1))
    assert run("autoscale", "policies") == (0, "There are no scaling policies.\n", "")
    assert EXAMPLES
    for example in EXAMPLES:
        code, out, _ = run("autoscale", "put", "job", str(example), "--why", "test")
        assert code == 0
        assert out.startswith("policy-")
        assert out.endswith(" is set.\n")
    code, out, _ = run("autoscale", "policies", "job", "--json")
    items = json.loads(out)["items"]
    assert len(items) == len(EXAMPLES)
    name = items[0]["id"]["id"]
    code, out, _ = run("autoscale", "put", "job", str(EXAMPLES[0]), "--id", name, "--json")
    assert (code, json.loads(out)) == (0, {"id": name})
    code, out, _ = run("autoscale", "policies")
    assert name in out
    assert "Pending" in out
    assert run("autoscale", "delete", name, "--why", "enough") == (0, f"{name} is deleted.\n", "")
    assert web.cell.state.scaling_policies[items[0]["id"]["id"]].state == "Deleting"


def test_activities_and_why_say_what_was_done(web: WebCell, run: Run) -> None:  # noqa: F811
    web.cell.submit(service(2, 20, 1))
    there = ScaledCell(web.cell)
    (requests,) = [each for each in EXAMPLES if each.name == "requests.json"]
    _, out, _ = run("autoscale", "put", "job", str(requests), "--json")
    name = json.loads(out)["id"]
    there.pass_periods(26, **{name: 1_200.0})
    code, out, _ = run("autoscale", "activities", "job")
    assert code == 0
    assert "desired from 2 to 4" in out
    assert ">= 1000 in 3 of 3 periods of 60 s" in out
    _, out, _ = run("why", "job")
    assert f"Scaling policy {name} changed its size from 2 to 4" in out


def test_what_is_wrong_is_a_sentence(web: WebCell, run: Run, tmp_path: Path) -> None:  # noqa: F811
    web.cell.submit(service(2, 20, 1))
    file = tmp_path / "policy.json"
    file.write_text("{")
    code, _, said = run("autoscale", "put", "job", str(file))
    assert code == 1
    assert "cannot be read as JSON" in said
    file.write_text('{"stepPolicyDescriptor": {}}')
    code, _, said = run("autoscale", "put", "job", str(file))
    assert code == 1
    assert "alarmConfig" in said
    assert run("autoscale", "delete", "no")[0] == 4
    assert run("autoscale", "activities", "no")[0] == 4
    code, _, said = run("autoscale", "backtest", str(file))
    assert code == 1
    assert "no column" in said
