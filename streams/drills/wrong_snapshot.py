"""`wrong-snapshot`: the newest snapshots are damaged or not of this cell, and the cell begins anew.

The one thing to know: five snapshots are put into the store, as the history process takes them; the
four newest are then spoilt, each in another way. The cell must name each and begin at the fifth;
and when that is spoilt as well, at the log's first record. It never begins empty.
"""

import json
from collections.abc import Callable
from typing import Final

import msgspec

from projections.snapshot.format import Captured, encode
from scheduler.machine import FOLD_VERSION
from streams.cli.client import decoded
from streams.drills import looks
from streams.drills.drill import Drill, Options
from streams.drills.installation import API, CELL, Installation, Wanted
from streams.drills.jobs import service_of
from streams.drills.own_fold import OwnFold
from streams.drills.promises import Promise, Seen
from streams.drills.shelves import shelf_of, take_snapshots
from streams.drills.stage import Stage
from streams.snapshots.shelf import Shelf

SERVICE: Final = "steady"
SIZE: Final = 6
ELSEWHERE: Final = "elsewhere"
BEGINS: Final = "the fold begins"
BAD: Final = "a snapshot cannot be used; the one before it is tried"

FALLBACK = Promise("fallback", "the cell begins at the newest snapshot that proves itself")
NAMED = Promise("named", "each bad one is named with its reason, and pages")
SHOWN = Promise("shown", "the cell's alerts show each of them, by name and reason")
ZERO = Promise("zero", "with no good one left it begins at the log's first record, never empty")
SAME = Promise("same", "the cell leads with the tasks that it had, after either start")
DIGEST = Promise("digest", "its state is that of a fold from zero, byte for byte")

RULE: Final = "process-paged"


class _Alert(msgspec.Struct):
    """What is looked at of an alert."""

    rule: str
    state: str
    note: str


class _Alerts(msgspec.Struct):
    """What is looked at of the cell's alerts."""

    items: list[_Alert]


Spoil = Callable[[bytes, Captured], bytes]
"""What lies in the store instead of the bytes of a snapshot."""


