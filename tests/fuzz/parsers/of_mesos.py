"""What masters, agents and frameworks say over HTTP, on our side and on the dev cluster's."""

import json
from typing import Final

from connectors.devcluster.resources import ResourceError, parse_attributes, parse_resources
from connectors.devcluster.wire import recordio as cluster_recordio
from connectors.devcluster.wire.calls import parse_call, parse_frequent_call
from connectors.devcluster.wire.codec import JSON, PROTOBUF, CallError, encode
from connectors.mesos.recordio import RecordIoError, RecordReader
from connectors.mesos.sandbox import SandboxError, object_in, sandbox_directory
from connectors.mesos.translate import MalformedRecordError, StreamIdentity, heard
from connectors.mesos.usage import OTHER_FORM, hosts_of, tags_of
from scheduler.model.ids import StreamId, TaskId
from tests.fuzz.parser import Parser, text_of

_STREAM: Final = StreamIdentity(StreamId("s-1"), 1, "localhost:5050")
_PIECE_BYTES: Final = 4_096


def _records(data: bytes) -> object:
    reader = RecordReader()
    for at in range(0, len(data), _PIECE_BYTES):
        yield_ = list(reader.feed(data[at : at + _PIECE_BYTES]))
        del yield_
    if not reader.is_between_records:
        raise RecordIoError("it ends within a record")
    return None


def _cluster_records(data: bytes) -> object:
    return cluster_recordio.Decoder().feed(data)


def _heard(data: bytes) -> object:
    return heard(data, _STREAM)


def _state(data: bytes) -> object:
    """An agent's ``/state`` as `ask_host` reads it, and what is looked up in it."""
    found = object_in(data, "host")
    return sandbox_directory(found, "f-1", TaskId("a-0-1")), hosts_of(found), tags_of(found)


def _frequent(data: bytes) -> object:
    return parse_frequent_call(data)


def _call(data: bytes) -> object:
    return parse_call(data, JSON)


def _protobuf_call(data: bytes) -> object:
    return parse_call(data, PROTOBUF)


