"""Parts of documents that are mostly left out, or mostly there: written and read as the same."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.model.autoscaling import ScalingSpec
from scheduler.model.constraint import Constraint
from scheduler.model.cron import YEARS_AHEAD_MAX, firings
from scheduler.model.foreign import decode_jobs_record
from scheduler.model.foreign_updates import encode_order_update
from scheduler.model.healing_document import read_runbooks, runbook_document
from scheduler.model.ids import JobId
from scheduler.model.inbound import RulesChangeAsked
from scheduler.model.job import Batch, Cron, Stream, indexes_of
from scheduler.model.job_updates import JobUpdateOrdered
from scheduler.model.policy import Policy
from scheduler.model.reading.faults import Faults
from scheduler.model.reading.fields import Fields
from scheduler.model.rules import CapacityGroup, Selector
from scheduler.model.rules_document import changing
from scheduler.model.rules_document.changing import changed_rules, size_complaint
from scheduler.model.rules_document.reading import read_selector
from scheduler.model.rules_document.writing import selector_document
from scheduler.model.time_zones import zone_rule
from scheduler.model.v3.scaling import COOLDOWN_S, read_scaling, scaling_document
from tests.support.cell import batch, service
from tests.support.scaling import step, target
from tests.unit.model.test_descriptor_storage import job, mount, read, volume

EBS = "titusParameter.agent.ebs.volumeIds"


@pytest.mark.parametrize("spec", [target(), target(prediction=None), step()])
def test_a_scaling_policy_is_read_as_it_is_written(spec: ScalingSpec) -> None:
    faults = Faults()
    assert read_scaling(Fields(scaling_document(spec), "", faults)) == spec
    assert faults.all() == ()


def test_a_step_policy_that_names_no_cooldown_has_the_usual_one() -> None:
    document = scaling_document(step())
    inside = document["stepPolicyDescriptor"]["scalingPolicy"]
    del inside["cooldownSec"]
    found = read_scaling(Fields(document, "", Faults()))
    assert found == step(cooldown_ms=COOLDOWN_S * 1_000)


@pytest.mark.parametrize("reason", ["", "licences"])
def test_a_selector_is_read_as_it_is_written(reason: str) -> None:
    selector = Selector("s", "must", Constraint("machineType", "", ("m5",)), reason=reason)
    document = selector_document(selector)
    assert ("reason" in document) == bool(reason)
    faults = Faults()
    assert read_selector(Fields(document, "", faults), "s") == selector
    assert faults.all() == ()


def test_rules_fit_into_one_record(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = Policy().placement
    change = RulesChangeAsked("ada", "test", groups=(CapacityGroup("g", rules.tiers[0].name),))
    after = changed_rules(rules, change)
    assert not isinstance(after, tuple)
    assert after.groups[-1].name == "g"
    assert size_complaint(after) is None
    monkeypatch.setattr(changing, "RULES_BYTES_MAX", 10)
    found = changed_rules(rules, change)
    assert isinstance(found, tuple)
    (fault,) = found
    assert (fault.field, fault.hint) == ("", "name fewer groups or selectors")
    assert fault.text.endswith(" bytes long as an event; at most 10 are taken")


def test_an_order_is_of_the_update_that_runs_or_of_a_number() -> None:
    job_id = JobId("web")
    for number in (None, 3):
        value = encode_order_update(job_id, "pause", number, actor="ada", why="look")
        assert (b"number" in value) == (number is not None)
        found = decode_jobs_record(b"web", value)
        assert found == JobUpdateOrdered(job_id, "pause", number, "ada", "look")


def test_a_schedule_is_looked_at_so_many_years_ahead() -> None:
    rule = zone_rule("UTC")
    assert rule is not None
    after_ms = int(datetime(2027, 6, 1, tzinfo=UTC).timestamp() * 1_000)
    days = [
        datetime.fromtimestamp(at_ms / 1_000, UTC)
        for at_ms in firings("0 0 29 2 *", rule, after_ms)
    ]
    assert [f"{each:%Y-%m-%d}" for each in days] == ["2028-02-29", "2032-02-29", "2036-02-29"]
    assert days[-1].year == 2027 + YEARS_AHEAD_MAX


def test_indexes_of_each_kind_of_job() -> None:
    assert indexes_of(Batch(size=3, runtime_limit_ms=1)) == 3
    assert indexes_of(service(1, maximum=7).kind) == 7
    assert indexes_of(Stream(workers=4)) == 4
    kind = batch(3).kind
    assert isinstance(kind, Batch)
    assert indexes_of(Cron(schedule="@hourly", batch=kind)) == 0


def test_a_runbooks_probe_and_limits_are_read_as_they_are_written() -> None:
    document = {
        "name": "r",
        "when": {"detectors": ["d"]},
        "limits": {"groupPercent": 100},
        "steps": [{"probe": {"looks": 7}}],
    }
    faults = Faults()
    (runbook,) = read_runbooks(Fields({"runbooks": [document]}, "", faults))
    assert faults.all() == ()
    assert (runbook.steps[0].looks, runbook.limits.group_percent) == (7, 100)
    written = runbook_document(runbook)
    assert written["steps"] == [{"probe": {"name": "probe", "timeoutSeconds": 300, "looks": 7}}]
    assert read_runbooks(Fields({"runbooks": [written]}, "", faults)) == (runbook,)
    read_runbooks(Fields({"runbooks": [document | {"limits": {"groupPercent": 101}}]}, "", faults))
    assert [each.field for each in faults.all()] == ["runbooks[0].limits.groupPercent"]


def test_a_volume_of_a_descriptor_has_each_of_its_fields() -> None:
    source: dict[str, Any] = {
        "provider": "ebs",
        "sizeMB": 9,
        "volumeIds": ["a", "b"],
        "fsType": "xfs",
    }
    spec, faults = read(job([volume(**source)], [mount(readOnly=True)]))
    assert faults == []
    (claim,) = spec.volumes
    assert (claim.volume_ids, claim.file_system, claim.is_read_only) == (("a", "b"), "xfs", True)
    assert claim == replace(claim, provider="ebs", size_mib=9, zone="", retention="keep")


@pytest.mark.parametrize(
    ("descriptor", "field"),
    [
        (job([volume()], [mount(), mount()]), "container.volumeMounts[1].volumeName"),
        (job([volume("ebs")], [mount("ebs")], {EBS: "vol-1,vol-2"}), "volumes"),
        (job(attributes={EBS: "vol-1,vol-1"}), f"attributes.{EBS}"),
        (job(attributes={EBS: " , "}), f"attributes.{EBS}"),
        (job(attributes={EBS: "vol-1"}), f"attributes.{EBS}"),
    ],
)
def test_volumes_that_cannot_be_told_apart_or_are_too_few(
    descriptor: dict[str, object], field: str
) -> None:
    found = read(descriptor)[1]
    assert [each.replace("['", ".").replace("']", "") for each in found] == [field]
