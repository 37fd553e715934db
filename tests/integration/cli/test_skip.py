"""A halted fold from the operator's side: `state` and `doctor` show it, `skip` is the way on.

The record that nobody can read is written straight into the cell log, as a broken build would.
"""

import asyncio
import json
import re

import pytest

from streams.cell.writer import our_producer
from tests.processes import wait_until
from tests.support.command_line import ROOT, Done, UpProcess, flumina
from tests.support.webhook import Receiver

pytestmark = pytest.mark.integration

TIMEOUT_S = 60.0
SERVICE = str(ROOT / "docs" / "examples" / "service-5.json")


async def _write(bootstrap: str, value: bytes) -> None:
    producer = our_producer(bootstrap, "test-of-a-halt")
    await producer.start()
    try:
        await producer.send_and_wait("cell", value, partition=0)
    finally:
        await producer.stop()


def _of_halts(pages: Receiver) -> list[str]:
    return [each.json["why"] for each in list(pages.sent) if each.json["what"] == "fold halted"]


def test_a_record_that_nobody_can_read_is_shown_paged_and_skipped(
    up: UpProcess, pages: Receiver
) -> None:
    def run(*words: str) -> Done:
        return flumina(up.data_dir, *words)

    def halt() -> str:
        done = run("state", "--json")
        return str(json.loads(done.stdout)["standing"]["halt"]) if done.returncode == 0 else ""

    asyncio.run(_write(up.view.kafka, b'{"version": 99}'))
    wait_until(lambda: halt() != "", "the fold is halted", TIMEOUT_S)
    shown = run("state").stdout
    way_on = re.search(r"flumina skip (\d+) --digest ([0-9a-f]{32})", shown)
    assert way_on is not None, shown
    # Two processes of the cell, the api and the history meet it, and it is paged once.
    wait_until(lambda: _of_halts(pages) != [], "the halt is paged", TIMEOUT_S)
    assert all(way_on[0] in why for why in _of_halts(pages))
    sick = run("doctor")
    assert sick.returncode == 1
    assert "✗ fold" in sick.stdout
    refused = run("scale", "nobody", "1")
    assert refused.returncode == 5, refused.stderr
    assert "halted" in refused.stderr

    offset, digest = way_on.groups()
    (lies_there,) = json.loads(run("log", "show", offset, "--json").stdout)
    assert (lies_there["digest"], lies_there["text"]) == (digest, '{"version": 99}')
    assert lies_there["problem"]
    assert '{"version": 99}' in run("log", "show", offset).stdout
    beyond = run("log", "show", "99999999")
    assert beyond.returncode == 1
    assert "is not in the log" in beyond.stderr
    skipped = run("skip", offset, "--digest", digest, "--why", "a test wrote it")
    assert skipped.returncode == 0, skipped.stderr
    assert f"goes on behind offset {offset}" in skipped.stdout
    wait_until(
        lambda: run("submit", SERVICE, "--id", "after-the-skip").returncode == 0,
        "a job is taken again",
        TIMEOUT_S,
    )
    assert halt() == ""
    assert len(_of_halts(pages)) == 1
