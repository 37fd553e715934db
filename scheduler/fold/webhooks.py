"""Webhooks in the log: set, removed, paused, tested, and what their process says of them.

The one thing to know: nothing is sent here. The fold keeps who wants to hear what; a receiver that
failed for too long is paused by its process' word, which pages.
"""

from msgspec.structs import replace

from scheduler.fold.context import Fold
from scheduler.fold.safe import page_once
from scheduler.model.address import Source
from scheduler.model.changes import JobRejected, RequestAccepted
from scheduler.model.inbound import Fault
from scheduler.model.webhooks import (
    WEBHOOKS_MAX,
    Webhook,
    WebhookNoted,
    WebhookPaused,
    WebhookRemoved,
    WebhookSet,
    WebhookTest,
    WebhookTested,
)


def webhook_set(fold: Fold, source: Source, body: WebhookSet) -> None:
    """Have events sent to a URL; one that is there goes on where it was."""
    state = fold.state
    known = state.webhooks.get(body.name)
    fault = _version_fault(known, body.if_version)
    if fault is None and known is None and len(state.webhooks) >= WEBHOOKS_MAX:
        text = f"is one more than the {WEBHOOKS_MAX} webhooks that a cell may have"
        fault = Fault("name", text, "remove one, or have one receiver share", code="limit")
    if fault is not None:
        fold.report(JobRejected(source=source, faults=(fault,)))
        return
    now_ms = state.clock.now_ms
    fresh = Webhook(
        name=body.name,
        url=body.url,
        wanted=body.wanted,
        secret=body.secret,
        pause_after_s=body.pause_after_s,
        created_generation=state.generation,
        created_offset=fold.offset,
        created_at_ms=now_ms,
        actor=body.actor,
        why=body.why,
    )
    if known is not None:
        fresh = replace(
            fresh,
            created_generation=known.created_generation,
            created_offset=known.created_offset,
            created_at_ms=known.created_at_ms,
            version=known.version + 1,
            is_paused=known.is_paused,
            paused_by=known.paused_by,
            pause_why=known.pause_why,
        )
    _keep(fold, fresh)
    fold.report(RequestAccepted(source=source, what="set webhook"))


def webhook_removed(fold: Fold, source: Source, body: WebhookRemoved) -> None:
    """End a webhook."""
    known = _known(fold, source, body.name, body.if_version)
    if known is None:
        return
    del fold.state.webhooks[body.name]
    fold.touch("webhook", body.name)
    fold.report(RequestAccepted(source=source, what="remove webhook"))


def webhook_paused(fold: Fold, source: Source, body: WebhookPaused) -> None:
    """Have nothing sent for now, or have it go on where it stopped."""
    known = _known(fold, source, body.name, None)
    if known is None:
        return
    if known.is_paused != body.is_paused:
        by, why = (body.actor, body.why) if body.is_paused else ("", "")
        fresh = replace(known, is_paused=body.is_paused, paused_by=by, pause_why=why)
        # A receiver that was given up is looked at with fresh eyes.
        fresh = replace(fresh, standing="", detail="", standing_since_ms=0)
        _keep(fold, replace(fresh, version=known.version + 1))
    word = "pause webhook" if body.is_paused else "resume webhook"
    fold.report(RequestAccepted(source=source, what=word))


def webhook_tested(fold: Fold, source: Source, body: WebhookTested) -> None:
    """Have one event sent by which the receiver can be tried."""
    known = _known(fold, source, body.name, None)
    if known is None:
        return
    _keep(fold, replace(known, test=WebhookTest(fold.offset)))
    fold.report(RequestAccepted(source=source, what="test webhook"))


def webhook_noted(fold: Fold, source: Source, body: WebhookNoted) -> None:
    """Take the sender's word for how it goes; of a webhook that is no more it is none."""
    known = fold.state.webhooks.get(body.name)
    fold.report(RequestAccepted(source=source, what="note webhook"))
    if known is None or known.created_offset != body.created_offset:
        return
    fresh = known
    if known.test is not None and known.test.offset == body.test_offset:
        test = replace(known.test, state="good" if body.is_test_good else "bad")
        fresh = replace(known, test=replace(test, detail=body.detail))
    elif body.standing and not known.is_paused:
        now_ms = fold.state.clock.now_ms
        is_news = body.standing != known.standing
        since_ms = now_ms if is_news else known.standing_since_ms
        fresh = replace(
            known, standing=body.standing, detail=body.detail, standing_since_ms=since_ms
        )
        if body.standing == "paused":
            fresh = replace(
                fresh,
                is_paused=True,
                paused_by=body.actor,
                pause_why=body.detail,
                version=known.version + 1,
            )
            page_once(
                fold,
                "webhook",
                body.name,
                what=f"webhook {body.name} is paused: its receiver failed for too long",
                why=f"{body.detail}. Events are kept for seven days; once the receiver answers, "
                f"`flumina webhook resume {body.name}` sends what it missed",
            )
    if fresh is not known:
        _keep(fold, fresh)


def _known(fold: Fold, source: Source, name: str, version: int | None) -> Webhook | None:
    """The webhook, or None after a refusal."""
    known = fold.state.webhooks.get(name)
    if known is None:
        fault = Fault("name", f"no webhook {name}", "see `flumina webhook list`", code="unknown")
    else:
        found = _version_fault(known, version)
        if found is None:
            return known
        fault = found
    fold.report(JobRejected(source=source, faults=(fault,)))
    return None


def _version_fault(known: Webhook | None, wanted: int | None) -> Fault | None:
    version = 0 if known is None else known.version
    if wanted is None or wanted == version:
        return None
    if wanted == 0 and known is not None:
        text, hint = f"webhook {known.name} is there", "change it by PUT, or choose another name"
        return Fault("name", text, hint, code="taken")
    text = f"is {wanted}, and the webhook has version {version}"
    return Fault("ifVersion", text, "read it and decide anew", code="version")


def _keep(fold: Fold, webhook: Webhook) -> None:
    fold.state.webhooks[webhook.name] = webhook
    fold.touch("webhook", webhook.name)
