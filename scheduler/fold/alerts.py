"""What operators say about alerts, in the log.

The one thing to know: nothing of the cell changes. Alerts are folds beside the cell
(`projections.alerts`) by rules that are not in the log; what is here is who said what, and when.
"""

from scheduler.fold.context import Fold
from scheduler.model.address import Source
from scheduler.model.alerts import AlertAcknowledged, AlertsSilenced, AlertsUnsilenced
from scheduler.model.changes import RequestAccepted


def alerts_silenced(fold: Fold, source: Source, _: AlertsSilenced) -> None:
    """Answer that nothing is sent of alerts that match."""
    fold.report(RequestAccepted(source=source, what="silence alerts"))


def alerts_unsilenced(fold: Fold, source: Source, _: AlertsUnsilenced) -> None:
    """Answer that a silence is over."""
    fold.report(RequestAccepted(source=source, what="unsilence alerts"))


def alert_acknowledged(fold: Fold, source: Source, _: AlertAcknowledged) -> None:
    """Answer that somebody looks at an alert."""
    fold.report(RequestAccepted(source=source, what="acknowledge alert"))
