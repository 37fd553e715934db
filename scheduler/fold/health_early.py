"""Verdicts about hosts of which the cell has heard nothing yet.

The one thing to know: a detector says a thing once, and may say it before the first offer of the
host is in the log, as when all begins at once. Such verdicts wait here for that offer, as long as
verdicts hold. Most of them are about hosts of other cells, so only some are kept.
"""

from typing import Final

from msgspec.structs import replace

from scheduler.fold.context import Fold
from scheduler.model.health import EVIDENCE_TEXT_MAX
from scheduler.model.host_health import EVIDENCE_KEPT_MAX, HeardVerdict, HostHealth
from scheduler.model.ids import HostId

EARLY_MAX: Final = 256
"""Names; beyond, the one that was heard first is forgotten."""
DETECTORS_EARLY_MAX: Final = 8
"""Of one name."""


def heard_early(fold: Fold, name: str, verdict: HeardVerdict) -> None:
    """Keep the verdict until a host of this name or id is there, in place of the one before."""
    early = fold.state.early_health
    known = early.pop(name, None)
    others = [each for each in known.verdicts if each.detector != verdict.detector] if known else []
    if verdict.standing != "well":
        evidence = tuple(
            replace(each, text=each.text[:EVIDENCE_TEXT_MAX])
            for each in verdict.evidence[:EVIDENCE_KEPT_MAX]
        )
        others = [*others, replace(verdict, evidence=evidence)][-DETECTORS_EARLY_MAX:]
    if others:
        early[name] = HostHealth(verdicts=tuple(others))
    fold.touch("early health", name)
    while len(early) > EARLY_MAX:
        oldest = next(iter(early))
        del early[oldest]
        fold.touch("early health", oldest)


def taken_early(fold: Fold, host_id: HostId) -> list[HeardVerdict]:
    """What was said of the host before it was known and still holds; it waits no longer."""
    state, found = fold.state, list[HeardVerdict]()
    for name in dict.fromkeys((str(host_id), state.hostname(host_id))):
        known = state.early_health.pop(name, None)
        if known is not None:
            fold.touch("early health", name)
            found += [each for each in known.verdicts if each.until_ms > state.clock.now_ms]
    return found
