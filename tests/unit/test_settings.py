"""Settings: defaults, each one read, and every mistake in an environment named at once."""

import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from connectors.volumes.opening import VolumeSettings
from projections.rated import Rated
from streams.errors import OperatorError
from streams.probes import ProbeAddress
from streams.settings import SETTINGS, TEST_VARIABLES, Settings, settings_of


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = settings_of({"HOME": "/home/someone"})
    assert settings.kafka_brokers is None
    assert settings.topic_prefix == ""
    assert settings.cells == 1
    assert settings.replication_factor is None
    assert settings.data_dir == Path(".flumina")
    assert settings.cache_dir.name == "flumina"


# A text for each variable, and what it is read as.
EXAMPLES = {
    "KAFKA_BROKERS": ("one:9092, two:9093", "one:9092,two:9093"),
    "FLUMINA_TOPIC_PREFIX": ("test.", "test."),
    "FLUMINA_CELLS": ("2", 2),
    "FLUMINA_CELL_NAMES": ("west-0, west-1", ("west-0", "west-1")),
    "FLUMINA_REPLICATION_FACTOR": ("3", 3),
    "FLUMINA_KAFKA_SECURITY": ("sasl_ssl", "sasl_ssl"),
    "FLUMINA_KAFKA_CA": ("/kafka/ca.pem", Path("/kafka/ca.pem")),
    "FLUMINA_KAFKA_CERTIFICATE": ("/kafka/tls.crt", Path("/kafka/tls.crt")),
    "FLUMINA_KAFKA_KEY": ("/kafka/tls.key", Path("/kafka/tls.key")),
    "FLUMINA_KAFKA_SASL_MECHANISM": ("scram-sha-256", "scram-sha-256"),
    "FLUMINA_KAFKA_USER": ("flumina-cell", "flumina-cell"),
    "FLUMINA_KAFKA_PASSWORD_FILE": ("/kafka/password", Path("/kafka/password")),
    "FLUMINA_DATA": ("/data", Path("/data")),
    "FLUMINA_CACHE": ("/cache", Path("/cache")),
    "FLUMINA_STORE": ("s3://bucket/prefix/", "s3://bucket/prefix"),
    "FLUMINA_ARCHIVE_AGE_S": ("5", 5),
    "FLUMINA_BEHIND_S": ("60", 60),
    "FLUMINA_RATED": ("hosts=5,tasks=7", Rated(hosts=5, tasks=7)),
    "FLUMINA_WRITE_AT_ONCE": ("true", True),
    "FLUMINA_REGISTRY": ("https://hub.example.org/", "https://hub.example.org"),
    "FLUMINA_IMAGE_CHECK": ("hard", "hard"),
    "FLUMINA_DATA_CENTER_ATTRIBUTE": ("dc", "dc"),
    "FLUMINA_REGION_ATTRIBUTE": ("area", "area"),
    "FLUMINA_REGION": ("us-east-1", "us-east-1"),
    "FLUMINA_TITAN_ENTRY_POINT": ("/start", "/start"),
    "FLUMINA_RATE_LIMITS": ("/etc/rates.yaml", Path("/etc/rates.yaml")),
    "FLUMINA_TASK_LOG_FILE_MIB": ("100", 100),
    "FLUMINA_TASK_LOG_JOB_MIB": ("5000", 5000),
    "FLUMINA_TASK_LOG_DAYS": ("30", 30),
    "MESOS_MASTER": ("one:5050, two:5050", ("one:5050", "two:5050")),
    "MESOS_FAILOVER_TIMEOUT_S": ("3600", 3600),
    "MESOS_CONTAINERIZER": ("docker", "docker"),
    "FLUMINA_USAGE_INTERVAL_S": ("5", 5),
    "FLUMINA_NOISE_BY_LOAD": ("true", True),
    "FLUMINA_CELL": ("west-1", "west-1"),
    "FLUMINA_CANDIDATE": ("host.1", "host.1"),
    "FLUMINA_PROMETHEUS": ("http://prometheus:9090", "http://prometheus:9090"),
    "FLUMINA_BALANCERS": ("elb", "elb"),
    "FLUMINA_VOLUMES": ("zfs=tank/f", VolumeSettings(zfs="tank/f")),
    "FLUMINA_CLOUD": ("aws", "aws"),
    "FLUMINA_HEALING": ("dev:/tmp/agents", "dev:/tmp/agents"),
    "FLUMINA_CLOUD_LOOK_S": ("20", 20),
    "FLUMINA_CLOUD_NOTICES": (
        "https://sqs.eu-west-1.amazonaws.com/1/notices",
        "https://sqs.eu-west-1.amazonaws.com/1/notices",
    ),
    "FLUMINA_DISCOVERY": ("consul://127.0.0.1:8500/", "consul://127.0.0.1:8500"),
    "FLUMINA_API": ("http://127.0.0.1:7100/", "http://127.0.0.1:7100"),
    "FLUMINA_ACTOR": ("Ada Lovelace", "Ada Lovelace"),
    "FLUMINA_PAGE_URL": ("https://pages.example.org/x?y=z", "https://pages.example.org/x?y=z"),
    "FLUMINA_PAGE_SECRET": ("0123456789abcdef", "0123456789abcdef"),
    "FLUMINA_REGISTRY_CREDENTIALS": ("/etc/docker.json", Path("/etc/docker.json")),
    "FLUMINA_REGISTRY_NETWORKS": ("10.0.0.0/8", (ip_network("10.0.0.0/8"),)),
    "FLUMINA_WEBHOOK_NETWORKS": ("10.0.0.0/8", (ip_network("10.0.0.0/8"),)),
    "FLUMINA_WEBHOOK_SECRETS": ("/etc/flumina/webhooks", Path("/etc/flumina/webhooks")),
    "FLUMINA_PROBES": ("10.0.0.1:7190", ProbeAddress("10.0.0.1", 7190)),
    "FLUMINA_ALERTS": ("/etc/flumina/alerts.yaml", Path("/etc/flumina/alerts.yaml")),
    "FLUMINA_MASKED_KEYS": ("pin,*plan*", ("pin", "*plan*")),
    "FLUMINA_SECRET_KEYS": ("s3://bucket/keys/", "s3://bucket/keys"),
    "FLUMINA_SECRET_PROVIDER": ("kms:alias/flumina", "kms:alias/flumina"),
    "FLUMINA_SECRET_DETECTION": ("refuse", "refuse"),
    "FLUMINA_EXEC": ("off", False),
    "FLUMINA_TRACES": ("0.01", 0.01),
    "FLUMINA_LOG_FORMAT": ("console", "console"),
    "FLUMINA_DASHBOARDS": ("/etc/dashboards", Path("/etc/dashboards")),
    "FLUMINA_ACCESS": ("/etc/flumina/access.json", Path("/etc/flumina/access.json")),
    "FLUMINA_OIDC_ISSUER": ("https://id.example.org", "https://id.example.org"),
    "FLUMINA_OIDC_AUDIENCE": ("containers", "containers"),
    "FLUMINA_OIDC_KEYS": ("https://id.example.org/keys", "https://id.example.org/keys"),
    "FLUMINA_OIDC_GROUPS": ("roles", "roles"),
    "FLUMINA_SESSION_S": ("3600", 3_600),
    "FLUMINA_TLS_CERTIFICATE": ("/etc/tls/tls.crt", Path("/etc/tls/tls.crt")),
    "FLUMINA_TLS_KEY": ("/etc/tls/tls.key", Path("/etc/tls/tls.key")),
    "FLUMINA_TLS_CLIENT_CA": ("/etc/tls/ca.crt", Path("/etc/tls/ca.crt")),
    "FLUMINA_TLS_CLIENT_CRL": ("/etc/tls/ca.crl", Path("/etc/tls/ca.crl")),
    "FLUMINA_TLS_IN_FRONT": ("true", True),
    "FLUMINA_METRICS_BIND": ("10.0.0.1", "10.0.0.1"),
    "FLUMINA_TOKEN": ("flumina-0123456789abcdef", "flumina-0123456789abcdef"),
    "FLUMINA_TOKEN_FILE": ("/etc/flumina/token", Path("/etc/flumina/token")),
    "FLUMINA_CA": ("/etc/tls/ca.crt", Path("/etc/tls/ca.crt")),
    "FLUMINA_CLIENT_CERTIFICATE": ("/etc/tls/tls.crt", Path("/etc/tls/tls.crt")),
    "FLUMINA_CLIENT_KEY": ("/etc/tls/tls.key", Path("/etc/tls/tls.key")),
}


