"""The syntax trees that these tests share are let go when the last of them has run.

They are some millions of objects: whatever runs later would have the collector look at them.
"""

from collections.abc import Iterator

import pytest

from tests.architecture.tree import parsed


@pytest.fixture(scope="package", autouse=True)
def _trees_are_let_go() -> Iterator[None]:
    """Parsed files live as long as these tests."""
    yield
    parsed.cache_clear()
