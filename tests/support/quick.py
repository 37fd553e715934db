"""What the quick tests (`-m "not integration"`) leave to the whole run: folders, waits, examples.

The one thing to know: nothing is left out for good. The whole run, which is what is checked before
merging, reads every folder and draws as many examples as each property asks for.
"""

import asyncio
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import is_hypothesis_test, settings

from tests.support.thorough import THOROUGH

ONLY_INTEGRATION = ("integration", "console")
"""Folders whose every test is marked `integration`: where that is left out they are not read."""
MARKED = re.compile(r"^pytestmark = .*\b(integration|soak)\b", re.MULTILINE)
"""A file whose every test is marked is not read either: its imports take longer than many tests."""
STANDS_IN = frozenset({"moto_endpoint", "s3_url"})
"""Fixtures that start a stand-in for AWS, which takes seconds: who asks for one is marked so."""
TESTS = Path(__file__).parents[1]
PART, THOROUGH_PART = 8, 4
"""Of the examples of a property, the quick tests draw one in so many."""
EXAMPLES_MIN = 5
LOOKS_ONE_IN = 5
"""Of the records that a cell in memory folds, one in so many has the whole state looked at."""
MORE = "FLUMINA_TESTS_EXAMPLES"
"""How many times as many examples properties draw, and at random: docs/testing.md."""
HURRY = 10
"""How many times shorter the steps are in which a server of uvicorn looks whether it should end."""
_SETTINGS = "_hypothesis_internal_use_settings"


def is_quick(config: pytest.Config) -> bool:
    """Whether the words leave out whatever is marked `integration`."""
    return str(config.option.markexpr or "").startswith(("not integration", "(not integration"))


def is_left_out(path: Path) -> bool:
    """Whether a folder or a file has nothing for the quick tests."""
    if path.suffix == ".py":
        return path.name.startswith("test_") and bool(MARKED.search(path.read_text("utf-8")))
    return path.parent == TESTS and path.name in ONLY_INTEGRATION


def mark_who_starts_others(items: list[pytest.Item]) -> None:
    """Mark as `integration` what asks for a stand-in, by whatever fixture of its own."""
    for item in items:
        if not STANDS_IN.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.integration)


def leave_out_what_is_slow(items: list[pytest.Item]) -> None:
    """Mark as `integration` what takes half a second or more, mostly by waiting for a time limit.

    Fifty tests of ten thousand took as long as a third of the others.
    """
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.integration)


def look_less_often() -> None:
    """Have cells in memory check their invariants at some of their records."""
    if not os.environ.get(THOROUGH):
        # Not above: what measures branches begins before anything of ours is imported.
        from tests.support.cell import CellInMemory  # noqa: PLC0415

        CellInMemory.looks_one_in = LOOKS_ONE_IN


def end_servers_at_once() -> None:
    """Have the servers of a hundred tests end without two tenths of a second of sleep each."""
    import uvicorn.server  # noqa: PLC0415 - as above

    class Hurried(ModuleType):
        def __getattr__(self, name: str) -> Any:
            return getattr(asyncio, name)

        async def sleep(self, delay_s: float) -> None:
            await asyncio.sleep(delay_s / HURRY)

    setattr(uvicorn.server, "asyncio", Hurried("asyncio"))  # noqa: B010 - mypy knows a module there


def report_less(config: pytest.Config) -> None:
    """Have each of several processes send one message a test, and not six, if nobody reads them.

    They are a tenth of the whole: that a test begins and ends, that it was set up and torn down.
    """
    plugins = config.pluginmanager.get_plugins()
    # By its name: execnet runs the file that defines it, so it is of no module.
    of_xdist = (each for each in plugins if type(each).__name__ == "WorkerInteractor")
    worker: Any = next(of_xdist, None)
    asked = config.option
    if worker is None or asked.verbose > 0 or asked.durations is not None:
        return
    send = worker.sendevent

    def sent(name: str, **values: Any) -> None:
        told = values["data"] if name == "testreport" else {"outcome": "", "when": ""}
        is_frame = told["outcome"] == "passed" and told["when"] != "call"
        if is_frame or name in {"logstart", "logfinish"}:
            return
        send(name, **values)

    worker.sendevent = sent


def take_fewer_examples(items: list[pytest.Item]) -> None:
    """Have properties draw a part of their examples."""
    part = THOROUGH_PART if os.environ.get(THOROUGH) else PART
    _draw(items, lambda asked: min(asked, max(EXAMPLES_MIN, asked // part)))


def take_more_examples(items: list[pytest.Item]) -> None:
    """Have properties draw so many times as many examples as they ask for, if that is set."""
    if times := int(os.environ.get(MORE, "") or 0):
        _draw(items, lambda asked: asked * times)


def is_random() -> bool:
    """Whether properties draw other examples in each run: where more are asked for.

    Otherwise the same tree gives the same run: who changes one thing is not told of another.
    """
    return bool(os.environ.get(MORE))


def _draw(items: list[pytest.Item], count: Callable[[int], int]) -> None:
    done: set[object] = set()
    for item in items:
        if not isinstance(item, pytest.Function) or not is_hypothesis_test(item.obj):
            continue
        holder, name = getattr(item.obj, "__func__", item.obj), _SETTINGS
        if item.cls is not None and isinstance(getattr(item.cls, "settings", None), settings):
            holder, name = item.cls, "settings"  # A state machine's.
        if holder not in done:
            done.add(holder)
            asked = getattr(holder, name)
            setattr(holder, name, settings(asked, max_examples=count(asked.max_examples)))
