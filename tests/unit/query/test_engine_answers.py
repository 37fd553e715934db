"""What the engine of Mantis answered to these questions, ours answers as well.

The answers were recorded from the engine that the first line of the file names. Where it is wrong
or dies, ours differs on purpose: those are in `test_better.py`, each with its reason.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from projections.query.engine import Running
from projections.query.parser import parse
from projections.query.scanner import QueryError

FIRST, *CASES = [
    json.loads(line)
    for line in Path(__file__).with_name("engine_answers.jsonl").read_text("utf-8").splitlines()
]
EVENTS: list[dict[str, Any]] = FIRST["events"]


def name_of(case: dict[str, Any]) -> str:
    return f"{case['mode']}: {case['mql']}"


@pytest.mark.parametrize("case", [case for case in CASES if "rows" in case], ids=name_of)
def test_the_same_rows(case: dict[str, Any]) -> None:
    running = Running(parse(case["mql"]), lambda: 0.5, case["mode"], is_compat=True)
    rows = [row for at_ms, event in enumerate(EVENTS) for row in running.push(event, at_ms)]
    assert rows + running.close() == case["rows"]


@pytest.mark.parametrize("case", [case for case in CASES if "error" in case], ids=name_of)
def test_the_same_place_of_an_error(case: dict[str, Any]) -> None:
    with pytest.raises(QueryError) as raised:
        parse(case["mql"])
    assert str(raised.value).startswith(case["error"])
