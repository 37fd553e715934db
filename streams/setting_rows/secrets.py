"""Secrets: where their keys are, who wraps them; and who is let into tasks."""

from connectors.web.secret_guess import DETECTIONS
from streams import setting_texts as texts
from streams.setting_rows.row import Setting

SECRETS = (
    Setting(
        "FLUMINA_SECRET_KEYS",
        "secret_keys",
        "store of the key ring of secrets (docs/secrets.md), like FLUMINA_STORE and never the same;"
        " unset, jobs with secrets are refused",
        lambda _: "",
        texts.store_url,
    ),
    Setting(
        "FLUMINA_SECRET_PROVIDER",
        "secret_provider",
        "who wraps the keys of secrets: file:/PATH of a key file, or kms:KEY of AWS",
        lambda _: "",
        texts.key_provider,
    ),
    Setting(
        "FLUMINA_SECRET_DETECTION",
        "secret_detection",
        "what the API does with variables that look secret and are not marked: off, warn or refuse;"
        " default warn",
        lambda _: "warn",
        texts.one_of(DETECTIONS),
    ),
    Setting(
        "FLUMINA_EXEC",
        "is_exec_on",
        "whether `flumina exec` is let into tasks (docs/exec.md): on or off; default on",
        lambda _: True,
        lambda text: texts.one_of(("on", "off"))(text) == "on",
    ),
)
