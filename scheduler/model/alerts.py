"""What operators say about alerts: be silent about these, I look at that one.

The one thing to know: the cell decides nothing by it. It stands in the log because who silenced
what, when and why is part of every incident's story; the folds of `projections.alerts` read it.
"""

from typing import Final

from scheduler.model.base import Ours

SILENCE_S_MAX: Final = 30 * 24 * 60 * 60
"""A month: what should be silent for longer is a rule to be changed."""
MATCHES_MAX: Final = 16
KEY_BYTES_MAX: Final = 1_024


class AlertsSilenced(Ours, frozen=True):
    """An operator has nothing sent of alerts that match, for so long."""

    name: str
    """By which it is ended; the same name again replaces it."""
    matches: tuple[tuple[str, str], ...]
    """Labels that an alert must have, ``rule`` and ``severity`` among them."""
    for_s: int
    actor: str
    why: str


class AlertsUnsilenced(Ours, frozen=True):
    """An operator ends a silence."""

    name: str
    actor: str
    why: str


class AlertAcknowledged(Ours, frozen=True):
    """An operator looks at an alert that fires: it is not repeated until it ends."""

    key: str
    actor: str
    why: str


AlertRequest = AlertsSilenced | AlertsUnsilenced | AlertAcknowledged
"""All that a record of ``commands`` can say of alerts."""
