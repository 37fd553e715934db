"""Labels of processes in the log.

The one thing to know: the fold knows who leads and nobody else, so any name may have labels, and
only so many names have.
"""

from scheduler.fold.context import Fold
from scheduler.model.address import Source
from scheduler.model.changes import JobRejected, RequestAccepted
from scheduler.model.inbound import Fault
from scheduler.model.membership import LABELS_MAX, MEMBERS_MAX, MemberLabelled


def member_labelled(fold: Fold, source: Source, body: MemberLabelled) -> None:
    """Write labels on a process, and remove others."""
    known = fold.state.member_labels
    labels = dict(known.get(body.member_id, ())) | dict(body.labels)
    for name in body.removed:
        labels.pop(name, None)
    fault = None
    if len(labels) > LABELS_MAX:
        text = f"would be {len(labels)} of {body.member_id}"
        fault = Fault("labels", text, f"{LABELS_MAX} are kept: remove some", code="limit")
    elif labels and body.member_id not in known and len(known) >= MEMBERS_MAX:
        text = f"has no labels, and {MEMBERS_MAX} processes have some"
        fault = Fault("memberId", text, "remove those of processes that are gone", code="limit")
    if fault is not None:
        fold.report(JobRejected(source=source, faults=(fault,)))
        return
    if labels:
        known[body.member_id] = tuple(sorted(labels.items()))
    else:
        known.pop(body.member_id, None)
    fold.touch("member labels", body.member_id)
    fold.report(RequestAccepted(source=source, what="label member"))