def test_every_setting_has_an_example_and_is_read() -> None:
    assert set(EXAMPLES) == {setting.variable for setting in SETTINGS}
    # Of a token and the file of one, one is given.
    for other in ("FLUMINA_TOKEN", "FLUMINA_TOKEN_FILE"):
        given = {name: example for name, example in EXAMPLES.items() if name != other}
        settings = settings_of({variable: text for variable, (text, _) in given.items()})
        for setting in SETTINGS:
            if setting.variable != other:
                wanted = EXAMPLES[setting.variable][1]
                assert getattr(settings, setting.field) == wanted, setting.variable


def test_what_tests_are_told_stops_no_process_that_they_start() -> None:
    """A variable that a test looks at is in the environment of all that it starts."""
    asked = re.compile(r'environ(?:\.get\(|\[)"(FLUMINA_\w+)"')
    tests = Path(__file__).parents[1].rglob("*.py")
    looked_at = {name for path in tests for name in asked.findall(path.read_text("utf-8"))}
    known = {setting.variable for setting in SETTINGS} | set(TEST_VARIABLES)
    assert {"FLUMINA_CHROMIUM"} <= looked_at <= known


def test_other_variables_do_not_matter() -> None:
    assert settings_of({"FLUMINA_PYTHON": "python3.12", "UNRELATED": "x"}) == settings_of({})


