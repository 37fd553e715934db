"""Faults of documents and records that are seldom made: where each is said to be, what, and why.

How: one document a case, read by the function that reads it; nothing but its faults is looked at.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from scheduler.model.foreign import decode_commands_record
from scheduler.model.foreign_fleet import encode_fleet_request
from scheduler.model.foreign_membership import encode_label_member
from scheduler.model.foreign_webhooks import encode_note_webhook
from scheduler.model.healing_document import read_runbooks
from scheduler.model.inbound import InboundRejected
from scheduler.model.reading.faults import Faults
from scheduler.model.reading.fields import Fields
from scheduler.model.rules_document.reading import read_policy
from scheduler.model.v3.titan import LOCATIONS_MAX, TitanSite, titan_job
from scheduler.model.webhooks import DETAIL_CHARACTERS_MAX, WebhookNoted
from tests.unit.model.test_descriptor_faults import changed, faults_of

STEP: dict[str, Any] = {"page": {}}
SOFT = "container.softConstraints"


def said(read: Callable[..., object], raw: Any) -> list[tuple[str, str, str]]:
    """Field, text and hint of each fault that the reader finds."""
    faults = Faults()
    read(raw, faults)
    return [(each.field, each.text, each.hint) for each in faults.all()]


def refused(value: bytes) -> list[tuple[str, str, str]]:
    """The same of a record of the topic ``commands``."""
    found = decode_commands_record(b"", value)
    assert isinstance(found, InboundRejected), found
    return [(each.field, each.text, each.hint) for each in found.faults]


def command(kind: str, **fields: Any) -> bytes:
    """A record of this type, by somebody who says why."""
    return msgspec.json.encode({"type": kind, "actor": "ada", "why": "test", **fields})


def runbooks(raw: Any, faults: Faults) -> object:
    """Runbooks as they stand in a document."""
    return read_runbooks(Fields(raw, "", faults))


def runbook(*steps: Any, name: str = "r") -> dict[str, Any]:
    """A runbook of these steps."""
    return {"name": name, "when": {"detectors": ["d"]}, "steps": list(steps)}


KINDS = "give one of diagnose, heal, judge, probe, drain, reschedule, terminate, page"


def test_runbooks_that_are_left_out_or_of_one_name() -> None:
    left_out = ("runbooks", "is missing", "write a list; an empty one removes all runbooks")
    assert said(runbooks, {}) == [left_out]
    twice = {"runbooks": [runbook(STEP), runbook(STEP)]}
    assert said(runbooks, twice) == [
        ("runbooks[1].name", "is r, as that of another", "give each its own")
    ]
    nameless = {"runbooks": [runbook(STEP, name=""), runbook(STEP, name="")]}
    assert {field for field, *_ in said(runbooks, nameless)} == {
        "runbooks[0].name",
        "runbooks[1].name",
    }


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ({}, ("", "is empty")),
        ({"page": {}, "drain": {}}, ("", "is drain and page at once")),
        ({"pages": {}}, (".pages", "is no kind of step")),
        (
            {"judge": {"exits": 2}},
            (".judge.exits", "is no list of exit codes"),
        ),
        ({"judge": {"exits": []}}, (".judge.exits", "is no list of exit codes")),
        ({"judge": {"exits": [0, 256]}}, (".judge.exits", "is no list of exit codes")),
        ({"judge": {"exits": [True]}}, (".judge.exits", "is no list of exit codes")),
    ],
)
def test_a_step_is_one_of_the_kinds(step: Any, found: tuple[str, str]) -> None:
    faults = said(runbooks, {"runbooks": [runbook(step)]})
    field, text = found
    assert (f"runbooks[0].steps[0]{field}", text) == faults[0][:2]


def test_a_step_of_two_kinds_and_of_none_names_each_word_that_is_no_kind() -> None:
    faults = said(runbooks, {"runbooks": [runbook({"page": {}, "drain": {}, "paged": {}})]})
    assert [each[:2] for each in faults] == [
        ("runbooks[0].steps[0].paged", "is no kind of step"),
        ("runbooks[0].steps[0]", "is drain and page at once"),
    ]


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (
            {"tiers": "Flex"},
            ("tiers", "is the text 'Flex'; a list is needed", "begin each entry with '- '"),
        ),
        ({"tiers": [{}] * 17}, ("tiers", "has 17 entries; at most 16 are allowed", "")),
        (
            {"profiles": {" x": {"weights": {}}}},
            (
                "profiles[' x']",
                "has a name that is ' x', with a space around it",
                "remove the space",
            ),
        ),
        (
            {"selectors": {"s": None}},
            ("selectors.s", "is empty", "write what it is, or remove it"),
        ),
        (
            {"groups": {"DEFAULT": {"tier": "Flex", "guarantee": {"memory": True}}}},
            (
                "groups.DEFAULT.guarantee.memory",
                "is true; an amount of memory is needed",
                "such as 64 GiB",
            ),
        ),
    ],
)
def test_parts_of_a_policy_that_are_of_another_shape(
    document: Any, found: tuple[str, str, str]
) -> None:
    assert found in said(read_policy, document)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (
            command("MarkHost", hostId="h", attributes={}, removed=[]),
            (
                "attributes",
                "is missing or empty, and so is removed",
                "name at least one attribute",
            ),
        ),
        (
            command("MarkHost", hostId="h", attributes={"rack": "a"}, removed=["rack"]),
            ("attributes.rack", "is removed as well", "decide for one"),
        ),
        (
            encode_label_member("cell-0", {}, [], "ada", "test"),
            ("labels", "is missing or empty, and so is removed", "name at least one label"),
        ),
        (
            encode_label_member("cell-0", {"rack": "a"}, ["rack"], "ada", "test"),
            ("labels.rack", "is removed as well", "decide for one"),
        ),
        (
            encode_fleet_request("OrderDeployment", {"name": "blue", "order": "stop"}, "ada", "t"),
            ("order", "is 'stop'", "one of pause, resume, rollback"),
        ),
        (
            command("NoteWebhook", name="w", createdOffset=1, standing="lost"),
            ("standing", "is the text 'lost'", "delivering, failing or paused"),
        ),
        (
            command("NoteWebhook", name="w", createdOffset=1, standing=["failing"]),
            ("standing", "is a list of 1", "delivering, failing or paused"),
        ),
        (
            command("NoteWebhook", name="w", createdOffset=1, detail="x" * 501),
            ("detail", "is no text, or too long", f"{DETAIL_CHARACTERS_MAX} characters"),
        ),
        (
            command("NoteWebhook", name="w", createdOffset=1, detail=5),
            ("detail", "is no text, or too long", f"{DETAIL_CHARACTERS_MAX} characters"),
        ),
    ],
)
def test_a_command_that_cannot_be_meant(value: bytes, found: tuple[str, str, str]) -> None:
    assert refused(value) == [found]


def test_what_is_noted_of_a_webhook_has_a_test_only_where_there_was_one() -> None:
    note = encode_note_webhook("w", 1, "failing", "x" * 999, "ada")
    assert b"testOffset" not in note
    found = decode_commands_record(b"", note)
    assert found == WebhookNoted("w", 1, "failing", "x" * DETAIL_CHARACTERS_MAX, -1, False, "ada")
    tested = decode_commands_record(b"", encode_note_webhook("w", 1, "", "", "ada", 0, True))
    assert tested == WebhookNoted("w", 1, "", "", 0, True, "ada")


def test_a_group_of_the_fleet_has_no_room_between_its_bounds() -> None:
    group = {"name": "blue", "shape": {}, "sizeMin": 3, "sizeMax": 2, "idleMax": 5}
    found = refused(encode_fleet_request("SetFleet", {"rules": {"groups": [group]}}, "ada", "t"))
    assert (
        "groups[0].sizeMax",
        "is 2, below sizeMin",
        "0 means what the cloud says",
    ) in found


def test_a_constraint_is_weighed_once_in_whatever_letters() -> None:
    soft = {"constraints": {"zoneBalance": "true"}, "weights": {"zoneBalance": "2"}}
    weights = {"ZONEBALANCE": "2", "zoneBalance": "3"}
    (fault,) = faults_of(changed(SOFT, soft | {"weights": weights}))
    assert (fault.field, fault.text) == (
        f"{SOFT}.weights.zoneBalance",
        "is given twice, in other letters",
    )
    (idle,) = faults_of(changed(SOFT, soft | {"weights": weights | {"UniqueHost": "1"}}))[1:]
    assert idle.text == "weighs the text 'uniquehost', which softConstraints do not name"
    (bad,) = faults_of(changed(SOFT, soft | {"weights": {"zoneBalance": "0"}}))
    assert bad.text == "is the text '0'; it must be a whole number from 1 to 100"
    assert bad.hint == 'as a text, like "2"'


def test_texts_for_processes_and_schedules_are_no_longer_than_they_may_be() -> None:
    value, _ = faults_of(changed("container.env.A", "x" * 40_000))
    assert value.field == "container.env.A"
    assert value.text == "is 40000 bytes long; at most 32768 are allowed"
    job = changed("batch", ...)
    job["cron"] = {"schedule": "* * * * *\n", "batch": {"size": 1}}
    assert [each.text for each in faults_of(job)] == ["holds the character U+000A"]


def test_volumes_of_the_runtime_are_of_the_host_or_of_the_sandbox() -> None:
    name = "flumina.container.volumes"
    (fault,) = faults_of(changed("container.attributes", {name: "disk:/a:/b:ro"}))
    assert name in fault.field
    words = '"disk:/a:/b:ro": write host:PATH:/MOUNT:ro or sandbox:PATH:/MOUNT:rw'
    assert words in f"{fault.text} {fault.hint}"


def test_a_spec_of_titan_names_so_many_places() -> None:
    raw = {"location": ",".join(f"dc{at}:1" for at in range(LOCATIONS_MAX + 1))}
    found = titan_job(raw, TitanSite(), "ada")
    assert isinstance(found, tuple)
    (fault,) = [each for each in found if each.field == "location"]
    assert fault.text == f"has {LOCATIONS_MAX + 1} entries"
    assert fault.hint == f"give at most {LOCATIONS_MAX}"


def test_what_stands_below_no_object_is_one_fault() -> None:
    """The object's own fault is told; those of its fields would only follow from it."""
    faults = Faults()
    fields = Fields("text", "job", faults)
    fields.fault("name", "is missing", "")
    fields.fault_below("labels", "a", "is bad", "")
    fields.fault_at("job.inside", "is bad", "")
    assert [each.field for each in faults.all()] == ["job"]
    there = Faults()
    fields = Fields({}, "job", there)
    fields.fault_below("labels", "a", "is bad", "mend it")
    fields.fault_at("job.inside", "is worse", "leave it")
    assert [(each.field, each.text, each.hint) for each in there.all()] == [
        ("job.labels.a", "is bad", "mend it"),
        ("job.inside", "is worse", "leave it"),
    ]
