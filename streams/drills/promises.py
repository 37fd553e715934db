"""What a drill promises, what was seen of it, and the report that people and machines read.

The one thing to know: a promise that was never looked at counts as broken. A drill is good only if
each of its promises was judged and each judgement was yes.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

RESTORED: Final = "restored"
"""The promise that every drill makes: its key."""
RESTORE_S_MAX: Final = 300.0
"""The aim of every drill: from the damage until all is as it should be."""


class Promise(NamedTuple):
    """One sentence that must turn out true, under a key that stays the same."""

    key: str
    text: str


class Seen(NamedTuple):
    """A look: whether it is so, and what there was to see."""

    is_so: bool
    text: str


class Verdict(msgspec.Struct, frozen=True, rename="camel"):
    """What became of one promise."""

    key: str
    promise: str
    is_kept: bool
    saw: str
    at_s: float
    """Seconds from the drill's beginning until it was judged."""


class Report(msgspec.Struct, frozen=True, rename="camel"):
    """How one drill went."""

    drill: str
    is_good: bool
    verdicts: tuple[Verdict, ...]
    time_to_restore_s: float | None
    """From the damage until all was as it should be; None where it did not come to that."""
    seconds: float
    """All of it, with bringing up the installation and ending it."""
    fault: str = ""
    """Why the drill could not go on, where it could not."""
    data_dir: str = ""
    """Where data and logs were left to look at; empty where nothing was left."""


def with_restored(promises: Sequence[Promise]) -> tuple[Promise, ...]:
    """The promises of a drill, and behind them the one that every drill makes."""
    text = f"all is as it should be within {RESTORE_S_MAX / 60:.0f} minutes of the damage"
    return (*promises, Promise(RESTORED, text))


def unjudged(promises: Sequence[Promise], verdicts: Sequence[Verdict]) -> list[Verdict]:
    """A broken promise for each one that nobody looked at."""
    judged = {each.key for each in verdicts}
    return [
        Verdict(each.key, each.text, is_kept=False, saw="the drill did not come so far", at_s=0.0)
        for each in promises
        if each.key not in judged
    ]
