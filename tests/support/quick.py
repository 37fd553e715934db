"""What the quick tests (`-m "not integration"`) leave to the whole run: folders, waits, examples.

The one thing to know: nothing is left out for good. The whole run, which is what is checked before
merging, reads every folder and draws as many examples as each property asks for.
"""

import re
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, settings

ONLY_INTEGRATION = ("integration", "console")
"""Folders whose every test is marked `integration`: where that is left out they are not read."""
MARKED = re.compile(r"^pytestmark = .*\b(integration|soak)\b", re.MULTILINE)
"""A file whose every test is marked is not read either: its imports take longer than many tests."""
STANDS_IN = frozenset({"moto_endpoint", "s3_url"})
"""Fixtures that start a stand-in for AWS, which takes seconds: who asks for one is marked so."""
TESTS = Path(__file__).parents[1]
PART = 4
"""Of the examples of a property, the quick tests draw one in so many."""
EXAMPLES_MIN = 5
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


def take_fewer_examples(items: list[pytest.Item]) -> None:
    """Have properties draw a part of their examples."""
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
            few = max(EXAMPLES_MIN, asked.max_examples // PART)
            setattr(holder, name, settings(asked, max_examples=min(asked.max_examples, few)))
