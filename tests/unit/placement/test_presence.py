"""Where keys are, by row: arrays that are kept say the same as those that are made anew."""

import numpy as np
import pytest

from scheduler.placement import presence
from scheduler.placement.presence import Presence


def _rows(found: object) -> list[int]:
    """Counts by row; nothing where the key is nowhere."""
    return list(map(int, found)) if isinstance(found, np.ndarray) else []


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Presence[str]:
    """One that keeps the arrays of two keys that are on two rows or more."""
    monkeypatch.setattr(presence, "_MANY", 2)
    monkeypatch.setattr(presence, "_KEPT_MAX", 2)
    return Presence[str]()


def test_what_is_kept_follows_each_change(there: Presence[str]) -> None:
    there.come(["a", "a", "b"], [0, 2, 1])
    assert _rows(there.counts("a", 4)) == [1, 0, 1, 0]
    there.come(["a", "a"], [2, 3])
    assert _rows(there.counts("a", 4)) == [1, 0, 2, 1]
    there.change("a", 0, -1)
    there.change("a", 2, 3)
    assert _rows(there.counts("a", 4)) == [0, 0, 5, 1]
    assert _rows(there.is_on("a", 4)) == [0, 0, 1, 1]
    assert there.rows["a"] == {2: 5, 3: 1}


def test_a_key_that_is_nowhere_any_more_is_forgotten(there: Presence[str]) -> None:
    there.change("a", 1, 1)
    there.change("a", 1, -1)
    assert (there.rows, there.counts("a", 4), there.is_on("a", 4)) == ({}, 0, 0)


def test_only_so_many_arrays_are_kept(there: Presence[str]) -> None:
    for key in ("a", "b", "c"):
        there.come([key, key], [0, 1])
        there.counts(key, 2)
    assert set(there._kept) == {"b", "c"}
    there.resized()
    assert there._kept == {}
    assert _rows(there.counts("a", 3)) == [1, 1, 0]
