"""Published schemas do not change: the registry's hashes are those of the types as they are now."""

from typing import Literal

import msgspec
import pytest

from scheduler.model.base import Ours
from scheduler.model.codec import RECORD_VERSION
from scheduler.model.schemas import (
    PUBLISHED,
    described,
    faults,
    published_types,
    schema_hash,
)


def test_no_published_schema_has_changed() -> None:
    """If this fails: a published schema may not change.

    Add a new event name, or a version with an upcaster, as each line of the failure says. Only
    what no release has ever written may be replaced in `scheduler.model.schemas.PUBLISHED`.
    """
    found = faults()
    assert not found, "\n".join(found)


def test_every_entry_is_a_hash_of_a_version_that_exists() -> None:
    assert list(PUBLISHED) == sorted(PUBLISHED)
    for name, versions in PUBLISHED.items():
        assert versions, name
        assert all(1 <= version <= RECORD_VERSION for version in versions), name
        assert all(len(each) == 32 and int(each, 16) >= 0 for each in versions.values()), name


class Inner(msgspec.Struct, frozen=True, array_like=True):
    """Stands inside another."""

    begin: int
    end: int = 0


class Base(Ours, frozen=True, tag="Thing"):
    """What was published."""

    name: str
    size: int = 5
    inner: tuple[Inner, ...] = ()
    kind: Literal["b", "a"] = "a"
    maybe: str | None = None


class Renamed(Ours, frozen=True, tag="Thing"):
    """A field has another name."""

    title: str
    size: int = 5
    inner: tuple[Inner, ...] = ()
    kind: Literal["b", "a"] = "a"
    maybe: str | None = None


class OtherDefault(Ours, frozen=True, tag="Thing"):
    """A default is another: records that leave the field out would mean something else."""

    name: str
    size: int = 6
    inner: tuple[Inner, ...] = ()
    kind: Literal["b", "a"] = "a"
    maybe: str | None = None


class OneMore(Ours, frozen=True, tag="Thing"):
    """There is one more field."""

    name: str
    size: int = 5
    inner: tuple[Inner, ...] = ()
    kind: Literal["b", "a"] = "a"
    maybe: str | None = None
    extra: str = ""


class OtherOrder(Ours, frozen=True, tag="Thing"):
    """The same fields are written in another order."""

    size: int
    name: str
    inner: tuple[Inner, ...] = ()
    kind: Literal["b", "a"] = "a"
    maybe: str | None = None


class OneWordMore(Ours, frozen=True, tag="Thing"):
    """A literal has one more word, which older builds cannot read."""

    name: str
    size: int = 5
    inner: tuple[Inner, ...] = ()
    kind: Literal["b", "a", "c"] = "a"
    maybe: str | None = None


class Open(Ours, frozen=True, tag="Thing", forbid_unknown_fields=False):
    """Unknown fields would be dropped."""

    name: str
    size: int = 5
    inner: tuple[Inner, ...] = ()
    kind: Literal["b", "a"] = "a"
    maybe: str | None = None


class Documented(Ours, frozen=True, tag="Thing"):
    """Other words, other order of a literal's: the same shape."""

    name: str
    """A name."""
    size: int = 5
    """A size."""
    inner: tuple[Inner, ...] = ()
    kind: Literal["a", "b"] = "a"
    maybe: str | None = None


def test_a_description_is_ours_to_the_letter() -> None:
    """The text is the contract: no version of Python or msgspec may word it differently."""
    assert described(Base) == (
        "closed object type=Thing (name:str;size:int=5;"
        'inner:[open array (begin:int;end:int?)...]=[];kind:"a"|"b"="a";maybe:null|str=null)'
    )
    assert schema_hash(Base) == "31de5a26e3ff6782f18033a04a0e4c75"


@pytest.mark.parametrize("other", [Renamed, OtherDefault, OneMore, OtherOrder, OneWordMore, Open])
def test_what_changes_the_meaning_of_records_changes_the_hash(other: type[msgspec.Struct]) -> None:
    assert schema_hash(other) != schema_hash(Base)


def test_what_changes_nothing_in_a_record_does_not() -> None:
    assert schema_hash(Documented) == schema_hash(Base)


def test_a_union_of_events_grows_without_changing_what_holds_it() -> None:
    types = published_types()
    assert "events:[<cell event>...]" in described(types["CellRecord"])
    assert "body:<inbound body>" in described(types["Copied"])


def test_nothing_published_is_open_or_a_float() -> None:
    for name, kind in published_types().items():
        assert "open " not in described(kind), f"{name} would drop unknown fields in silence"


def test_each_fault_says_what_to_do() -> None:
    changed = dict(PUBLISHED) | {"Tick": {1: "0" * 32}}
    (found,) = faults(changed)
    assert found.startswith("Tick differs from its published version 1. A published schema may not")
    assert "give the new meaning a new event name" in found
    assert f'2: "{schema_hash(published_types()["Tick"])}" beside the old' in found
    (found,) = faults(dict(PUBLISHED) | {"Gone": {1: "0" * 32}})
    assert found == "Gone is published and gone; old logs hold it, so put it back"
    (found,) = faults({name: each for name, each in PUBLISHED.items() if name != "Tick"})
    assert found.startswith('Tick is new; publish it: "Tick": {1: "')
    (found,) = faults(dict(PUBLISHED) | {"Tick": {**PUBLISHED["Tick"], 2: "0" * 32}})
    assert found == "Tick has version 2, above RECORD_VERSION 1"


def test_a_second_version_is_compared_and_the_first_is_history() -> None:
    now = schema_hash(published_types()["Tick"])
    assert faults(dict(PUBLISHED) | {"Tick": {1: "0" * 32, 2: now}}, version=2) == []
