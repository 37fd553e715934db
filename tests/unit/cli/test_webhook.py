"""`flumina webhook` adds, lists, shows, pauses, resumes and removes; `run` says what it lacks.

How: the real command against the real application over a cell in memory, by a socket on loopback.
"""

import json
from typing import Any

import pytest

from scheduler.model.webhooks import WebhookNoted
from streams.cli import command_webhook
from streams.cli.main import main
from tests.support.web_cell import WebCell
from tests.unit.cli.test_policy import Run, run, web  # noqa: F401 - fixtures

URL = "https://hooks.example.com/flumina"


@pytest.mark.slow
def test_a_webhook_from_its_beginning_to_its_end(web: WebCell, run: Run) -> None:  # noqa: F811
    assert run("webhook", "list") == (0, "There are no webhooks.\n", "")
    assert run("webhook", "add", "ci", URL)[0] == 1  # Without a reason.
    kinds = ("--kind", "JobChanged", "--application", "web", "--secret", "env:CI")
    assert run("webhook", "add", "ci", URL, *kinds, "--why", "x") == (0, "ci is told.\n", "")
    code, out, _ = run("webhook", "list")
    assert (code, "applications web; kinds JobChanged" in out) == (0, True)
    assert run("webhook", "add", "ci", URL, "--why", "x")[0] == 1
    assert run("webhook", "add", "ci", URL, "--replace", "--why", "x")[0] == 0
    assert run("webhook", "pause", "ci", "--why", "it moves") == (0, "ci is paused.\n", "")
    code, out, _ = run("webhook", "show", "ci")
    assert (code, "it moves" in out) == (0, True)
    assert run("webhook", "resume", "ci", "--why", "back") == (0, "ci goes on.\n", "")
    code, out, _ = run("webhook", "show", "ci", "--json")
    shown: dict[str, Any] = json.loads(out)
    assert (shown["version"], shown["isPaused"], shown["filter"]["kinds"]) == (4, False, [])
    assert run("webhook", "remove", "ci", "--why", "x") == (0, "ci is removed.\n", "")
    assert run("webhook", "show", "ci")[0] == 4
    assert not web.cell.state.webhooks


def test_a_test_is_asked_for_and_its_answer_shown(
    web: WebCell,  # noqa: F811
    run: Run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run("webhook", "add", "ci", URL, "--why", "x")
    monkeypatch.setattr(command_webhook, "TEST_S", 0.0)
    code, _, said = run("webhook", "test", "ci")
    assert (code, "webhooks process of this cell does not run" in said) == (1, True)
    webhook = web.cell.state.webhooks["ci"]
    assert webhook.test is not None
    noted = WebhookNoted(
        "ci", webhook.created_offset, "", "answered 204", webhook.test.offset, is_test_good=True
    )
    web.cell.copy("commands", noted)
    code, out, _ = run("webhook", "show", "ci")
    assert (code, "taken: answered 204" in out) == (0, True)


def test_the_process_says_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FLUMINA_API", raising=False)
    monkeypatch.delenv("KAFKA_BROKERS", raising=False)
    with pytest.raises(SystemExit):
        main(["webhook", "run"])
    assert "needs the cell's API" in capsys.readouterr().err
    monkeypatch.setenv("FLUMINA_API", "http://127.0.0.1:1")
    with pytest.raises(SystemExit):
        main(["webhook", "run"])
    assert "needs a Kafka" in capsys.readouterr().err
