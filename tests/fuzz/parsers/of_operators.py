"""What operators give: settings, options of commands, files that commands read."""

import gzip
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from streams.autoscale.recorded import read_series
from streams.cli.command_acl import users_of
from streams.cli.command_capacity import read_types
from streams.cli.command_fleet import rules_of
from streams.cli.command_heal import read_runbook_file
from streams.cli.command_secret import descriptor_of
from streams.cli.common import policy_numbers
from streams.cli.doctor_checks import ended_up
from streams.errors import OperatorError
from streams.health.log_files import Columns, lines_of
from streams.health.series_files import hosts_of
from streams.kafka.acl_table import bindings, commands
from streams.kafka.security import client_options, faust_options
from streams.settings import settings_of
from streams.supervise.up_file import UP_FILE, UpView, read_up_file
from tests.fuzz.files import in_file
from tests.fuzz.parser import Parser, Refused, text_of


def _settings(data: bytes) -> object:
    """An environment, a variable a line."""
    pairs = (line.partition("=") for line in text_of(data).split("\n") if "=" in line)
    found = settings_of({name: value for name, _, value in pairs})
    if not data.strip():
        raise Refused("none is set")
    return found


def _kafka(path: Path) -> object:
    """The password of Kafka's user, as every client of ours is given it."""
    set_ = {
        "KAFKA_BROKERS": "127.0.0.1:9092",
        "FLUMINA_KAFKA_SECURITY": "sasl_plaintext",
        "FLUMINA_KAFKA_USER": "ada",
        "FLUMINA_KAFKA_PASSWORD_FILE": str(path),
    }
    brokers = settings_of(set_).kafka_brokers
    assert brokers is not None
    return client_options(brokers)["sasl_plain_password"].encode(), faust_options(brokers)


def _policy(data: bytes) -> object:
    return policy_numbers(text_of(data).split())


def _users(data: bytes) -> object:
    users = users_of(text_of(data).split(","))
    return list(commands(bindings("a.", users)))


def _up(path: Path) -> object:
    found = list(ended_up(path.parent))
    if not found:
        raise Refused("nothing was left")
    assert read_up_file(path.parent) is not None
    return found


def _lines(path: Path) -> object:
    return list(islice(lines_of(path, Columns("line", "host")), 1_000))


def _hosts(path: Path) -> object:
    with ExitStack() as held:
        return list(islice(hosts_of(path, (), held).rows, 1_000))


def _read(*names: str) -> tuple[bytes, ...]:
    return tuple((EXAMPLES / name).read_bytes() for name in names)


EXAMPLES: Final = Path(__file__).parents[3] / "docs" / "examples"
_LOADS: Final = b"time,load\n2026-11-22T00:00:00,1.5\n2026-11-22T00:05:00,2\n"
_SERIES: Final = (_LOADS, gzip.compress(_LOADS, mtime=0))
_LOGGED: Final = b'host,line\nh1,kernel: out of memory\nh2,"a, b"\n'
_LINES: Final = (_LOGGED, gzip.compress(_LOGGED, mtime=0))
_METRICS: Final = b"time,host,group,load\n2026-11-22T00:00:00,h1,a,1.5\n1763800000,h2,a,2\n"
_TABLE: Final = (_METRICS, gzip.compress(_METRICS, mtime=0))
_SET: Final = (
    b"KAFKA_BROKERS=a:9092,b:9092\nFLUMINA_KAFKA_SECURITY=ssl\nFLUMINA_CELL=main",
    b"FLUMINA_STORE=s3://bucket/a\nFLUMINA_API=http://a:1",
)
_UP: Final = msgspec.json.encode(UpView(1, 7, 1, "/d", "http://a:1", "a:1", "p.", (), None, ()))

PARSERS: Final = (
    Parser("settings", "text", _settings, (OperatorError,), _SET),
    Parser(
        "password-for-kafka",
        "text",
        in_file("password", _kafka),
        (OperatorError,),
        (b"open sesame\n",),
        tolerant=True,
    ),
    Parser("policy-options", "text", _policy, (OperatorError,), (b"kill_retry_ms=3000",)),
    Parser("users-at-kafka", "text", _users, (OperatorError,), (b"cell=a,api=b",)),
    Parser("up-file", "json", in_file(UP_FILE, _up), (OperatorError,), (_UP,)),
    Parser(
        "instance-types",
        "yaml",
        in_file("types.yaml", read_types),
        (OperatorError,),
        _read("instance-types.yaml"),
    ),
    Parser(
        "runbook-file",
        "yaml",
        in_file("runbooks.yaml", read_runbook_file),
        (OperatorError,),
        _read("runbooks.yaml"),
    ),
    Parser(
        "fleet-rules-file",
        "json",
        in_file("fleet.json", rules_of),
        (OperatorError,),
        (b'{"a":{"min":1}}',),
    ),
    Parser(
        "descriptor-with-secrets",
        "json",
        in_file("job.json", descriptor_of),
        (OperatorError,),
        _read("batch-20.json"),
    ),
    Parser(
        "recorded-loads",
        "text",
        in_file("loads.csv", partial(read_series, column="load")),
        (OperatorError,),
        _SERIES,
    ),
    Parser("logged-lines", "text", in_file("lines.csv", _lines), (OperatorError,), _LINES),
    Parser("metrics-of-hosts", "text", in_file("hosts.csv", _hosts), (OperatorError,), _TABLE),
)
