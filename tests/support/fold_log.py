"""Folds a recorded log in a process of its own and says what came out.

`python -m tests.support.fold_log FILE`: one JSON line for each offset at which something is
decided, then the state. Two runs under different hash seeds must say the same, byte by byte.
"""

import sys
from pathlib import Path

from scheduler.digest import canonical_bytes
from scheduler.machine import Machine
from scheduler.model.codec import decode_record, digest_of, encode_value


def main() -> None:
    """Print digests, decisions and the whole state."""
    machine = Machine()
    for offset, data in enumerate(Path(sys.argv[1]).read_bytes().splitlines()):
        changes = machine.apply(offset, decode_record(data))
        decided = encode_value(machine.decide())
        print(offset, machine.digest.value(), digest_of(encode_value(changes)), decided.decode())
    sys.stdout.flush()
    sys.stdout.buffer.write(canonical_bytes(machine.state))


if __name__ == "__main__":
    main()
