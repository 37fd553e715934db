"""Records of topic ``commands`` about healing, read and written.

The one thing to know: `scheduler.model.foreign` hooks the readers in; each encoder stands beside
the reader of what it writes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast, get_args

import msgspec

from scheduler.model.healing import HealingOrdered, HealingRequest, RunbooksAsked, RunVerb
from scheduler.model.healing_document import NAME_CHECK, read_runbooks
from scheduler.model.ids import HostId
from scheduler.model.reading.checks import name_check, pattern_check
from scheduler.model.reading.faults import nearest_name
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.requests import read_said

RUN_ID_CHECK: Final = pattern_check(r"heal-[0-9]+\.[0-9]+\.[0-9]+", 64, "heal-1042.0.0")
HOST_CHECK: Final = name_check(255)
VERBS: Final[tuple[RunVerb, ...]] = get_args(RunVerb)


def _set_runbooks(fields: Fields) -> RunbooksAsked:
    return RunbooksAsked(read_runbooks(fields), *read_said(fields, is_required=True))


def _order(fields: Fields) -> HealingOrdered:
    verb = fields.raw("verb")
    if verb not in VERBS:
        hint = nearest_name(verb if isinstance(verb, str) else "", VERBS)
        fields.fault("verb", "is none of " + ", ".join(VERBS), hint)
    is_of_run, is_of_host = verb in {"approve", "stop"}, verb in {"start", "release"}
    actor, why = read_said(fields, is_required=True)
    return HealingOrdered(
        verb=cast("RunVerb", verb),
        actor=actor,
        why=why,
        run_id=fields.text("runId", RUN_ID_CHECK) if is_of_run else "",
        runbook="" if is_of_run or verb == "release" else fields.text("runbook", NAME_CHECK),
        host_id=HostId(fields.text("hostId", HOST_CHECK)) if is_of_host else None,
        is_dry_run=fields.truth("dryRun", default=False) if verb == "start" else False,
    )


HEALING_REQUESTS: Final[Mapping[str, Callable[[Fields], HealingRequest]]] = {
    "SetRunbooks": _set_runbooks,
    "OrderHealing": _order,
}


def encode_set_runbooks(runbooks: Sequence[Mapping[str, Any]], actor: str, why: str) -> bytes:
    """The value that sets all runbooks, each as its document has it."""
    record = {"type": "SetRunbooks", "runbooks": list(runbooks), "actor": actor, "why": why}
    return msgspec.json.encode(record)


def encode_order_healing(
    verb: str,
    actor: str,
    why: str,
    *,
    run_id: str = "",
    runbook: str = "",
    host_id: str = "",
    is_dry_run: bool = False,
) -> bytes:
    """The value that starts, approves or stops a run, or lets a runbook run again."""
    given = {"runId": run_id, "runbook": runbook, "hostId": host_id}
    record: dict[str, Any] = {"type": "OrderHealing", "verb": verb, "actor": actor, "why": why}
    record |= {name: value for name, value in given.items() if value}
    return msgspec.json.encode(record | ({"dryRun": True} if is_dry_run else {}))
