"""What a producer writes: descriptors of all ages, schedules, constraints, names."""

import json
from pathlib import Path
from typing import Final

from connectors.web.v2.spec import descriptor_of_v2
from scheduler.model.cron import BadSchedule, firings, schedule_of
from scheduler.model.descriptor import decode_descriptor, spec_of
from scheduler.model.foreign import FOREIGN_BYTES_MAX, decode_jobs_record
from scheduler.model.inbound import InboundRejected
from scheduler.model.reading.faults import Faults
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.json_text import parsed_json
from scheduler.model.time_zones import is_rule, offset_s, wall_time, zone_rule
from scheduler.model.v3.constraints import read_constraints
from scheduler.model.v3.titan import TitanSite, is_titan_spec, titan_job
from tests.fuzz.parser import Parser, Refused, answered, text_of, unless
from tests.support.samples_foreign import BATCH_JOB

EXAMPLES: Final = Path(__file__).parents[3] / "docs" / "examples"
_AT_MS: Final = 1_763_800_000_000


def _descriptor(data: bytes) -> object:
    found = decode_descriptor(data)
    answered(found)
    return found


def _submit(data: bytes) -> object:
    """A descriptor inside of a request, in topic ``jobs``."""
    found = decode_jobs_record(None, b'{"type":"SubmitJob","jobId":"titus-1","job":' + data + b"}")
    if isinstance(found, InboundRejected):
        raise Refused(str(found.faults[:1]))
    return found


def _json(data: bytes) -> object:
    faults = Faults()
    found = parsed_json(data, FOREIGN_BYTES_MAX, faults)
    unless(faults)
    return found


def _v2(data: bytes) -> object:
    found = descriptor_of_v2(_json(data))
    answered(found)
    spec = spec_of(found)
    answered(spec)
    return spec


def _titan(data: bytes) -> object:
    raw = _json(data)
    if not isinstance(raw, dict) or not is_titan_spec(raw):
        raise Refused("it is no spec of 2015")
    found = titan_job(raw, TitanSite(), "ada")
    answered(found)
    return found


def _schedule(data: bytes) -> object:
    text, _, zone = text_of(data).partition("|")
    found = schedule_of(text)
    rule = zone_rule(zone or "UTC")
    if rule is None:
        raise BadSchedule("has no such zone")
    coming = firings(text, rule, _AT_MS)
    return found, [next(coming, None) for _ in range(3)]


def _zone_rule(data: bytes) -> object:
    text = text_of(data)
    if not is_rule(text):
        raise Refused("it is no rule")
    return offset_s(text, _AT_MS), wall_time(text, _AT_MS)


def _constraints(data: bytes) -> object:
    faults = Faults()
    raw = parsed_json(data, FOREIGN_BYTES_MAX, faults)
    unless(faults)
    fields = Fields(raw, "", faults)
    found = read_constraints(fields)
    fields.close()
    unless(faults)
    return found


_V2: Final = {
    "name": "batch-1",
    "type": "batch",
    "applicationName": "team/worker",
    "version": "latest",
    "user": "ada@example.com",
    "appName": "worker",
    "instances": 2,
    "cpu": 1.0,
    "memory": 64,
    "disk": 10,
    "ports": [7001],
    "networkMbps": 1,
    "env": {"A": "b"},
    "labels": {"a": "1"},
    "entryPoint": "/bin/sh -c true",
    "retries": 2,
    "runtimeLimitSecs": 60,
}
_TITAN: Final = {
    "name": "hello",
    "applicationName": "team/hello",
    "version": "latest",
    "cpus": 1,
    "memory": 64,
    "disk": 10,
    "ports": 1,
    "restartOnFailure": True,
    "numRetries": 2,
    "location": "dc1:2,us-west-2:dc2:1",
    "user": "ada",
    "env": {"A": "b"},
}
_CONSTRAINTS: Final = {
    "hardConstraints": {"constraints": {"uniqueHost": "true", "hostAttributeIn.zone": "a,b"}},
    "softConstraints": {"constraints": {"zoneBalance": "true"}, "weights": {"zoneBalance": "2"}},
}


def _written(*values: object) -> tuple[bytes, ...]:
    return tuple(json.dumps(each).encode() for each in values)


_JOBS: Final = (
    *_written(BATCH_JOB),
    *(each.read_bytes() for each in sorted(EXAMPLES.glob("*.json"))),
)
PARSERS: Final = (
    Parser("job-descriptor-v3", "json", _descriptor, (), _JOBS),
    Parser("jobs-topic-record", "json", _submit, (), _JOBS),
    Parser("job-spec-v2", "json", _v2, (), _written(_V2)),
    Parser("job-spec-titan", "json", _titan, (), _written(_TITAN)),
    Parser("constraints", "json", _constraints, (), _written(_CONSTRAINTS)),
    Parser(
        "cron-schedule",
        "text",
        _schedule,
        (BadSchedule,),
        (b"30 2 * * mon-fri|Europe/Berlin", b"@daily", b"*/5 1,2,3 1-15/3 jan-mar sun|UTC"),
    ),
    Parser(
        "time-zone-rule",
        "text",
        _zone_rule,
        (),
        (b"CET-1CEST,M3.5.0,M10.5.0/3", b"UTC0", b"<+0330>-3:30"),
    ),
)
