"""Golden records: bytes as they were published still mean the same, and are written the same.

A file under `records/version-N/` is never changed once a release has written such bytes. A new
type needs a sample in `tests/support/samples.py` and its file: `python -m
tests.golden.records_on_disk` writes the files that are missing.
"""

from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from scheduler.model.changes import Change
from scheduler.model.codec import (
    RECORD_VERSION,
    Raw,
    Undecodable,
    decode_change,
    decode_mesos,
    decode_record,
    encode_change,
    encode_mesos,
    encode_record,
)
from scheduler.model.events import CellEvent, CellRecord, Copied, PolicySet
from scheduler.model.inbound import InboundBody, PartitionBegan
from scheduler.model.mesos import MesosRecord
from tests.golden.records_on_disk import FOLDER, golden_records
from tests.support.samples import EVENTS, record_of

GOLDEN = {name: (value, data) for name, value, data in golden_records()}
NOW = FOLDER / f"version-{RECORD_VERSION}"
RECORD = (NOW / "cell" / "LaunchTasks.json").read_bytes()


def of_version(version: int) -> bytes:
    """The record as if it said that it is of another version."""
    return RECORD.replace(b'"version":1', b'"version":%d' % version)


def decoded(name: str, data: bytes) -> Any:
    """What the bytes of a file mean."""
    if name.startswith("mesos/"):
        return decode_mesos(data)
    return decode_change(data) if name.startswith("changes/") else decode_record(data)


def encoded(name: str, value: Any) -> bytes:
    """How a value is written in the topic that a file stands for."""
    if name.startswith("mesos/"):
        return encode_mesos(value)
    return encode_change(value) if name.startswith("changes/") else encode_record(value)


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_published_bytes_mean_the_same_and_are_written_the_same(name: str) -> None:
    data = (NOW / name).read_bytes()
    value = decoded(name, data)
    assert value == GOLDEN[name][0]
    assert encoded(name, value) == data


def test_every_file_is_of_a_type_that_this_build_knows() -> None:
    files = {str(path.relative_to(NOW)) for path in NOW.rglob("*.json")}
    assert files == set(GOLDEN), "a type without golden record, or a record without type"


@pytest.mark.parametrize(
    ("folder", "union"),
    [
        ("cell", CellEvent),
        ("inbound", InboundBody),
        ("mesos", MesosRecord | PartitionBegan),
        ("changes", Change),
    ],
)
def test_every_type_has_a_golden_record(folder: str, union: Any) -> None:
    names = {kind.__name__ for kind in get_args(union)} - {Copied.__name__}  # Under "inbound".
    stems = {path.stem.partition("-")[0] for path in (NOW / folder).glob("*.json")}
    assert stems == names


def test_records_of_every_published_version_are_still_read() -> None:
    versions = sorted(FOLDER.iterdir())
    assert [path.name for path in versions] == [f"version-{1 + at}" for at in range(RECORD_VERSION)]
    for path in versions:
        for each in path.rglob("*.json"):
            assert decoded(str(each.relative_to(path)), each.read_bytes()) is not None


def _fields_left_at_default(value: Any) -> list[str]:
    """Fields of a sample that are not shown by its bytes, inner values included."""
    if isinstance(value, tuple | list):
        return [name for each in value for name in _fields_left_at_default(each)]
    if not isinstance(value, msgspec.Struct):
        return []
    found = []
    for field in msgspec.structs.fields(value):
        inner = getattr(value, field.name)
        found += _fields_left_at_default(inner)
        if not field.required and inner == field.default:
            found.append(f"{type(value).__name__}.{field.name}")
    return found


@pytest.mark.parametrize("name", sorted(name for name in GOLDEN if "-" not in name))
def test_samples_show_every_field(name: str) -> None:
    # These are shown twice in the same sample, once left out and once not.
    twice = {"Launch.ports", "RuleRefusal.nearest_host_id", "RuleRefusal.missing"}
    twice |= {
        "Launch.interface",
        "Launch.gpus",
        "Constraint.attribute",
        "Constraint.values",
        "Constraint.weight",
        "Share.count",
        "Share.percent",
        "StepAdjustment.lower_milli",
        "StepAdjustment.upper_milli",
    }
    assert set(_fields_left_at_default(GOLDEN[name][0])) <= twice