def test_every_field_has_its_variable_and_an_empty_one_is_unset() -> None:
    assert [setting.field for setting in SETTINGS] == list(Settings.__struct_fields__)
    empty = {setting.variable: "" for setting in SETTINGS}
    assert settings_of(empty) == settings_of({})


@pytest.mark.parametrize(
    ("environment", "names", "own", "partition"),
    [
        ({}, ("main",), "main", 0),
        ({"FLUMINA_CELL": "west"}, ("west",), "west", 0),
        ({"FLUMINA_CELLS": "2"}, ("main-0", "main-1"), "main-0", 0),
        ({"FLUMINA_CELLS": "2", "FLUMINA_CELL": "main-1"}, ("main-0", "main-1"), "main-1", 1),
        ({"FLUMINA_CELL_NAMES": "a,b,c"}, ("a", "b", "c"), "a", 0),
        ({"FLUMINA_CELL_NAMES": "a,b,c", "FLUMINA_CELL": "c"}, ("a", "b", "c"), "c", 2),
    ],
)
def test_cells_have_names_and_their_place_is_their_partition(
    environment: dict[str, str], names: tuple[str, ...], own: str, partition: int
) -> None:
    settings = settings_of(environment)
    assert settings.cell_names == names
    assert (settings.cells, settings.cell, settings.partition) == (len(names), own, partition)


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"FLUMINA_CELLS": "3", "FLUMINA_CELL_NAMES": "a,b"}, "FLUMINA_CELL_NAMES has 2"),
        ({"FLUMINA_CELLS": "2", "FLUMINA_CELL": "west"}, "the cells are main-0, main-1"),
        ({"FLUMINA_CELL_NAMES": "a,a"}, "a name of its own"),
    ],
)
def test_names_and_number_of_cells_have_to_agree(environment: dict[str, str], text: str) -> None:
    with pytest.raises(OperatorError, match=text):
        settings_of(environment)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("KAFKA_BROKERS", "localhost"),
        ("KAFKA_BROKERS", "localhost:0"),
        ("KAFKA_BROKERS", "localhost:70000"),
        ("KAFKA_BROKERS", "one:9092,,two:9092"),
        ("KAFKA_BROKERS", ":9092"),
        ("FLUMINA_TOPIC_PREFIX", "a b"),
        ("FLUMINA_TOPIC_PREFIX", "x" * 201),
        ("MESOS_CONTAINERIZER", "podman"),
        ("FLUMINA_USAGE_INTERVAL_S", "0"),
        ("FLUMINA_NOISE_BY_LOAD", "yes"),
        ("FLUMINA_RATED", "hosts"),
        ("FLUMINA_WRITE_AT_ONCE", "yes"),
        ("FLUMINA_TRACES", "1.5"),
        ("FLUMINA_TRACES", "nan"),
        ("FLUMINA_LOG_FORMAT", "xml"),
        ("FLUMINA_CELLS", "0"),
        ("FLUMINA_BEHIND_S", "0"),
        ("FLUMINA_TASK_LOG_FILE_MIB", "10"),
        ("FLUMINA_TASK_LOG_DAYS", "0"),
        ("FLUMINA_CELLS", "-1"),
        ("FLUMINA_CELLS", "1001"),
        ("FLUMINA_CELLS", "many"),
        ("FLUMINA_REPLICATION_FACTOR", "1.5"),
        ("MESOS_FAILOVER_TIMEOUT_S", "0"),
        ("FLUMINA_CELL", "West"),
        ("FLUMINA_CANDIDATE", "a b"),
        ("FLUMINA_API", "127.0.0.1:7100"),
        ("FLUMINA_ACTOR", "x" * 256),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(variable: str, text: str) -> None:
    with pytest.raises(OperatorError) as raised:
        settings_of({variable: text})
    assert f"{variable}={text!r}: " in raised.value.what


def test_all_mistakes_are_told_at_once_and_a_misspelt_name_gets_a_hint() -> None:
    with pytest.raises(OperatorError) as raised:
        settings_of({"FLUMINA_CELS": "2", "FLUMINA_CELLS": "no", "FLUMINA_XYZZY": ""})
    assert "FLUMINA_CELS is no setting; FLUMINA_CELLS is meant, perhaps" in raised.value.what
    assert "FLUMINA_CELLS='no': " in raised.value.what
    assert "FLUMINA_XYZZY is no setting" in raised.value.what


def test_what_all_settings_begin_with_makes_no_name_like_another() -> None:
    with pytest.raises(OperatorError) as raised:
        settings_of({"FLUMINA_RUNTIME_DIR": "/run", "FLUMINA_KAFKA_BROKERS": "localhost:9092"})
    told = raised.value.what
    assert "FLUMINA_RUNTIME_DIR is no setting." in told
    assert "FLUMINA_KAFKA_BROKERS is no setting; KAFKA_BROKERS is meant, perhaps" in told
