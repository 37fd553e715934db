"""Hosts: Mesos, clouds, and what tasks are given there."""

from connectors.cloud.opening import cloud_name
from connectors.discovery.opening import checked_url
from connectors.healing.opening import healing_place
from connectors.mesos.settings import FAILOVER_TIMEOUT_S_MAX, WEEK_S, masters_of
from connectors.volumes.opening import VolumeSettings, read_volume_settings
from streams import setting_texts as texts
from streams.setting_rows.row import Setting

USAGE_INTERVAL_S = 10
USAGE_INTERVAL_S_MAX = 3_600
CLOUD_LOOK_S = 10
"""AWS throttles describing calls by the account."""
CLOUD_LOOK_S_MAX = 300

HOSTS = (
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
        "FLUMINA_CLOUD_LOOK_S",
        "cloud_look_s",
        "seconds between two looks at the cloud's groups; default 10",
        lambda _: CLOUD_LOOK_S,
        texts.whole_number(1, CLOUD_LOOK_S_MAX),
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
)
