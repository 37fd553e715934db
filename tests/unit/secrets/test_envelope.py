"""Sealed values: the same text for the same value, opened only where they belong."""

import re

import pytest
from cryptography.exceptions import InvalidTag

from connectors.secrets.envelope import (
    Place,
    new_key,
    opened_value,
    sealed_text,
    unwrapped_key,
    wrapped_key,
)
from connectors.secrets.errors import SecretMisplaced
from scheduler.model.sealed import is_sealed, parts_of

KEY = bytes(range(32))
PLACE = Place("t" * 16, 3, "job-1", "DB_PASSWORD")
VALUES = ("", "x", "s3cret wörd\n", "\ud800 lone", "a" * 5_000)


@pytest.mark.parametrize("value", VALUES)
def test_a_value_comes_back(value: str) -> None:
    text = sealed_text(KEY, PLACE, value)
    assert is_sealed(text)
    parts = parts_of(text)
    assert parts is not None
    assert parts[:2] == ("t" * 16, 3)
    assert opened_value(KEY, PLACE, parts[2]) == value
    assert re.fullmatch("[!-~]+", text), "it passes through every shell and header"


def test_the_same_submission_is_the_same_text() -> None:
    assert sealed_text(KEY, PLACE, "x") == sealed_text(KEY, PLACE, "x")
    assert sealed_text(KEY, PLACE, "x") != sealed_text(KEY, PLACE, "y")
    assert sealed_text(new_key(), PLACE, "x") != sealed_text(KEY, PLACE, "x")


@pytest.mark.parametrize(
    "change",
    [{"job_id": "job-2"}, {"name": "OTHER"}, {"tenant": "u" * 16}, {"version": 4}],
)
def test_a_value_is_of_no_use_anywhere_else(change: dict[str, object]) -> None:
    parts = parts_of(sealed_text(KEY, PLACE, "s3cret"))
    assert parts is not None
    with pytest.raises(SecretMisplaced) as caught:
        opened_value(KEY, PLACE._replace(**change), parts[2])  # type: ignore[arg-type]
    assert "s3cret" not in str(caught.value)


def test_names_that_join_to_the_same_are_other_places() -> None:
    """A place is no text that is put together: ``ab`` and ``c`` is not ``a`` and ``bc``."""
    one = sealed_text(KEY, PLACE._replace(job_id="ab", name="c"), "x")
    other = sealed_text(KEY, PLACE._replace(job_id="a", name="bc"), "x")
    assert one != other


@pytest.mark.parametrize("at", [0, 5, 12, 20, -1])
def test_every_flipped_bit_is_seen(at: int) -> None:
    text = sealed_text(KEY, PLACE, "s3cret")
    content = text.rpartition(":")[2]
    flipped = "A" if content[at] != "A" else "B"
    place = at % len(content)
    changed = content[:place] + flipped + content[place + 1 :]
    with pytest.raises(SecretMisplaced):
        opened_value(KEY, PLACE, changed)


@pytest.mark.parametrize("text", ["", "flumina-sealed:1:", "flumina-sealed:1:x.1:abc", "plain"])
def test_what_has_no_such_form_has_no_parts(text: str) -> None:
    assert parts_of(text) is None


def test_a_wrapped_key_opens_only_in_its_place() -> None:
    key = new_key()
    wrapped = wrapped_key(KEY, key, b"here")
    assert unwrapped_key(KEY, wrapped, b"here") == key
    assert key not in wrapped
    with pytest.raises(InvalidTag):
        unwrapped_key(KEY, wrapped, b"there")
