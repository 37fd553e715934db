"""One file has every metric's name; what the code shows and the page explains agrees with it."""

import ast
import re
from collections.abc import Iterator

import pytest

from streams.metric_names import LABELS, NAMES, PREFIX, STREAM_PREFIX
from tests.architecture.tree import ROOT, demand_none, parsed, place, python_files

pytestmark = pytest.mark.integration  # It reads all of the code.

PAGE = (ROOT / "docs" / "metrics.md").read_text("utf-8")
ROW = re.compile(r"^\| (`flumina_[^|]*)\| (counter|gauge|histogram)([^|]*)\|", re.MULTILINE)
KINDS = {
    "Counter": "counter",
    "Gauge": "gauge",
    "Histogram": "histogram",
    **{f"{kind.capitalize()}MetricFamily": kind for kind in ("counter", "gauge", "histogram")},
}
KNOWN = {each.name: each for each in NAMES}
WHOLE = re.compile(r"flumina_(?:[a-z]+_)*[a-z]+")


def test_names_are_whole_words_in_order_and_once() -> None:
    names = [each.name for each in NAMES]
    assert names == sorted(set(names))
    demand_none([name for name in names if not WHOLE.fullmatch(name)])


def test_names_follow_the_rules_of_prometheus() -> None:
    """Base units only, and `_total` is the format's to add."""
    wrong = ("_total", "_ms", "_milliseconds", "_minutes", "_kib", "_mib", "_percent", "_count")
    demand_none([each.name for each in NAMES if each.name.endswith(wrong)])
    timed = [each for each in NAMES if each.kind == "histogram"]
    demand_none([each.name for each in timed if not each.name.endswith(("_seconds", "_bytes"))])
    demand_none([each.name for each in NAMES if each.name.startswith(STREAM_PREFIX)])


def test_every_label_has_what_bounds_it_and_none_is_an_id() -> None:
    used = {label for each in NAMES for label in each.labels}
    assert used == LABELS.keys()
    demand_none(sorted(used & {"job", "task", "host", "actor", "owner", "address", "request_id"}))
    demand_none([each.name for each in NAMES if len(each.labels) > 3])


def _documented() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for names, kind, labels in ROW.findall(PAGE):
        for name in re.findall(r"`(flumina_[a-z_]+)`", names):
            yield name.removesuffix("_total"), kind, tuple(re.findall(r"`([a-z_]+)`", labels))


def test_the_page_explains_each_name_with_its_labels_and_no_other() -> None:
    assert set(_documented()) == {tuple(each) for each in NAMES}


def _shown() -> Iterator[tuple[str, str, str]]:
    """Where the code makes a metric of a name that it writes out, its name and its kind."""
    for path in python_files("streams", "connectors", "projections"):
        for node in ast.walk(parsed(path)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
                continue
            kind, first = KINDS.get(node.func.id), node.args[0]
            if kind and isinstance(first, ast.Constant) and str(first.value).startswith(PREFIX):
                yield place(path, node.lineno), str(first.value).removesuffix("_total"), kind


def test_the_code_shows_no_other_name_and_each_as_its_kind() -> None:
    shown = list(_shown())
    assert len(shown) > 40
    demand_none([f"{where}: {name}" for where, name, _ in shown if name not in KNOWN])
    wrong = [(where, name) for where, name, kind in shown if KNOWN[name].kind != kind]
    demand_none([f"{where}: {name} is {KNOWN[name].kind}" for where, name in wrong])
