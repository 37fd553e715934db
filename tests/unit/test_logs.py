"""Lines of a real process: their form, what stands in each, and what never does."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.support.command_line import ROOT

PROGRAM = """
import logging, structlog
from streams.logs import Place, configure_logging, place_by
configure_logging("cell-7")
place_by("main", lambda: Place(12, 345))
log = structlog.get_logger("x")
with structlog.contextvars.bound_contextvars(cell="main", request_id="r-1"):
    spec = {"env": {"PIN": "hunter2"}}
    log.info("said", why="password=hunter2 and all", api_token="hunter2", spec=spec)
    log.warning("own place", offset=7)
log.info("of no cell", url="https://user:hunter2@registry.example.com/x")
logging.getLogger("aiokafka").error("login failed, secret: %s", "hunter2")
logging.getLogger("aiokafka").info("chatter")
try:
    raise ValueError("token=hunter2")
except ValueError:
    log.exception("broke")
"""


def _lines(**more: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stdout
    assert "hunter2" not in done.stderr
    return done.stderr.splitlines()


@pytest.mark.integration  # It starts processes.
def test_each_line_is_json_with_its_process_and_its_place() -> None:
    lines: list[dict[str, Any]] = [json.loads(each) for each in _lines()]
    assert {each["process"] for each in lines} == {"cell-7"}
    assert all({"level", "timestamp", "event"} <= each.keys() for each in lines)
    said, own, nowhere, library, broke = lines
    known = {"cell": "main", "epoch": 12, "offset": 345, "request_id": "r-1"}
    assert said | known == said
    assert (own["epoch"], own["offset"]) == (12, 7)
    assert "epoch" not in nowhere
    assert (library["logger"], library["level"]) == ("aiokafka", "error")
    assert "ValueError" in broke["exception"]


@pytest.mark.integration  # It starts processes.
def test_on_a_console_lines_are_for_people() -> None:
    lines = _lines(FLUMINA_LOG_FORMAT="console")
    assert "said" in lines[0]
    assert "cell=main" in lines[0]
    assert "offset=345" in lines[0]
    assert not lines[0].startswith("{")
