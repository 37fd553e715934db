"""Records of topic ``commands`` about alerts, read and written.

The one thing to know: `scheduler.model.foreign` hooks the readers in. Whether an alert is there is
not asked here: rules are not in the log, and a silence may come before its alert.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from scheduler.model.alerts import (
    KEY_BYTES_MAX,
    MATCHES_MAX,
    SILENCE_S_MAX,
    AlertAcknowledged,
    AlertRequest,
    AlertsSilenced,
    AlertsUnsilenced,
)
from scheduler.model.reading.checks import name_check, pattern_check
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.requests import read_said

NAME_CHECK: Final = pattern_check("[a-z0-9][a-z0-9-]{0,62}", 63, "kafka-upgrade")
_LABEL: Final = pattern_check("[a-z][a-z_]{0,62}", 63, "capacity_group")
_VALUE: Final = name_check(255)
_KEY: Final = name_check(KEY_BYTES_MAX)


def _said(fields: Fields) -> dict[str, str]:
    actor, why = read_said(fields, is_required=True)
    return {"actor": actor, "why": why}


def _silence(fields: Fields) -> AlertsSilenced:
    name = fields.text("name", NAME_CHECK)
    matches = fields.pairs("matches", _LABEL, _VALUE, count_max=MATCHES_MAX, bytes_max=4_096)
    if not matches:
        fields.fault("matches", "is empty", 'say which, such as {"rule": "queue-deep"}')
    for_s = fields.whole("forS", 1, SILENCE_S_MAX, unit=" s")
    return AlertsSilenced(name, matches, for_s, **_said(fields))


def _unsilence(fields: Fields) -> AlertsUnsilenced:
    return AlertsUnsilenced(fields.text("name", NAME_CHECK), **_said(fields))


def _acknowledge(fields: Fields) -> AlertAcknowledged:
    return AlertAcknowledged(fields.text("key", _KEY), **_said(fields))


ALERT_REQUESTS: Final[Mapping[str, Callable[[Fields], AlertRequest]]] = {
    "SilenceAlerts": _silence,
    "UnsilenceAlerts": _unsilence,
    "AcknowledgeAlert": _acknowledge,
}


def encode_silence_alerts(
    name: str, matches: Mapping[str, Any], for_s: int, actor: str, why: str
) -> bytes:
    """The value that has nothing sent of alerts that match."""
    entry = {"name": name, "matches": dict(matches), "forS": for_s}
    return msgspec.json.encode({"type": "SilenceAlerts", **entry, "actor": actor, "why": why})


def encode_unsilence_alerts(name: str, actor: str, why: str) -> bytes:
    """The value that ends a silence."""
    entry = {"type": "UnsilenceAlerts", "name": name, "actor": actor, "why": why}
    return msgspec.json.encode(entry)


def encode_acknowledge_alert(key: str, actor: str, why: str) -> bytes:
    """The value by which an operator says that he looks at an alert."""
    entry = {"type": "AcknowledgeAlert", "key": key, "actor": actor, "why": why}
    return msgspec.json.encode(entry)
