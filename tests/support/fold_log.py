"""Folds a recorded log in a process of its own and says what came out.

`python -m tests.support.fold_log FILE`: one JSON line for each offset at which something is
decided, then the state. Two runs under different hash seeds must say the same, byte by byte.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from scheduler.digest import canonical_bytes
from scheduler.machine import Machine
from scheduler.model.codec import decode_record, digest_of, encode_value


def main() -> None:
    """Print digests, decisions and the whole state."""
    print_folded(Machine(), Path(sys.argv[1]).read_bytes().splitlines())


def print_folded(machine: Machine, log: Sequence[bytes], begins: int = 0) -> None:
    """Fold the log from this offset on, and print what comes of each record and of all."""
    for offset, data in enumerate(log[begins:], start=begins):
        changes = machine.apply(offset, decode_record(data))
        decided = encode_value(machine.decide())
        print(offset, machine.digest.value(), digest_of(encode_value(changes)), decided.decode())
    sys.stdout.flush()
    sys.stdout.buffer.write(canonical_bytes(machine.state))


if __name__ == "__main__":
    main()
