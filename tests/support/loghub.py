"""Real log lines with hand-made templates and labels, read from beside the checkout.

The one thing to know: they are not ours to copy. Where they are absent, a test says so and skips.
"""

import csv
import gzip
import io
from collections import defaultdict
from collections.abc import Hashable, Sequence
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / ".." / "shared" / "data" / "loghub"
SYSTEMS = ("HDFS", "Hadoop", "Zookeeper", "Linux", "OpenSSH", "Apache")


def structured(system: str) -> Path:
    """The file of a system's lines with columns; skips the test where it is absent."""
    name = "BGL_first1k" if system == "BGL" else f"{system}_2k"
    path = FOLDER / system / f"{name}.log_structured.csv.gz"
    if not path.exists():
        pytest.skip("needs the loghub lines in ../shared/data, which are not here")
    return path


def rows(system: str) -> list[dict[str, str]]:
    """A system's lines with their columns."""
    with gzip.open(structured(system), "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(io.StringIO(file.read())))


def grouping_accuracy(found: Sequence[Hashable], true: Sequence[Hashable]) -> float:
    """The share of lines whose group has exactly the lines of one true group."""
    groups, wanted = (_groups(each) for each in (found, true))
    exact = {tuple(each) for each in wanted}
    return sum(len(each) for each in groups if tuple(each) in exact) / len(found)


def _groups(labels: Sequence[Hashable]) -> list[list[int]]:
    places: dict[Hashable, list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        places[label].append(place)
    return list(places.values())
