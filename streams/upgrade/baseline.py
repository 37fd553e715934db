"""The release that this one can run beside: the one before, as the log knows it.

The one thing to know: mixed versions are tested against this commit. A release moves it to itself
when it is made, by `flumina upgrade baseline`; until then whatever that build writes is read, and
what it cannot read is not written while it lives.
"""

from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from scheduler.machine import FOLD_VERSION
from scheduler.model.codec import RECORD_VERSION
from scheduler.model.schemas import published_types, schema_hash

FILE: Final = Path(__file__).with_name("baseline.json")


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One release, as far as logs are concerned."""

    release: str
    commit: str
    records: int
    """The version of records that it writes."""
    folds: int
    """The version of its fold's rules."""
    schemas: str
    """The digest of the names and shapes of everything that it writes to a log."""
    kinds: dict[str, str]
    """The shape of each, by its name."""


def baseline_here(release: str, commit: str) -> Baseline:
    """What this build would be as a baseline."""
    kinds = {name: schema_hash(kind) for name, kind in published_types().items()}
    return Baseline(release, commit, RECORD_VERSION, FOLD_VERSION, schema_set(kinds), kinds)


def schema_set(kinds: dict[str, str]) -> str:
    """One name for all shapes: BLAKE2b over their names and hashes."""
    text = "\n".join(f"{name} {each}" for name, each in sorted(kinds.items()))
    return blake2b(text.encode(), digest_size=16).hexdigest()


BASELINE: Final = msgspec.json.decode(FILE.read_bytes(), type=Baseline)


def changes_since(baseline: Baseline = BASELINE) -> tuple[list[str], list[str]]:
    """The kinds that are new since, and those whose shape differs: the latter need a version."""
    now = baseline_here("", "").kinds
    added = sorted(now.keys() - baseline.kinds.keys())
    changed = sorted(name for name, each in now.items() if baseline.kinds.get(name, each) != each)
    return added, changed
