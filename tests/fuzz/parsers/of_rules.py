"""Files that operators write: policy, rules, runbooks, dashboards, limits, routes, lists."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from connectors.devcluster.simulated.model import ModelError, load
from connectors.federation.configuration import configuration_of
from connectors.healing.allow_list import read_allow_list
from connectors.registry.credentials import Credentials, CredentialsUnreadable
from connectors.web.limits.rules import read_rate_rules
from projections.alerts.rules import read_alert_rules
from projections.health.rules import read_rules
from scheduler.model.healing_document import read_runbooks
from scheduler.model.reading.faults import Faults
from scheduler.model.reading.fields import Fields
from scheduler.model.rules_document.reading import read_policy
from streams.alerts.rule_file import rules_of as alert_rules_of
from streams.dashboards.files import checked_file
from streams.errors import OperatorError
from streams.health.rule_file import rules_of as health_rules_of
from streams.policy_file.reading import read_yaml
from tests.fuzz.files import in_file
from tests.fuzz.parser import Parser, text_of, unless

ROOT: Final = Path(__file__).parents[3]


def _document(read: Callable[[object, Faults], object]) -> Callable[[bytes], object]:
    """The reader of a YAML document, by way of the one reader of YAML that there is."""

    def parse(data: bytes) -> object:
        faults = Faults()
        text = read_yaml(text_of(data), faults)
        unless(faults)
        found = read(text.document, faults)
        unless(faults)
        return found

    return parse


def _runbooks(document: object, faults: Faults) -> object:
    fields = Fields(document, "", faults)
    found = read_runbooks(fields)
    fields.close()
    return found


def _credentials(path: Path) -> object:
    return Credentials(path).of("https://registry.example.com")


def _model(path: Path) -> object:
    return load(path)


def _bytes(*names: str) -> tuple[bytes, ...]:
    return tuple((ROOT / name).read_bytes() for name in names)


_POLICY: Final = _bytes("docs/placement/examples/policy.yaml")
_DASHBOARDS: Final = _bytes("streams/dashboards/cell.yaml")
_LIMITS: Final = (
    (
        b"rules:\n- name: one\n  caller: .*\n  endpoint: GET .*\n  capacity: 10\n  perSecond: 2.5\n"
        b"- name: two\n  endpoint: POST .*\n  capacity: 5\n  perSecond: 1\n  per: address\n"
    ),
)
_ALLOWED: Final = (
    b"scripts:\n  restart-runtime:\n    command: [/usr/bin/systemctl, restart, mesos-slave]\n",
)
_LOGINS: Final = (
    b'{"auths":{"registry.example.com":{"auth":"YWRhOnNlY3JldA=="},"other":{"username":"a"}}}',
    b'{"auths":{"https://registry.example.com/v1/":{"username":"a","password":"b"}}}',
)
_ROUTES: Final = (
    (
        b'{"cells":[{"name":"a","api":"http://a:1"},{"name":"b","api":"http://b:1","region":"r"}],'
        b'"default":"a","routes":[{"cell":"b","capacityGroup":"gpu.*"}],'
        b'"capacityGroups":{"g":{"a":60,"b":40}}}'
    ),
)
_WEATHER: Final = (b"[images]\nsize_mib = 3.5\n[start]\nseconds = 0.5\n",)

PARSERS: Final = (
    Parser("policy-file", "yaml", _document(read_policy), (), _POLICY),
    Parser(
        "health-rules",
        "yaml",
        _document(read_rules),
        (),
        _bytes("streams/health/default_rules.yaml"),
    ),
    Parser(
        "health-rules-file",
        "yaml",
        in_file("health.yaml", health_rules_of),
        (OperatorError,),
        _bytes("streams/health/default_rules.yaml"),
    ),
    Parser(
        "alert-rules",
        "yaml",
        _document(read_alert_rules),
        (),
        _bytes("streams/alerts/default_rules.yaml"),
    ),
    Parser(
        "alert-rules-file",
        "yaml",
        in_file("alerts.yaml", alert_rules_of),
        (OperatorError,),
        _bytes("streams/alerts/default_rules.yaml"),
    ),
    Parser("runbooks", "yaml", _document(_runbooks), (), _bytes("docs/examples/runbooks.yaml")),
    Parser(
        "dashboard-file", "yaml", in_file("cell.yaml", checked_file), (OperatorError,), _DASHBOARDS
    ),
    Parser("rate-limits", "yaml", _document(read_rate_rules), (), _LIMITS),
    Parser(
        "allow-list-of-scripts",
        "yaml",
        in_file("scripts.yaml", read_allow_list),
        (ValueError,),
        _ALLOWED,
    ),
    Parser("federation-routes", "json", configuration_of, (ValueError,), _ROUTES),
    Parser(
        "registry-logins",
        "json",
        in_file("config.json", _credentials),
        (CredentialsUnreadable,),
        _LOGINS,
    ),
    Parser("weather-in-toml", "text", in_file("model.toml", _model), (ModelError,), _WEATHER),
)
