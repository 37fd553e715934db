"""The golden records: one file for each type, as its bytes stand in a log.

`python -m tests.golden.records_on_disk` writes the files that are missing, and no other: to change
a golden record on purpose, delete its file first, and say in the commit why nobody has such bytes.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scheduler.model.codec import encode_change, encode_mesos, encode_record
from scheduler.model.inbound import JobSubmitted
from tests.support.samples import (
    CHANGES,
    EVENTS,
    INBOUND,
    JOB,
    MESOS,
    OTHER_SPEC,
    copy_of,
    record_of,
)

FOLDER: Final = Path(__file__).parent / "records"
VERSION: Final = 1


def golden_records() -> Iterator[tuple[str, object, bytes]]:
    """Path below the folder, the value, and its bytes as this build would write them."""
    for event in EVENTS:
        record = record_of(event)
        yield f"cell/{type(event).__name__}.json", record, encode_record(record)
    seen = Counter[str]()
    for body in INBOUND:
        record = record_of(copy_of(body))
        name = type(body).__name__
        seen[name] += 1
        # The first shows every field, the others another of the kinds of a field.
        number = f"-{seen[name]}" if seen[name] > 1 else ""
        yield f"inbound/{name}{number}.json", record, encode_record(record)
    service = record_of(copy_of(JobSubmitted(job_id=JOB, spec=OTHER_SPEC)))
    yield "inbound/JobSubmitted-service.json", service, encode_record(service)
    for said in MESOS:
        yield f"mesos/{type(said).__name__}.json", said, encode_mesos(said)
    for change in CHANGES:
        yield f"changes/{type(change).__name__}.json", change, encode_change(change)


def main() -> None:
    """Write the files that are missing."""
    for name, _, data in golden_records():
        path = FOLDER / f"version-{VERSION}" / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            print(f"new golden record: {path}")


if __name__ == "__main__":
    main()
