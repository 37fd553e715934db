"""The record of topic ``commands`` that labels a process of the cell, read and written.

The one thing to know: `scheduler.model.foreign` hooks the reader in; the encoder stands beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from scheduler.model.membership import LABELS_MAX, MemberLabelled
from scheduler.model.reading.checks import name_check, words_check
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.requests import read_said

NAME_BYTES_MAX: Final = 255
LABELS_BYTES_MAX: Final = 8 * 1_024
OURS: Final = "flumina."
"""What our own labels begin with: they say what the log knows."""
_NAME: Final = name_check(NAME_BYTES_MAX)
_VALUE: Final = words_check(1_024)


def read_label_member(fields: Fields) -> MemberLabelled:
    """The record ``LabelMember``."""
    member_id = fields.text("memberId", _NAME)
    labels = fields.pairs("labels", _NAME, _VALUE, count_max=LABELS_MAX, bytes_max=LABELS_BYTES_MAX)
    removed = fields.texts("removed", _NAME, LABELS_MAX, LABELS_BYTES_MAX)
    if not labels and not removed and not fields.is_faulty:
        text = "is missing or empty, and so is removed"
        fields.fault("labels", text, "name at least one label")
    for name in removed:
        if name.startswith(OURS):
            text = f"names {name}, which is written by the cell itself"
            fields.fault("removed", text, "only labels that somebody set are removed")
    for name, _ in labels:
        if name.startswith(OURS):
            text = "is written by the cell itself"
            fields.fault_below("labels", name, text, f"choose one that does not begin with {OURS}")
        if name in removed:
            fields.fault_below("labels", name, "is removed as well", "decide for one")
    actor, why = read_said(fields, is_required=True)
    return MemberLabelled(member_id, labels, tuple(sorted(set(removed))), actor, why)


def encode_label_member(
    member_id: str, labels: Mapping[str, str], removed: Sequence[str], actor: str, why: str
) -> bytes:
    """The value that writes labels on a process, and removes others."""
    record = {"type": "LabelMember", "memberId": member_id, "labels": dict(labels)}
    return msgspec.json.encode({**record, "removed": list(removed), "actor": actor, "why": why})
