"""The receivers of alerts: a desk for each, that dedupes, limits, retries and never blocks.

The one thing to know: a notice's name says what it is about, so it is claimed in the store before
it is sent (`streams.pages.desk`): a process that starts again, and a second one of the same cell,
find what was sent. Whoever has FLUMINA_PAGE_URL set is told of alerts that page without a rule.
"""

from typing import Final

import structlog

from connectors.alerts.translate import AlertPage
from connectors.alerts.webhook import AlertWebhook
from connectors.pager.client import Webhook
from connectors.pager.translate import Page
from connectors.ports import ObjectStore
from connectors.webhooks.client import Sender
from connectors.webhooks.secrets import Secrets
from projections.alerts.book import Notice
from projections.alerts.measures import Labels
from projections.alerts.rules import Receiver
from streams.alerts.metrics import AlertMetrics
from streams.pages.desk import Desk
from streams.pages.desk import Receiver as Sends
from streams.settings import Settings

logger = structlog.get_logger(__name__)

PAGER: Final = "pager"
"""The receiver of FLUMINA_PAGE_URL; only what pages goes there."""


class AlertLog:
    """The log of the process as a receiver."""

    def send(self, page: Page, at_ms: int) -> None:
        """Write one line."""
        assert isinstance(page, AlertPage)
        logger.warning(
            "alert",
            rule=page.rule,
            state=page.state,
            severity=page.severity,
            labels=page.labels,
            value=page.value,
            condition=page.condition,
            what=page.what,
            why=page.why,
            fired_at_ms=page.fired_at_ms,
            sent_at_ms=at_ms,
        )


def opened(receiver: Receiver, settings: Settings) -> Sends:
    """What sends to a receiver."""
    match receiver.kind:
        case "webhook":
            return AlertWebhook(
                receiver.name,
                receiver.target,
                receiver.secret,
                Sender(settings.webhook_networks),
                Secrets(settings.webhook_secrets),
            )
        case "sns":
            # boto3 is some 40 MiB: only who uses AWS pays for it.
            from connectors.alerts.sns import SnsTopic  # noqa: PLC0415

            return SnsTopic(receiver.target)
        case "log":
            return AlertLog()


class Receivers:
    """All receivers of one process; other rules may change them while it runs."""

    def __init__(
        self, settings: Settings, store: ObjectStore | None, metrics: AlertMetrics
    ) -> None:
        self._settings, self._store, self._metrics = settings, store, metrics
        self._desks: dict[str, tuple[Receiver | None, Desk]] = {}
        if settings.page_url:
            pager = Webhook(settings.page_url, settings.page_secret or "")
            self._desks[PAGER] = None, self._desk(PAGER, pager)

    def use(self, receivers: tuple[Receiver, ...]) -> None:
        """Tell these from now on; blocks while desks that are gone end."""
        wanted = {each.name: each for each in receivers}
        for name, (known, desk) in list(self._desks.items()):
            if known is not None and wanted.get(name) != known:
                desk.close()
                del self._desks[name]
        for name, receiver in wanted.items():
            if name not in self._desks:
                sends = opened(receiver, self._settings)
                # Each process has a log of its own: there is nothing to claim.
                is_shared = receiver.kind != "log"
                self._desks[name] = receiver, self._desk(name, sends, is_shared=is_shared)

    def put(self, notice: Notice, cell: str, cell_uuid: str) -> None:
        """Have a notice sent to whom its rule names; never waits."""
        for name, (receiver, desk) in self._desks.items():
            is_named = name in notice.receivers if notice.receivers else True
            if receiver is None and not notice.receivers:
                is_named = notice.severity == "page"
            if is_named:
                desk.put(page_of(notice, cell, f"{cell_uuid}|alert|{name}"))

    def close(self) -> None:
        """End all desks; a notice that waits is sent by the next start."""
        for _, desk in self._desks.values():
            desk.close()
        self._desks.clear()

    def _desk(self, name: str, sends: Sends, *, is_shared: bool = True) -> Desk:
        store = self._store if is_shared else None
        return Desk(self._settings.cell, sends, store, self._metrics.of(name))


def page_of(notice: Notice, cell: str, prefix: str) -> AlertPage:
    """A notice as the page of one receiver."""
    over = "is over: " if notice.state == "resolved" else ""
    why = f"{notice.condition}; it is {notice.value}"
    if notice.members > 1:
        why += f" at worst of {notice.members}"
    if notice.note:
        why += f". {notice.note}"
    if notice.runbook:
        why += f". {notice.runbook} says what to do"
    return AlertPage(
        id=f"{prefix}|{notice.id}",
        what=f"{over}{notice.summary}",
        why=why,
        kind="alert",
        cell=cell,
        process="alerts",
        at_ms=notice.at_ms,
        state=notice.state,
        key=notice.key,
        rule=notice.rule,
        severity=notice.severity,
        labels=_shown(notice.labels),
        condition=notice.condition,
        value=notice.value,
        fired_at_ms=notice.fired_ms,
        number=notice.number,
        members=notice.members,
        runbook=notice.runbook,
    )


def _shown(labels: Labels) -> dict[str, str]:
    return {name: value for name, value in labels if value}
