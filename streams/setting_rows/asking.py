"""What asks the API, and what it takes and shows."""

from pathlib import Path

from connectors.webhooks.addresses import networks_of
from projections.masking import DEFAULT_PATTERNS
from projections.rated import Rated
from streams import setting_texts as texts
from streams.setting_rows.row import Setting

BEHIND_S = 30
BEHIND_S_MAX = 3_600
RATED = Rated(hosts=10_000, tasks=150_000, launches_per_s=800)
"""Hosts and tasks: what folds and placement were measured with, docs/scale.md; launches: what the
processor time of one launch leaves for two cores."""

ASKING = (
    Setting(
        "FLUMINA_API",
        "api_url",
        "address of the API for commands; unset, that of the `up` of the data directory",
        lambda _: None,
        texts.url,
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
        "FLUMINA_BEHIND_S",
        "behind_s",
        "so many seconds may requests wait for the cell, or its fold be halted, before no more are"
        " taken and copied; default 30",
        lambda _: BEHIND_S,
        texts.whole_number(1, BEHIND_S_MAX),
    ),
    Setting(
        "FLUMINA_RATED",
        "rated",
        "the size that the cell is rated for, above which new jobs are refused (docs/scale.md);"
        " default hosts=10000,tasks=150000,launches_per_s=800; 0 is no limit",
        lambda _: RATED,
        texts.rated,
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
        "FLUMINA_REGISTRY_NETWORKS",
        "registry_networks",
        "networks that are not public and in which registries that an image names may be, such as"
        " 10.0.0.0/8, with commas between; FLUMINA_REGISTRY may be anywhere; unset, none",
        lambda _: (),
        networks_of,
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