_AGENT: Final = {"value": "S1"}
_UPDATE: Final = {
    "type": "UPDATE",
    "update": {
        "status": {
            "task_id": {"value": "a-0-1"},
            "state": "TASK_RUNNING",
            "agent_id": _AGENT,
            "uuid": "C4fhokxtSlSdNR9kovDAAQ==",
            "timestamp": 1763800000.5,
            "healthy": True,
            "source": "SOURCE_EXECUTOR",
            "message": "it runs",
            "reason": "REASON_TASK_HEALTH",
            "container_status": {
                "network_infos": [{"ip_addresses": [{"ip_address": "10.0.0.1"}]}],
            },
        }
    },
}
_OFFERS: Final = {
    "type": "OFFERS",
    "offers": {
        "offers": [
            {
                "id": {"value": "O1"},
                "framework_id": {"value": "f"},
                "agent_id": _AGENT,
                "hostname": "h1",
                "resources": [
                    {"name": "cpus", "type": "SCALAR", "scalar": {"value": 4.5}},
                    {"name": "mem", "type": "SCALAR", "scalar": {"value": 1024}},
                    {
                        "name": "ports",
                        "type": "RANGES",
                        "ranges": {"range": [{"begin": 31000, "end": 32000}]},
                    },
                ],
                "attributes": [
                    {"name": "zone", "type": "TEXT", "text": {"value": "z1"}},
                    {"name": "rack", "type": "SCALAR", "scalar": {"value": 7}},
                ],
            }
        ]
    },
}
_EVENTS: Final = tuple(
    json.dumps(each).encode()
    for each in (
        _UPDATE,
        _OFFERS,
        {
            "type": "SUBSCRIBED",
            "subscribed": {
                "framework_id": {"value": "f"},
                "heartbeat_interval_seconds": 15,
                "master_info": {"id": "m", "ip": 1, "port": 5050, "hostname": "h"},
            },
        },
        {"type": "RESCIND", "rescind": {"offer_id": {"value": "O1"}}},
        {
            "type": "INVERSE_OFFERS",
            "inverse_offers": {
                "inverse_offers": [
                    {
                        "id": {"value": "I"},
                        "framework_id": {"value": "f"},
                        "agent_id": _AGENT,
                        "unavailability": {
                            "start": {"nanoseconds": 1},
                            "duration": {"nanoseconds": 2},
                        },
                    }
                ]
            },
        },
        {"type": "FAILURE", "failure": {"agent_id": _AGENT, "status": 9}},
        {"type": "ERROR", "error": {"message": "no"}},
        {"type": "HEARTBEAT"},
    )
)
_CALLS: Final = (
    {
        "type": "SUBSCRIBE",
        "subscribe": {
            "framework_info": {
                "user": "root",
                "name": "x",
                "failover_timeout": 10,
                "roles": ["*"],
                "capabilities": [{"type": "MULTI_ROLE"}],
            }
        },
    },
    {
        "framework_id": {"value": "f"},
        "type": "ACKNOWLEDGE",
        "acknowledge": {
            "agent_id": _AGENT,
            "task_id": {"value": "t"},
            "uuid": "C4fhokxtSlSdNR9kovDAAQ==",
        },
    },
    {
        "framework_id": {"value": "f"},
        "type": "DECLINE",
        "decline": {"offer_ids": [{"value": "O1"}], "filters": {"refuse_seconds": 5}},
    },
    {
        "framework_id": {"value": "f"},
        "type": "ACCEPT",
        "accept": {
            "offer_ids": [{"value": "O1"}],
            "operations": [
                {
                    "type": "LAUNCH",
                    "launch": {
                        "task_infos": [
                            {
                                "name": "t",
                                "task_id": {"value": "t"},
                                "agent_id": _AGENT,
                                "resources": [
                                    {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}
                                ],
                                "command": {
                                    "value": "true",
                                    "environment": {"variables": [{"name": "A", "value": "b"}]},
                                },
                            }
                        ]
                    },
                }
            ],
        },
    },
)
_JSON_CALLS: Final = tuple(json.dumps(each).encode() for each in _CALLS)
_STATE: Final = json.dumps(
    {
        "slaves": [{"id": "S1", "hostname": "h1", "pid": "slave(1)@10.0.0.5:5051", "active": True}],
        "frameworks": [
            {
                "id": "f-1",
                "name": "flumina",
                "executors": [
                    {
                        "id": "a-0-1",
                        "directory": "/d/1",
                        "tasks": [{"id": "a-0-1", "labels": [{"key": "flumina", "value": "1"}]}],
                    }
                ],
            }
        ],
    }
).encode()

PARSERS: Final = (
    Parser("recordio", "binary", _records, (RecordIoError,), (b"5\nhello3\nabc", b"0\n1\nx")),
    Parser(
        "recordio-of-dev-cluster",
        "binary",
        _cluster_records,
        (cluster_recordio.FramingError,),
        (b"5\nhello3\nabc", b"0\n1\nx"),
        tolerant=True,
    ),
    Parser("mesos-event", "json", _heard, (MalformedRecordError,), _EVENTS),
    Parser("mesos-agent-state", "json", _state, (SandboxError, *OTHER_FORM), (_STATE,)),
    Parser("scheduler-call", "json", _call, (CallError,), _JSON_CALLS),
    Parser("frequent-scheduler-call", "json", _frequent, (CallError,), _JSON_CALLS, tolerant=True),
    Parser(
        "scheduler-call-in-protobuf",
        "binary",
        _protobuf_call,
        (CallError,),
        tuple(
            encode("scheduler.Call", PROTOBUF, _parsed)
            for _parsed in (parse_call(each) for each in _JSON_CALLS)
        ),
    ),
    Parser(
        "mesos-resources-text",
        "text",
        lambda data: parse_resources(text_of(data)),
        (ResourceError,),
        (b"cpus:4;mem:8192;ports:[31000-31999]", b"cpus(role):1;disk:{a,b}"),
    ),
    Parser(
        "mesos-attributes-text",
        "text",
        lambda data: parse_attributes(text_of(data)),
        (ResourceError,),
        (b"zone:z1;rack:7;ports:[1-2]",),
    ),
)
