"""Settings of the environment: each named once here, with what it means and its default.

The one thing to know: they touch only the edges. What the fold decides by is in the log
(`PolicySet`), never here.
"""

import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from connectors.cloud.opening import cloud_name
from connectors.discovery.opening import checked_url
from connectors.healing.opening import healing_place
from connectors.mesos.containers import Containerizer
from connectors.mesos.settings import FAILOVER_TIMEOUT_S_MAX, WEEK_S, masters_of
from connectors.registry.checks import Check
from connectors.volumes.opening import VolumeSettings, read_volume_settings
from connectors.webhooks.addresses import Network, networks_of
from projections.masking import DEFAULT_PATTERNS
from streams import setting_texts as texts
from streams.errors import OperatorError

CELLS_MAX = 1_000
REPLICATION_FACTOR_MAX = 15
BEHIND_S = 30
BEHIND_S_MAX = 3_600
TASK_LOG_FILE_MIB = 64
TASK_LOG_FILE_MIB_LEAST = 11
"""Of parts of a mebibyte: `connectors.tasklogs.limits`."""
TASK_LOG_FILE_MIB_MAX = 1_048_576
TASK_LOG_DAYS = 14
TASK_LOG_DAYS_MAX = 36_500
TASK_LOG_JOB_MIB = 1_024
TASK_LOG_JOB_MIB_MAX = 1_073_741_824
USAGE_INTERVAL_S = 10
USAGE_INTERVAL_S_MAX = 3_600
ARCHIVE_AGE_S = 60
"""Of what is lost with Kafka at most, while the store answers."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings, typed and checked; `settings_of` makes them from an environment."""

    kafka_brokers: str | None
    topic_prefix: str
    cells: int
    cell_names: tuple[str, ...]
    replication_factor: int | None
    data_dir: Path
    cache_dir: Path
    store_url: str | None
    behind_s: int
    rate_limits: Path | None
    registry_url: str | None
    registry_credentials: Path | None
    image_check: Check
    centre_attribute: str
    region_attribute: str
    own_region: str
    titan_entry_point: str
    task_log_file_mib: int
    task_log_job_mib: int
    task_log_days: int
    archive_age_s: int
    mesos_masters: tuple[str, ...] | None
    failover_timeout_s: int
    containerizer: Containerizer
    usage_interval_s: int
    is_load_noise: bool
    cell: str
    candidate: str | None
    api_url: str | None
    prometheus_url: str | None
    volumes: VolumeSettings
    balancers: str
    cloud: str
    cloud_notices: str
    healing: str
    discovery_url: str | None
    actor: str
    page_url: str | None
    page_secret: str | None
    alert_rules: Path | None
    webhook_networks: tuple[Network, ...]
    webhook_secrets: Path | None
    dashboards: Path | None
    masked_keys: tuple[str, ...]

    @property
    def is_registering(self) -> bool:
        """Whether tasks are registered anywhere."""
        return bool(self.balancers) or self.discovery_url is not None

    @property
    def partition(self) -> int:
        """The partition of our cell, in every topic that belongs to cells."""
        return self.cell_names.index(self.cell)


class Setting(NamedTuple):
    """One environment variable: the field it sets, what it means, and how its text is read."""

    variable: str
    field: str
    meaning: str
    default: Callable[[Mapping[str, str]], Any]
    read: Callable[[str], Any]


