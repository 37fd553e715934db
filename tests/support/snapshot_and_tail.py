"""Folds a log from its beginning and, beside it, from snapshots taken on the way.

`python -m tests.support.snapshot_and_tail LOG SNAPSHOT OFFSET`: makes the snapshot at this offset
where the file is not there yet, else begins with it; then prints, for each record behind it, what
changed and what is decided, and at the end the whole state. A snapshot that was made under one
hash seed must lead to the same bytes under another.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from projections.snapshot.format import Expected, capture, decode, encode
from scheduler.digest import canonical_bytes
from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from tests.support.fold_log import print_folded


def check_snapshots(log: Sequence[bytes], offsets: Iterable[int]) -> None:
    """Assert that a machine of a snapshot at each offset goes on exactly as one from zero."""
    wanted, whole, restored = set(offsets), Machine(), dict[int, Machine]()
    for offset, data in enumerate(log):
        if offset in wanted:
            taken = encode(capture(whole))
            restored[offset] = decode(taken.data, Expected()).machine
            assert encode(capture(restored[offset])).data == taken.data
        changes = whole.apply(offset, decode_record(data))
        for began, machine in restored.items():
            again = machine.apply(offset, decode_record(data))
            assert again == changes, f"from the snapshot at {began}, record {offset} differs"
    bytes_wanted, digest = canonical_bytes(whole.state), whole.digest.value()
    everything = all_of(whole)
    decided = whole.decide()
    for began, machine in restored.items():
        assert canonical_bytes(machine.state) == bytes_wanted, began
        assert machine.digest.value() == digest, began
        found = all_of(machine)
        assert found.keys() == everything.keys()
        for name, value in everything.items():
            assert found[name] == value, f"{name} differs from the snapshot at {began}"
        assert machine.decide() == decided, began


NOT_KEPT: Final = frozenset(
    # Of the digest and the planner; what `apply` sets before it reads it; what is counted anew for
    # each record.
    (
        *(
            "state.dirty",
            "state.is_planned",
            "state.offers_by_age",
            "fold.state",
            "fold.on_finished",
        ),
        *("fold.offset", "fold.index", "fold.changes", "fold.cut_zones"),
    )
)


def all_of(machine: Machine) -> dict[str, str]:
    """Everything that a machine holds, field by field, in the order of every dict.

    By its own walk over the objects, and not by the code that takes snapshots: what that leaves
    out is missed here.
    """
    found: dict[str, Any] = {"state": machine.state, "fold": machine._fold}
    parts = {
        f"{name}.{each.name}": repr(getattr(holder, each.name))
        for name, holder in found.items()
        for each in fields(holder)
    }
    beside = vars(machine).keys() - {"state", "digest", "_fold", "_planner", "equipped_with"}
    parts |= {name: repr(getattr(machine, name)) for name in beside}
    return {name: text for name, text in parts.items() if name not in NOT_KEPT}


def main() -> None:
    """Print what is folded behind the snapshot."""
    log = Path(sys.argv[1]).read_bytes().splitlines()
    path, begins = Path(sys.argv[2]), int(sys.argv[3])
    if path.exists():
        machine = decode(path.read_bytes(), Expected()).machine
    else:
        machine = Machine()
        for offset, data in enumerate(log[:begins]):
            machine.apply(offset, decode_record(data))
        path.write_bytes(encode(capture(machine)).data)
    print_folded(machine, log, begins)


if __name__ == "__main__":
    main()
