"""Completion in a shell: the ids that are there, when the API is quick, and else nothing at all."""

import os
import subprocess
import sys
import time

import pytest

from connectors.client.sync import Client
from streams.cli import completing
from streams.cli.main import words_to_complete
from tests.support.scripted_server import Server
from tests.support.served import served
from tests.support.web_cell import WebCell, descriptor, service_descriptor


def test_ids_of_jobs_and_of_a_jobs_tasks_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    web = WebCell()
    with served(web.app) as there:
        jobs = {
            "nightly": descriptor(),
            "next": service_descriptor(2),
            "other": descriptor(),
        }
        with Client(there.url) as client:
            for name, job in jobs.items():
                client.submit(job, name)
        monkeypatch.setenv("FLUMINA_API", there.url)
        monkeypatch.setattr(completing, "WAIT_S_MAX", 5.0)
        assert completing.job_ids("n") == ["next", "nightly"]
        assert completing.job_ids("zzz") == []
        assert completing.names("ot") == ["other"]
        assert completing.names("next-worker-") == ["next-worker-0-1", "next-worker-1-2"]


def test_an_api_that_is_slow_or_not_there_offers_nothing_in_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    server = Server((200, {"items": [{"id": "late"}]}))
    server.answers_after_s = 5.0
    try:
        for url in (server.url, "http://127.0.0.1:1", "http://name.invalid:7100"):
            monkeypatch.setenv("FLUMINA_API", url)
            begun_s = time.monotonic()
            assert completing.job_ids("") == []
            assert time.monotonic() - begun_s < server.answers_after_s - 1.0
    finally:
        server.shutdown()
        server.server_close()
    monkeypatch.delenv("FLUMINA_API")
    monkeypatch.setenv("FLUMINA_DATA", str(tmp_path))
    assert completing.job_ids("") == []


def test_the_words_are_those_of_the_line_that_is_completed() -> None:
    assert words_to_complete({}) is None
    zsh = {"_FLUMINA_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "flumina kill ni"}
    assert words_to_complete(zsh) == ["kill", "ni"]
    bash = {"_FLUMINA_COMPLETE": "complete_bash", "COMP_WORDS": "flumina policy"}
    assert words_to_complete(bash) == ["policy"]


@pytest.mark.integration  # It starts processes.
def test_a_shell_is_answered_by_the_command_itself() -> None:
    """A process as a shell starts it: for a command's own options, and for an id."""
    web = WebCell()
    with served(web.app) as there:
        with Client(there.url) as client:
            client.submit(descriptor(), "nightly")
        known = {"FLUMINA_API": there.url, "_FLUMINA_COMPLETE": "complete_bash"}
        offered = {
            words: subprocess.run(
                [sys.executable, "-m", "streams.cli.main"],
                env=os.environ | known | {"COMP_WORDS": words, "COMP_CWORD": place},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            ).stdout.split()
            for words, place in (("flumina ki", "1"), ("flumina kill --sh", "2"))
        }
    assert "kill" in offered["flumina ki"]
    assert "--shrink" in offered["flumina kill --sh"]
