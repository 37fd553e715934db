"""Settings of the environment: each named once here, with what it means and its default.

The one thing to know: they touch only the edges. What the fold decides by is in the log
(`PolicySet`), never here.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from connectors.mesos.containers import Containerizer
from connectors.registry.checks import Check
from connectors.volumes.opening import VolumeSettings
from connectors.web.secret_guess import Detection
from connectors.webhooks.addresses import Network
from projections.rated import Rated
from streams.errors import OperatorError
from streams.kafka.security import Brokers, KafkaSecurity, contradictions
from streams.probes import ProbeAddress
from streams.setting_rows.access import ACCESS, half_said
from streams.setting_rows.asking import ASKING
from streams.setting_rows.cells import CELLS
from streams.setting_rows.hosts import HOSTS
from streams.setting_rows.keeping import KEEPING
from streams.setting_rows.observing import OBSERVING
from streams.setting_rows.row import Setting
from streams.setting_rows.secrets import SECRETS
from streams.setting_rows.telling import TELLING
from streams.setting_rows.wire import WIRE

_PREFIX: Final = "FLUMINA_"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings, typed and checked; `settings_of` makes them from an environment."""

    kafka_brokers: str | None
    is_writing_at_once: bool
    topic_prefix: str
    cells: int
    cell_names: tuple[str, ...]
    replication_factor: int | None
    cell: str
    candidate: str | None
    kafka_security: str
    kafka_ca: Path | None
    kafka_certificate: Path | None
    kafka_key: Path | None
    kafka_sasl_mechanism: str
    kafka_user: str
    kafka_password_file: Path | None
    data_dir: Path
    cache_dir: Path
    store_url: str | None
    task_log_file_mib: int
    task_log_job_mib: int
    task_log_days: int
    archive_age_s: int
    api_url: str | None
    actor: str
    behind_s: int
    rated: Rated
    rate_limits: Path | None
    registry_url: str | None
    registry_credentials: Path | None
    registry_networks: tuple[Network, ...]
    image_check: Check
    centre_attribute: str
    region_attribute: str
    own_region: str
    titan_entry_point: str
    dashboards: Path | None
    masked_keys: tuple[str, ...]
    mesos_masters: tuple[str, ...] | None
    failover_timeout_s: int
    containerizer: Containerizer
    usage_interval_s: int
    is_load_noise: bool
    prometheus_url: str | None
    volumes: VolumeSettings
    balancers: str
    cloud: str
    cloud_notices: str
    cloud_look_s: int
    healing: str
    discovery_url: str | None
    page_url: str | None
    page_secret: str | None
    alert_rules: Path | None
    webhook_networks: tuple[Network, ...]
    webhook_secrets: Path | None
    probe_address: ProbeAddress | None
    traces: float | None
    log_format: str
    secret_keys: str
    secret_provider: str
    secret_detection: Detection
    is_exec_on: bool
    access: Path | None
    oidc_issuer: str
    oidc_audience: str
    oidc_keys: str
    oidc_groups: str
    session_s: int
    tls_certificate: Path | None
    tls_key: Path | None
    tls_client_ca: Path | None
    tls_client_crl: Path | None
    is_tls_in_front: bool
    metrics_bind: str
    token: str
    token_file: Path | None
    ca: Path | None
    client_certificate: Path | None
    client_key: Path | None

    @property
    def is_registering(self) -> bool:
        """Whether tasks are registered anywhere."""
        return bool(self.balancers) or self.discovery_url is not None

    @property
    def partition(self) -> int:
        """The partition of our cell, in every topic that belongs to cells."""
        return self.cell_names.index(self.cell)


SETTINGS: tuple[Setting, ...] = (
    *(*CELLS, *WIRE, *KEEPING, *ASKING, *HOSTS),
    *(*TELLING, *OBSERVING, *SECRETS, *ACCESS),
)
# Read by the launcher before there is a Python to read it with.
LAUNCHER_VARIABLES = ("FLUMINA_PYTHON",)
# Read by tests, by the points at which a test ends a process (`streams/cell/points.py`), and where
# ports are chosen while several processes test (`streams/supervise/ports.py`).
TEST_VARIABLES = (
    "FLUMINA_CHROMIUM",
    "FLUMINA_CRASH_AT",
    "FLUMINA_DAY",
    "FLUMINA_HELM",
    "FLUMINA_REAL_MESOS",
    "FLUMINA_TEST_PORTS",
)


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
    security = _kafka_security(values)
    if security != KafkaSecurity():
        values["kafka_brokers"] = Brokers(values["kafka_brokers"], security)
    return Settings(**values)


def _kafka_security(values: Mapping[str, Any]) -> KafkaSecurity:
    return KafkaSecurity(
        protocol=values["kafka_security"],
        ca=values["kafka_ca"],
        certificate=values["kafka_certificate"],
        key=values["kafka_key"],
        mechanism=values["kafka_sasl_mechanism"],
        user=values["kafka_user"],
        password_file=values["kafka_password_file"],
    )


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """Where settings that are right by themselves do not agree."""
    names, cells, cell = values["cell_names"], values["cells"], values["cell"]
    if len(names) != cells:
        return [f"FLUMINA_CELLS={cells}, and FLUMINA_CELL_NAMES has {len(names)}: the same number"]
    if cell not in names:
        return [f"FLUMINA_CELL={cell!r}: the cells are {', '.join(names)}"]
    if without := half_said(values):
        return without
    if bool(values["secret_keys"]) != bool(values["secret_provider"]):
        return ["FLUMINA_SECRET_KEYS and FLUMINA_SECRET_PROVIDER: one without the other"]
    if values["secret_keys"] and values["secret_keys"] == values["store_url"]:
        return ["FLUMINA_SECRET_KEYS is FLUMINA_STORE: keys and what they seal are kept apart"]
    has_brokers = values["kafka_brokers"] is not None
    return contradictions(_kafka_security(values), has_brokers=has_brokers)


def store_url_of(settings: Settings) -> str:
    """The URL of the store that the settings mean."""
    return settings.store_url or (settings.data_dir / "store").absolute().as_uri()


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    known = [setting.variable for setting in SETTINGS] + [*LAUNCHER_VARIABLES, *TEST_VARIABLES]
    unknown = [name for name in environment if name.startswith(_PREFIX) and name not in known]
    # What nearly all begin with says nothing about which one is meant.
    ours = {each.removeprefix(_PREFIX): each for each in known}
    mistakes = []
    for name in sorted(unknown):
        near = difflib.get_close_matches(name.removeprefix(_PREFIX), ours, n=1)
        hint = f"; {ours[near[0]]} is meant, perhaps" if near else ""
        mistakes.append(f"{name} is no setting{hint}")
    return mistakes
