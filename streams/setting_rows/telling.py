"""Whom it tells: pages, alerts, webhooks."""

from pathlib import Path

from connectors.webhooks.addresses import networks_of
from streams import setting_texts as texts
from streams.probes import probe_address_of
from streams.setting_rows.row import Setting

TELLING = (
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
        "FLUMINA_PROBES",
        "probe_address",
        "HOST:PORT where a process answers /live, /ready and /started (docs/kubernetes.md); unset,"
        " nowhere",
        lambda _: None,
        probe_address_of,
    ),
)