def _flipped(data: bytes, _: Captured) -> bytes:
    place = len(data) * 3 // 4
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def _truncated(data: bytes, _: Captured) -> bytes:
    return data[: len(data) // 2]


def _of_another_cell(_: bytes, captured: Captured) -> bytes:
    header = msgspec.structs.replace(captured.header, cell=ELSEWHERE)
    return encode(Captured(header, captured.kept)).data


def _of_a_newer_build(_: bytes, captured: Captured) -> bytes:
    header = msgspec.structs.replace(captured.header, fold_version=FOLD_VERSION + 1)
    return encode(Captured(header, captured.kept)).data


SPOILT: Final[tuple[tuple[str, Spoil], ...]] = (
    ("one bit flipped", _flipped),
    ("cut off in the middle", _truncated),
    ("of another cell", _of_another_cell),
    ("of a newer build", _of_a_newer_build),
)
"""The newest first."""


def go(stage: Stage, here: Installation, _: Options) -> None:
    """All of it."""
    here.there.submit(service_of(SIZE, "exec sleep 10000"), SERVICE, key="")
    stage.ready("the service", lambda: looks.running(here, SERVICE, SIZE))
    names = looks.names_of(here.tasks(SERVICE))
    fold = OwnFold(here.kafka, here.cell_topic)
    wanted = len(SPOILT) + 1
    stage.ready("records for the snapshots", lambda: _is_long(fold, wanted))
    parts = here.our_parts
    here.take_away(*parts)
    taken = take_snapshots(here, wanted)
    shelf = shelf_of(here)
    for (how, spoil), (key, captured) in zip(SPOILT, reversed(taken), strict=False):
        _put(shelf, key, spoil(shelf.store.get(key), captured))
        stage.hurt(f"The snapshot at {captured.header.next_offset} is now {how}")
    good_key, good = taken[0]
    _start(stage, here, (CELL, API))
    stage.saw(FALLBACK.key, _began_at(here, f"snapshot at {good.header.next_offset} "))
    bad = [key for key, _ in taken[1:]]
    stage.saw(NAMED.key, _named(here, bad))
    stage.until(SHOWN.key, lambda: _shown(here, bad))
    first = looks.same_tasks(here, SERVICE, names)
    here.take_away(CELL, API)
    for name in shelf.names():
        _put(shelf, name.key, _truncated(shelf.store.get(name.key), good))
    stage.hurt(f"Every snapshot is spoilt now, {good_key} as well")
    _start(stage, here, parts)
    stage.saw(ZERO.key, _began_at(here, "the log's beginning"))
    second = looks.same_tasks(here, SERVICE, names)
    text = f"first {first.text}, then {second.text}"
    stage.saw(SAME.key, Seen(first.is_so and second.is_so, text))
    stage.restored()
    stage.until(DIGEST.key, lambda: _is_equal(here))
    journals = here.journals
    stage.saw(looks.UNTOUCHED.key, journals.still_alive(names))
    stage.saw(looks.NO_KILL.key, journals.none_killed())
    stage.saw(looks.ONCE.key, journals.launched_once())


def _is_long(fold: OwnFold, wanted: int) -> Seen:
    offset = fold.read().state.next_offset
    return Seen(offset > 2 * wanted, f"{offset} records")


def _put(shelf: Shelf, key: str, data: bytes) -> None:
    """Let these bytes lie in the store under this key."""
    shelf.store.delete(key)
    shelf.store.put_new(key, data)


def _start(stage: Stage, here: Installation, parts: tuple[str, ...]) -> None:
    here.bring_back(*parts)
    stage.step(f"{', '.join(parts)} were started again")
    stage.ready("a leader", lambda: looks.led(here))


def _lines(here: Installation, event: str) -> list[dict[str, object]]:
    """What the cell's process has logged of one kind, in order."""
    lines = [line for line in here.log_of(CELL).splitlines() if line.startswith("{")]
    return [found for line in lines if (found := json.loads(line)).get("event") == event]


def _began_at(here: Installation, origin: str) -> Seen:
    lines = _lines(here, BEGINS)
    found = str(lines[-1].get("origin", "")) if lines else "nowhere"
    return Seen(found.startswith(origin), f"it began at {found}")


def _named(here: Installation, keys: list[str]) -> Seen:
    lines = _lines(here, BAD)
    why = {str(line["key"]): str(line["why"]) for line in lines if line.get("page") is True}
    reasons = "; ".join(
        f"{key.rpartition('/')[2][:15]}{why[key].removeprefix(key)}" for key in keys if key in why
    )
    told = sum(key in why for key in keys)
    return Seen(told == len(keys), f"{told} of {len(keys)} paged: {reasons or 'none'}")


def _shown(here: Installation, keys: list[str]) -> Seen:
    """Whether whoever looks at the console reads of all of them."""
    alerts = decoded(here.there.connection.get("/api/flumina/alerts"), _Alerts).items
    notes = " ".join(each.note for each in alerts if each.rule == RULE and each.state == "firing")
    told = sum(key in notes for key in keys)
    return Seen(told == len(keys), f"{told} of {len(keys)} in the notes of alert {RULE}")


def _is_equal(here: Installation) -> Seen:
    """Whether the API's state is what a fold from zero comes to at the same offset."""
    state = looks.state_of(here)
    fold = OwnFold(here.kafka, here.cell_topic)
    fold.read(state.next_offset)
    ours = fold.folded.digest
    return Seen(ours == state.digest, f"at {state.next_offset}: {state.digest}, from zero {ours}")


WRONG_SNAPSHOT: Final = Drill(
    "wrong-snapshot",
    "Snapshots are spoilt in every way: older ones are used, at last the log, never nothing.",
    (FALLBACK, NAMED, SHOWN, ZERO, SAME, DIGEST, looks.UNTOUCHED, looks.NO_KILL, looks.ONCE),
    lambda _: Wanted(agents=2),
    go,
)