def paths_of_objects(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where objects (and arrays that stand for records) are inside a JSON value."""
    if isinstance(value, dict):
        inner = [paths_of_objects(each, (*path, name)) for name, each in value.items()]
        return [path, *(each for there in inner for each in there)]
    if isinstance(value, list):
        return [each for at, one in enumerate(value) for each in paths_of_objects(one, (*path, at))]
    return []


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """What stands at a path of a JSON value."""
    for step in path:
        value = value[step]
    return value


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_a_field_that_this_build_does_not_know_is_never_dropped_in_silence(name: str) -> None:
    data = (NOW / name).read_bytes()
    paths = paths_of_objects(msgspec.json.decode(data))
    assert paths
    for path in paths:
        raw = msgspec.json.decode(data)
        if path[-1:] == ("values",):
            continue  # PolicyAsked: its names are data, and the fold refuses what it does not know.
        at(raw, path)["added_later"] = 1
        with pytest.raises(Undecodable, match=r"unknown field `added_later`"):
            decoded(name, msgspec.json.encode(raw))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("cell/LaunchTasks.json", ("events", 0, "launches", 0)),
        ("cell/RoundRecord.json", ("events", 0, "refusals", 0)),
        ("cell/RoundRecord.json", ("events", 0, "refusals", 0, 2, 0)),
        ("inbound/JobKillAsked.json", ("events", 0, "source")),
        ("inbound/OffersChanged.json", ("events", 0, "body", "added", 0, "resources", "ports", 0)),
        ("changes/JobAccepted.json", ("source",)),
    ],
)
def test_an_array_that_is_longer_than_known_is_not_cut_in_silence(
    name: str, path: tuple[Any, ...]
) -> None:
    raw = msgspec.json.decode((NOW / name).read_bytes())
    at(raw, path).append("added later")
    with pytest.raises(Undecodable, match=r"array"):
        decoded(name, msgspec.json.encode(raw))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the record is no JSON"),
        (b"{", "the record is no JSON"),
        (b"\xff\xfe", "the record is no JSON"),
        (b"[]", "has no integer field 'version'"),
        (b'"x"', "has no integer field 'version'"),
        (b"{}", "has no integer field 'version'"),
        (b'{"version":true}', "has no integer field 'version'"),
        (b'{"version":"1"}', "has no integer field 'version'"),
        (b'{"version":1}', "a record of version 1 does not fit its schema"),
        (RECORD.replace(b"LaunchTasks", b"LaunchMoon"), "Invalid value 'LaunchMoon'"),
        (of_version(2), "has version 2, this build knows versions up to 1"),
        (of_version(999), "run the build that wrote it, or a newer one"),
        (of_version(0), "no upcaster from version 0 to 1"),
        (of_version(-7), "no upcaster from version -7 to -6"),
        (RECORD.replace(b'"epoch":1040', b'"epoch":1.5'), "does not fit its schema"),
        (RECORD.replace(b'"epoch":1040', b'"epoch":"1"'), "does not fit its schema"),
        (RECORD.replace(b'"epoch":1040,', b""), "missing required field `epoch`"),
        (RECORD.replace(b"31001", b"31001.5"), "does not fit its schema"),
        (b'{"version":1,"epoch":1,"at_ms":1,"events":[]}', "holds no event"),
        (RECORD + b"x", "the record is no JSON"),
    ],
)
def test_bytes_that_are_not_exactly_a_record_are_refused_in_clear_words(
    data: bytes, words: str
) -> None:
    with pytest.raises(Undecodable) as refused:
        decode_record(data)
    assert words in str(refused.value)


def test_a_record_of_another_topic_is_refused_in_clear_words() -> None:
    with pytest.raises(Undecodable, match=r"a record of topic mesos does not fit its schema"):
        decode_mesos(RECORD)
    with pytest.raises(Undecodable, match=r"a record of topic job-events does not fit"):
        decode_change(RECORD)


# A pretended past and future, to show that upcasters lift old records on their raw form.


def from_0(raw: Raw) -> Raw:
    """In version 0 the epoch was called term, and a kill did not say whether it was inferred."""
    lifted = {name: each for name, each in raw.items() if name != "term"}
    return {**lifted, "epoch": raw["term"]}


def from_1(raw: Raw) -> Raw:
    """In version 1 a kill named the host ``host``."""
    events = [
        {("host_id" if name == "host" else name): each for name, each in event.items()}
        for event in raw["events"]
    ]
    return {**raw, "events": events}


OLD = b'{"version":0,"term":7,"at_ms":5,"events":[{"type":"KillTask","task_id":"t","host":"h"}]}'
NEWER = b'{"version":1,"epoch":7,"at_ms":5,"events":[{"type":"KillTask","task_id":"t","host":"h"}]}'


@pytest.mark.parametrize("data", [OLD, NEWER])
def test_an_old_record_is_lifted_version_by_version(data: bytes) -> None:
    record = decode_record(data, {0: from_0, 1: from_1}, version=2)
    assert record == msgspec.convert(
        {
            "version": 2,
            "epoch": 7,
            "at_ms": 5,
            "events": [{"type": "KillTask", "task_id": "t", "host_id": "h"}],
        },
        CellRecord,
    )


def test_a_missing_upcaster_and_one_that_does_not_suffice_are_refused_in_clear_words() -> None:
    with pytest.raises(Undecodable, match=r"no upcaster from version 0 to 1"):
        decode_record(OLD, {1: from_1}, version=2)
    with pytest.raises(Undecodable, match=r"after its upcasters the record does not fit"):
        decode_record(OLD, {0: from_0, 1: lambda raw: raw}, version=2)
    with pytest.raises(Undecodable, match=r"holds no event"):
        decode_record(OLD, {0: from_0, 1: lambda raw: {**raw, "events": []}}, version=2)


def test_a_record_that_would_fit_today_is_still_lifted_when_it_is_old() -> None:
    """Its meaning may have changed where its shape has not."""
    data = encode_record(record_of(EVENTS[0])).replace(b'"version":1', b'"version":0')
    lifted = decode_record(data, {0: lambda raw: {**raw, "epoch": raw["epoch"] + 1}}, version=1)
    assert (lifted.version, lifted.epoch) == (1, 1_041)


def test_a_policy_is_written_in_full() -> None:
    raw = msgspec.json.decode((NOW / "cell" / "PolicySet.json").read_bytes())
    (sample,) = [each for each in EVENTS if isinstance(each, PolicySet)]
    assert set(raw["events"][0]["policy"]) == {"type", *sample.policy.__struct_fields__}


def test_golden_records_are_one_line_each() -> None:
    assert all(b"\n" not in path.read_bytes() for path in Path(NOW).rglob("*.json"))
