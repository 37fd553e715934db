"""The page of features names, for each, a test and a page that exist; and no page is forgotten."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.tree import ROOT, demand_none, files, functions_of

PAGE = ROOT / "docs" / "features.md"
# What tells of decisions, past runs and what to do at night is no feature.
OF_OTHERS = ("decisions", "reports", "runbooks")
# The map of the code is for its readers.
NO_FEATURES = {"features.md", "architecture.md"}
ROWS_MIN = 150
_PAGE_OF = re.compile(r"\[[^\]]+\]\(([^)]+)\)")
_TEST = re.compile(r"`(tests/[a-z_0-9/]+/test_\w+\.py)::(test_\w+)`")


def _rows() -> Iterator[tuple[str, str, str]]:
    """What is there, where it stands, what shows it."""
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [each.strip() for each in line.strip().strip("|").split(" | ")]
        if line.startswith("| ") and cells[0] not in {"feature", "---"}:
            assert len(cells) == 3, line
            yield cells[0], cells[1], cells[2]


def test_every_feature_is_there_once() -> None:
    names = [feature for feature, _, _ in _rows()]
    assert len(names) >= ROWS_MIN
    demand_none([each for each in set(names) if names.count(each) > 1])


def test_every_feature_is_shown_by_a_test_that_pytest_collects() -> None:
    wrong = []
    for feature, _, shown in _rows():
        found = _TEST.fullmatch(shown)
        if found is None:
            wrong.append(f"{feature}: {shown} is no test")
            continue
        path = ROOT / found[1]
        if not path.is_file() or found[2] not in functions_of(path):
            wrong.append(f"{feature}: there is no {shown}")
    demand_none(wrong)


def test_every_feature_has_its_page() -> None:
    demand_none(
        [
            f"{feature}: {page}"
            for feature, page, _ in _rows()
            if (named := _PAGE_OF.fullmatch(page)) is None or not (PAGE.parent / named[1]).is_file()
        ]
    )


def test_every_page_is_that_of_a_feature() -> None:
    named = {
        (PAGE.parent / found[1]).resolve()
        for _, page, _ in _rows()
        if (found := _PAGE_OF.fullmatch(page)) is not None
    }
    demand_none([str(each) for each in _pages() if each not in named])


def _pages() -> Iterator[Path]:
    for path in files(".md", under="docs"):
        inside = path.relative_to(PAGE.parent)
        if inside.parts[0] not in OF_OTHERS and str(inside) not in NO_FEATURES:
            yield path.resolve()
