"""An operator has the leader stop: said in the log, obeyed by whoever leads by that epoch.

The one thing to know: the fold only remembers the epoch. The leader reads it back like everything
it acts on, ends its process (`streams.cell.lead`), and the next election is by the group's
assignment as always; where no other candidate is there, it may be the same process again.
"""

from scheduler.fold.context import Fold
from scheduler.model.address import Source
from scheduler.model.changes import JobRejected, RequestAccepted
from scheduler.model.inbound import Fault, LeaderDismissed


def leader_dismissed(fold: Fold, source: Source, body: LeaderDismissed) -> None:
    """Remember that who leads by this epoch shall stop; another epoch is not meant."""
    state = fold.state
    if body.epoch != state.epoch:
        text = f"is {body.epoch}, and who leads was elected at {state.epoch}"
        fault = Fault("epoch", text, "look who leads now, and ask again", code="version")
        fold.report(JobRejected(source=source, faults=(fault,)))
        return
    state.dismissed_epoch = body.epoch
    fold.report(RequestAccepted(source=source, what="dismiss leader"))