def default_cache_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Where downloads are kept between runs, shared by all checkouts of a user."""
    if named := environment.get("FLUMINA_CACHE"):
        return Path(named)
    if base := environment.get("XDG_CACHE_HOME"):
        return Path(base) / "flumina"
    return Path.home() / ".cache" / "flumina"


def default_cell_names(cells: int) -> tuple[str, ...]:
    """The names of so many cells that were given none: ``main``, or ``main-0``, ``main-1``, ..."""
    return ("main",) if cells == 1 else tuple(f"main-{number}" for number in range(cells))


def _cells_meant(environment: Mapping[str, str]) -> int:
    names = environment.get("FLUMINA_CELL_NAMES", "")
    return len(names.split(",")) if names else 1


def _cell_names_meant(environment: Mapping[str, str]) -> tuple[str, ...]:
    text = environment.get("FLUMINA_CELLS", "")
    cells = int(text) if text.isdecimal() and 0 < int(text) <= CELLS_MAX else 1
    own = environment.get("FLUMINA_CELL", "")
    return (own,) if cells == 1 and own else default_cell_names(cells)


def _cell_meant(environment: Mapping[str, str]) -> str:
    names = environment.get("FLUMINA_CELL_NAMES", "")
    first = names.partition(",")[0].strip()
    return first or _cell_names_meant(environment)[0]


SETTINGS = (
    Setting(
        "KAFKA_BROKERS",
        "kafka_brokers",
        "Kafka to use, host:port with commas between; unset, an embedded one is started",
        lambda _: None,
        texts.addresses,
    ),
    Setting(
        "FLUMINA_TOPIC_PREFIX",
        "topic_prefix",
        "what every topic's name begins with, so that several installations share one Kafka",
        lambda _: "",
        texts.topic_prefix,
    ),
    Setting(
        "FLUMINA_CELLS",
        "cells",
        "number of cells, and so of partitions of each topic that belongs to cells",
        _cells_meant,
        texts.whole_number(1, CELLS_MAX),
    ),
    Setting(
        "FLUMINA_CELL_NAMES",
        "cell_names",
        "names of the cells in the order of their partitions, with commas between; default that of"
        " FLUMINA_CELL, and main-0, main-1, ... of several",
        _cell_names_meant,
        texts.cell_names,
    ),
    Setting(
        "FLUMINA_REPLICATION_FACTOR",
        "replication_factor",
        "copies of each partition; unset, 3 where Kafka has three brokers or more, else 1",
        lambda _: None,
        texts.whole_number(1, REPLICATION_FACTOR_MAX),
    ),
    Setting(
        "FLUMINA_DATA",
        "data_dir",
        "directory of the embedded Kafka's data and of other state; default ./.flumina",
        lambda _: Path(".flumina"),
        Path,
    ),
    Setting(
        "FLUMINA_CACHE",
        "cache_dir",
        "directory of downloads; default $XDG_CACHE_HOME/flumina or ~/.cache/flumina",
        default_cache_dir,
        Path,
    ),
    Setting(
        "FLUMINA_STORE",
        "store_url",
        "where snapshots, history and task logs are: a directory, file:///DIR, s3://BUCKET/PREFIX"
        " or rocksdict:///DIR; unset, the folder `store` of the data directory",
        lambda _: None,
        texts.store_url,
    ),
    Setting(
        "FLUMINA_BEHIND_S",
        "behind_s",
        "so many seconds may requests wait for the cell, or its fold be halted, before no more are"
        " taken and copied; default 30",
        lambda _: BEHIND_S,
        texts.whole_number(1, BEHIND_S_MAX),
    ),
    Setting(
        "FLUMINA_RATE_LIMITS",
        "rate_limits",
        "file of rules of how often who may ask the API for what (docs/rest.md); unset, no limits",
        lambda _: None,
        Path,
    ),
    Setting(
        "FLUMINA_REGISTRY",
        "registry_url",
        "image registry of images whose name does not begin with one's, such as https://hub:5000",
        lambda _: None,
        texts.url,
    ),
    Setting(
        "FLUMINA_REGISTRY_CREDENTIALS",
        "registry_credentials",
        "file of logins to image registries, as `docker login` writes it; unset, all are anonymous",
        lambda _: None,
        Path,
    ),
    Setting(
        "FLUMINA_IMAGE_CHECK",
        "image_check",
        "whether the API turns an image's tag into its digest: off, soft (if it can) or hard"
        " (or refuses the job); default off",
        lambda _: "off",
        texts.image_check,
    ),
    Setting(
        "FLUMINA_DATA_CENTER_ATTRIBUTE",
        "centre_attribute",
        "host attribute by which a Titan spec's data centres are told apart; default datacenter",
        lambda _: "datacenter",
        str,
    ),
    Setting(
        "FLUMINA_REGION_ATTRIBUTE",
        "region_attribute",
        "host attribute of the region that a Titan spec's location names; default region",
        lambda _: "region",
        str,
    ),
    Setting(
        "FLUMINA_REGION",
        "own_region",
        "the region of this installation, which needs no rule where a Titan spec names it",
        lambda _: "",
        str,
    ),
    Setting(
        "FLUMINA_TITAN_ENTRY_POINT",
        "titan_entry_point",
        "what runs where a Titan spec names no command; default /entrypoint.sh",
        lambda _: "/entrypoint.sh",
        str,
    ),
    Setting(
        "FLUMINA_TASK_LOG_FILE_MIB",
        "task_log_file_mib",
        "how much of one file that a task writes is kept, its beginning and its end; default 64",
        lambda _: TASK_LOG_FILE_MIB,
        texts.whole_number(TASK_LOG_FILE_MIB_LEAST, TASK_LOG_FILE_MIB_MAX),
    ),
    Setting(
        "FLUMINA_TASK_LOG_JOB_MIB",
        "task_log_job_mib",
        "how much of all tasks of a job is kept in the store, as stored; default 1024",
        lambda _: TASK_LOG_JOB_MIB,
        texts.whole_number(1, TASK_LOG_JOB_MIB_MAX),
    ),
    Setting(
        "FLUMINA_TASK_LOG_DAYS",
        "task_log_days",
        "days for which a task's output stays in the store after it ended; default 14",
        lambda _: TASK_LOG_DAYS,
        texts.whole_number(1, TASK_LOG_DAYS_MAX),
    ),
    Setting(
        "FLUMINA_ARCHIVE_AGE_S",
        "archive_age_s",
        "seconds after which what was written to Kafka is archived at the latest; default 60",
        lambda _: ARCHIVE_AGE_S,
        texts.whole_number(1, 3_600),
    ),
    Setting(
        "MESOS_MASTER",
        "mesos_masters",
        "Mesos masters to use, host:port with commas between; unset, a dev cluster is started",
        lambda _: None,
        masters_of,
    ),
    Setting(
        "MESOS_FAILOVER_TIMEOUT_S",
        "failover_timeout_s",
        "seconds without a leader after which Mesos ends every task; default a week",
        lambda _: WEEK_S,
        # Never 0: Mesos would end every task as soon as a leader's connection breaks.
        texts.whole_number(1, FAILOVER_TIMEOUT_S_MAX),
    ),
    Setting(
        "MESOS_CONTAINERIZER",
        "containerizer",
        "what runs a job's image: none (its command runs on the host), mesos or docker",
        lambda _: "none",
        texts.containerizer,
    ),
    Setting(
        "FLUMINA_USAGE_INTERVAL_S",
        "usage_interval_s",
        "seconds between two looks at what tasks and hosts use; default 10",
        lambda _: USAGE_INTERVAL_S,
        texts.whole_number(1, USAGE_INTERVAL_S_MAX),
    ),
    Setting(
        "FLUMINA_NOISE_BY_LOAD",
        "is_load_noise",
        "true: hosts that measure no waiting of tasks count as noisy by their load; default false",
        lambda _: False,
        texts.truth,
    ),
    Setting(
        "FLUMINA_CELL",
        "cell",
        "name of the cell that a process or command is about; it stands in every address of its"
        " log; default the first of FLUMINA_CELL_NAMES",
        _cell_meant,
        texts.cell_name,
    ),
    Setting(
        "FLUMINA_CANDIDATE",
        "candidate",
        "name of a cell process, unique and the same at every start; unset, made of the host's",
        lambda _: None,
        texts.candidate,
    ),
    Setting(
        "FLUMINA_API",
        "api_url",
        "address of the API for commands; unset, that of the `up` of the data directory",
        lambda _: None,
        texts.url,
    ),
    Setting(
        "FLUMINA_PROMETHEUS",
        "prometheus_url",
        "address of the Prometheus that scaling policies ask; unset, there is none",
        lambda _: None,
        texts.url,
    ),
    Setting(
        "FLUMINA_VOLUMES",
        "volumes",
        "where volumes are, as directory=DIR,zfs=POOL/NAME,zfs-command=WORDS,mounts=DIR"
        " (docs/volumes.md); unset, directories below the data directory",
        lambda _: VolumeSettings(),
        read_volume_settings,
    ),
    Setting(
        "FLUMINA_BALANCERS",
        "balancers",
        "elb: tasks are registered with AWS' load balancers (docs/discovery.md); unset, with none",
        lambda _: "",
        texts.balancers,
    ),
    Setting(
        "FLUMINA_CLOUD",
        "cloud",
        "aws, or devcloud:DIR of a dev cluster: where groups of hosts are scaled (docs/fleet.md);"
        " unset, none are",
        lambda _: "",
        cloud_name,
    ),
    Setting(
        "FLUMINA_CLOUD_NOTICES",
        "cloud_notices",
        "URL of the SQS queue with the cloud's notices of hosts; unset, none are heard",
        lambda _: "",
        texts.url,
    ),
    Setting(
        "FLUMINA_HEALING",
        "healing",
        "who runs scripts on hosts: ssm:FILE or local:FILE with an allow-list, or dev:DIRECTORY "
        "(docs/healing.md); unset, nobody",
        lambda _: "",
        healing_place,
    ),
    Setting(
        "FLUMINA_DISCOVERY",
        "discovery_url",
        "where services are registered: file:///DIR, dns:///DIR?domain=DOMAIN, consul://HOST:PORT"
        " or eureka://HOST:PORT; unset, nowhere",
        lambda _: None,
        checked_url,
    ),
    Setting(
        "FLUMINA_ACTOR",
        "actor",
        "who asks, as it is written into the log; default the name of the user",
        lambda environment: (
            environment.get("USER") or environment.get("LOGNAME") or texts.account()
        ),
        texts.actor,
    ),
    Setting(
        "FLUMINA_PAGE_URL",
        "page_url",
        "where pages are sent, by POST (docs/safe-mode.md); unset, they are only logged",
        lambda _: None,
        texts.url,
    ),
    Setting(
        "FLUMINA_PAGE_SECRET",
        "page_secret",
        "what pages are signed with (HMAC-SHA256), at least 16 characters; unset, they are not",
        lambda _: None,
        texts.secret,
    ),
    Setting(
        "FLUMINA_ALERTS",
        "alert_rules",
        "file of rules of alerts (docs/alerts.md), beside the delivered ones; unset, those alone",
        lambda _: None,
        Path,
    ),
    Setting(
        "FLUMINA_WEBHOOK_NETWORKS",
        "webhook_networks",
        "networks that are not public and that webhooks (docs/webhooks.md) may be sent to, such as"
        " 10.0.0.0/8, with commas between; http goes to these only; unset, none",
        lambda _: (),
        networks_of,
    ),
    Setting(
        "FLUMINA_WEBHOOK_SECRETS",
        "webhook_secrets",
        "folder of the secrets that webhooks name as file:NAME; unset, there is none",
        lambda _: None,
        Path,
    ),
    Setting(
        "FLUMINA_DASHBOARDS",
        "dashboards",
        "folder of one's own dashboards (docs/dashboards.md); unset, `dashboards` of FLUMINA_DATA",
        lambda _: None,
        Path,
    ),
    Setting(
        "FLUMINA_MASKED_KEYS",
        "masked_keys",
        "names of keys whose texts are masked in pages, query rows and exports (docs/incidents.md),"
        " with * and ? and commas between; +NAME,... adds to those that are masked by default",
        lambda _: DEFAULT_PATTERNS,
        texts.masked_keys,
    ),
)
# Read by the launcher before there is a Python to read it with.
LAUNCHER_VARIABLES = ("FLUMINA_PYTHON",)
# Read by tests, by the points at which a test ends a process (`streams/cell/points.py`), and where
# ports are chosen while several processes test (`streams/supervise/ports.py`).
TEST_VARIABLES = ("FLUMINA_CRASH_AT", "FLUMINA_REAL_MESOS", "FLUMINA_TEST_PORTS")


def settings_of(environment: Mapping[str, str]) -> Settings:
    """The settings that this environment makes; every mistake in it is named in one error."""
    values: dict[str, Any] = {}
    mistakes = _unknown_variables(environment)
    for setting in SETTINGS:
        text = environment.get(setting.variable, "")
        # An empty variable is how a shell says that there is none.
        if not text:
            values[setting.field] = setting.default(environment)
            continue
        try:
            values[setting.field] = setting.read(text)
        except ValueError as error:
            mistakes.append(f"{setting.variable}={text!r}: {error}")
    if not mistakes:
        mistakes += _contradictions(values)
    if mistakes:
        raise OperatorError(
            f"The environment has a setting that cannot be used: {'; '.join(mistakes)}.",
            "A variable is misspelt or has a wrong value.",
            "Correct it or unset it.",
        )
    return Settings(**values)


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """Where settings that are right by themselves do not agree."""
    names, cells, cell = values["cell_names"], values["cells"], values["cell"]
    if len(names) != cells:
        return [f"FLUMINA_CELLS={cells}, and FLUMINA_CELL_NAMES has {len(names)}: the same number"]
    if cell not in names:
        return [f"FLUMINA_CELL={cell!r}: the cells are {', '.join(names)}"]
    return []


def store_url_of(settings: Settings) -> str:
    """The URL of the store that the settings mean."""
    return settings.store_url or (settings.data_dir / "store").absolute().as_uri()


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    known = [setting.variable for setting in SETTINGS] + [*LAUNCHER_VARIABLES, *TEST_VARIABLES]
    unknown = [name for name in environment if name.startswith("FLUMINA_") and name not in known]
    mistakes = []
    for name in sorted(unknown):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; {near[0]} is meant, perhaps" if near else ""
        mistakes.append(f"{name} is no setting{hint}")
    return mistakes
