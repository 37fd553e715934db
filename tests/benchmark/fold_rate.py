"""How fast the fold is: events a second, decoded and applied, on one core.

The log is the demo's real one, recorded from a real cell and repeated under other names (see
`tests.benchmark.copies`); digests at its marks are computed as in production. Peer: decoding the
same bytes and nothing else.
"""

import tempfile
import time
from pathlib import Path
from statistics import median

from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from streams.kafka.embedded import EmbeddedKafka
from tests.benchmark.copies import CopiedLog, copied_log
from tests.benchmark.figures import IS_QUICK, print_figure
from tests.benchmark.recording import record_demo

COPIES = 3 if IS_QUICK else 400
REPEATS = 2 if IS_QUICK else 5
EVENTS_PER_S_MIN = 80_000


def demo_log(copies: int) -> CopiedLog:
    """The demo's log, recorded now and repeated."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with EmbeddedKafka(home / "kafka") as kafka:
            recording = record_demo(kafka.bootstrap, "bench.", home)
        return copied_log(recording, copies)


def fold_s(log: list[bytes]) -> float:
    """Processor seconds to decode and apply the log."""
    machine = Machine()
    begun_s = time.process_time()
    for offset, data in enumerate(log):
        machine.apply(offset, decode_record(data))
    return time.process_time() - begun_s


def decode_s(log: list[bytes]) -> float:
    """Processor seconds to decode the log."""
    begun_s = time.process_time()
    for data in log:
        decode_record(data)
    return time.process_time() - begun_s


def main() -> None:
    """Measure fold and peer in turn."""
    copied = demo_log(COPIES)
    folds, decodes = [], []
    for _ in range(REPEATS):
        folds.append(copied.events / fold_s(copied.log))
        decodes.append(copied.events / decode_s(copied.log))
    print_figure(
        "fold_rate",
        "decode and apply",
        median(folds),
        "events/s",
        ("decode only", median(decodes)),
        EVENTS_PER_S_MIN,
        REPEATS,
        events=copied.events,
        records=len(copied.log),
        best=round(max(folds)),
        worst=round(min(folds)),
    )


if __name__ == "__main__":
    main()
