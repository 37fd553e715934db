"""`flumina alerts`, `slo` and `blackbox once` as an operator uses them.

How: the real commands against the real application over a cell in memory, by a socket on loopback;
receivers are on loopback as well.
"""

import json
from pathlib import Path

import pytest

from tests.support.alerting import rules_of
from tests.support.cell import batch
from tests.support.web_cell import WebCell
from tests.support.webhook import receiver
from tests.unit.cli.test_policy import Run, run, web  # noqa: F401 - fixtures

QUEUE = "name: queue, measure: tasks_queued, above: 2, clear: 1"


def full(web: WebCell) -> None:  # noqa: F811
    """Let tasks wait, which is an alert."""
    web.alerting.use(rules_of(QUEUE))
    web.cell.submit(batch(30), "many")
    web.cell.launched()
    web.cell.tick(1_000, 12)
    assert web.view.next_offset


def test_what_fires_is_listed_silenced_and_looked_at(web: WebCell, run: Run) -> None:  # noqa: F811
    assert run("alerts", "list") == (0, "Nothing fires.\n", "")
    full(web)
    code, out, _ = run("alerts", "list")
    assert (code, "tasks_queued above 2" in out, "firing" in out) == (0, True, True)
    assert run("alerts", "silence", "up", "--match", "rule=queue", "--for", "2h")[0] == 1
    why = ("--why", "upgrade")
    words = ("alerts", "silence", "up", "--match", "rule=queue", "--for", "2h", *why)
    assert run(*words) == (0, "up is in force.\n", "")
    web.cell.tick(1_000, 6)
    code, out, _ = run("alerts", "list")
    assert "firing, silent" in out
    assert "rule=queue (up, " in out
    assert run("alerts", "silence", "up", "--match", "queue", *why)[0] == 1
    assert run("alerts", "unsilence", "up", *why) == (0, "up is over.\n", "")
    assert run("alerts", "unsilence", "up", *why)[0] == 4
    assert run("alerts", "ack", "queue", *why) == (0, "queue is yours.\n", "")
    assert run("alerts", "ack", "other", *why)[0] == 4
    found = json.loads(run("alerts", "list", "--json")[1])
    assert found["items"][0]["acknowledgedWhy"] == "upgrade"


def test_rules_measures_and_objectives_are_shown(web: WebCell, run: Run) -> None:  # noqa: F811
    full(web)
    code, out, _ = run("alerts", "rules")
    assert (code, "tasks_queued above 2" in out, "Told: nobody" in out) == (0, True, True)
    code, out, _ = run("alerts", "measures")
    assert (code, "oldest_wait" in out) == (0, True)
    code, out, _ = run("slo")
    assert (code, "start-latency" in out, "99.9 % within 10 s" in out) == (0, True, True)
    code, out, _ = run("slo", "--scope", "owner", "--at", "-1m")
    assert code == 0
    assert run("slo", "--scope", "team")[0] == 1
    assert len(json.loads(run("slo", "--json")[1])["items"]) == 3


def test_a_file_is_checked_and_its_receivers_tried(
    run: Run,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text("version: 1\nrules:\n  - {name: a, measure: tasks_quued, above: 1}\n")
    code, out, _ = run("alerts", "check", str(path))
    assert code == 1
    assert f"{path}:3:15 rules[0].measure" in out
    assert "tasks_queued" in out
    with receiver() as there:
        path.write_text(
            "version: 1\nreceivers:\n"
            f'  - {{name: ops, kind: webhook, url: "{there.url}"}}\n  - {{name: l, kind: log}}\n'
        )
        code, out, _ = run("alerts", "check", str(path))
        assert (code, "is good: 0 rules of its own" in out) == (0, True)
        monkeypatch.setenv("FLUMINA_ALERTS", str(path))
        code, out, _ = run("alerts", "test", "--receiver", "ops")
        assert (code, "is not public" in out) == (1, True)
        monkeypatch.setenv("FLUMINA_WEBHOOK_NETWORKS", "127.0.0.0/8")
        assert run("alerts", "test", "--receiver", "ops") == (0, "ops: taken\n", "")
        assert there.sent[0].json["data"]["what"] == "this is a test"
        assert run("alerts", "test", "--receiver", "nobody")[0] == 1


@pytest.mark.slow
def test_a_round_against_a_cell_without_hosts_names_its_step(web: WebCell, run: Run) -> None:  # noqa: F811
    for offer_id in list(web.cell.state.offers):
        web.cell.rescind(offer_id)
    words = ("blackbox", "once", "--step-max", "0.5", "--json")
    code, out, _ = run(*words)
    found = json.loads(out)
    assert (code, found["failedStep"]) == (1, "start")
    assert "Accepted" in found["why"]
    assert set(found["steps"]) == {"status", "submit", "cleanup"}
    (job,) = web.cell.state.jobs.values()
    assert (job.spec.owner_email, job.state) == ("blackbox@flumina.invalid", "Finished")
