"""Records of topic ``commands`` about webhooks, read and written.

The one thing to know: `scheduler.model.foreign` hooks the readers in; each encoder stands beside
the reader of what it writes. A URL with a name and password in it is refused: it would stand in
the log.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, get_args
from urllib.parse import urlsplit

import msgspec

from scheduler.model.changes import Change
from scheduler.model.reading.checks import Complaint, name_check, pattern_check
from scheduler.model.reading.faults import nearest_name, shown, shown_text
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.requests import VERSION_MAX, read_said
from scheduler.model.webhooks import (
    DETAIL_CHARACTERS_MAX,
    FILTER_NAMES_MAX,
    PAUSE_AFTER_S,
    PAUSE_AFTER_S_MAX,
    URL_BYTES_MAX,
    WebhookFilter,
    WebhookNoted,
    WebhookPaused,
    WebhookRemoved,
    WebhookRequest,
    WebhookSet,
    WebhookStanding,
    WebhookTested,
)

KINDS: Final = tuple(sorted(kind.__name__ for kind in get_args(Change)))
"""All kinds of events."""
STATES: Final = (
    "Accepted",
    "Launched",
    "StartInitiated",
    "Started",
    "Disconnected",
    "KillInitiated",
    "Finished",
)
PAUSE_AFTER_S_MIN: Final = 60
_STANDINGS: Final[dict[str, WebhookStanding]] = {each: each for each in get_args(WebhookStanding)}
NAME_CHECK: Final = pattern_check("[a-z0-9][a-z0-9-]{0,62}", 63, "deploys")
SECRET_CHECK: Final = pattern_check("(env|file):[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", 105, "env:CI")
_NAME_MAX: Final = 255
_WORD: Final = name_check(_NAME_MAX)
_URL_CHARACTERS: Final = pattern_check("[!-~]+", URL_BYTES_MAX, "https://hooks.example.com/flumina")
_OFFSET_MAX: Final = 2**63 - 1


def url_check(text: str) -> Complaint | None:
    """What is wrong with ``text`` as the address of a receiver."""
    complaint = _URL_CHARACTERS(text)
    if complaint is not None:
        return complaint
    example = "like https://hooks.example.com/flumina"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        return (f"is {shown_text(text)}, no URL: {error}", example)
    if parts.scheme not in {"https", "http"} or not parts.hostname or port == 0:
        return (f"is {shown_text(text)}, no address of a receiver", example)
    if parts.username is not None or parts.password is not None:
        return ("names a user, and would stand in the log", "sign by a secret instead")
    if parts.fragment:
        return ("has a fragment, which is never sent", "leave out what begins with #")
    return None


def _choice(fields: Fields, name: str, known: Sequence[str]) -> tuple[str, ...]:
    found = fields.texts(name, _WORD, FILTER_NAMES_MAX, FILTER_NAMES_MAX * _NAME_MAX)
    for each in found:
        if each not in known:
            fields.fault(name, f"names {shown_text(each)}", nearest_name(each, known))
    return tuple(sorted(set(found)))


def _words(fields: Fields, name: str) -> tuple[str, ...]:
    found = fields.texts(name, _WORD, FILTER_NAMES_MAX, FILTER_NAMES_MAX * _NAME_MAX)
    return tuple(sorted(set(found)))


def _filter(fields: Fields) -> WebhookFilter:
    inner = fields.inner_if_given("filter")
    if inner is None:
        return WebhookFilter()
    wanted = WebhookFilter(
        job_ids=_words(inner, "jobIds"),
        applications=_words(inner, "applications"),
        kinds=_choice(inner, "kinds", KINDS),
        states=_choice(inner, "states", STATES),
    )
    inner.close()
    return wanted


def _version(fields: Fields) -> int | None:
    return fields.whole("ifVersion", 0, VERSION_MAX) if fields.has("ifVersion") else None


def _set(fields: Fields) -> WebhookSet:
    return WebhookSet(
        name=fields.text("name", NAME_CHECK),
        url=fields.text("url", url_check),
        wanted=_filter(fields),
        secret=fields.text("secret", SECRET_CHECK, default=""),
        pause_after_s=fields.whole(
            "pauseAfterS", PAUSE_AFTER_S_MIN, PAUSE_AFTER_S_MAX, default=PAUSE_AFTER_S, unit=" s"
        ),
        if_version=_version(fields),
        **_said(fields),
    )


def _said(fields: Fields) -> dict[str, str]:
    actor, why = read_said(fields, is_required=True)
    return {"actor": actor, "why": why}


def _remove(fields: Fields) -> WebhookRemoved:
    name, version = fields.text("name", NAME_CHECK), _version(fields)
    return WebhookRemoved(name, if_version=version, **_said(fields))


def _pause(fields: Fields) -> WebhookPaused:
    name = fields.text("name", NAME_CHECK)
    is_paused = fields.truth("paused", default=True)
    return WebhookPaused(name, is_paused, **_said(fields))


def _test(fields: Fields) -> WebhookTested:
    return WebhookTested(fields.text("name", NAME_CHECK), **_said(fields))


def _note(fields: Fields) -> WebhookNoted:
    name = fields.text("name", NAME_CHECK)
    created_offset = fields.whole("createdOffset", 0, _OFFSET_MAX)
    given = fields.raw("standing") or ""
    standing = _STANDINGS.get(given) if isinstance(given, str) else None
    if standing is None:
        fields.fault("standing", f"is {shown(given)}", "delivering, failing or paused")
    detail = fields.raw("detail") or ""
    if not isinstance(detail, str) or len(detail) > DETAIL_CHARACTERS_MAX:
        fields.fault("detail", "is no text, or too long", f"{DETAIL_CHARACTERS_MAX} characters")
        detail = ""
    test_offset = fields.whole("testOffset", -1, _OFFSET_MAX, default=-1)
    is_good = fields.truth("testGood", default=False)
    actor, why = read_said(fields)
    return WebhookNoted(
        name, created_offset, standing or "", detail, test_offset, is_good, actor, why
    )


WEBHOOK_REQUESTS: Final[Mapping[str, Callable[[Fields], WebhookRequest]]] = {
    "SetWebhook": _set,
    "RemoveWebhook": _remove,
    "PauseWebhook": _pause,
    "TestWebhook": _test,
    "NoteWebhook": _note,
}


def encode_set_webhook(
    name: str, entry: Mapping[str, Any], actor: str, why: str, if_version: int | None = None
) -> bytes:
    """The value that has events sent; ``entry`` has url, filter, secret and pauseAfterS."""
    version = {} if if_version is None else {"ifVersion": if_version}
    return _encoded("SetWebhook", name, actor, why, {**entry, **version})


def encode_remove_webhook(name: str, actor: str, why: str, if_version: int | None = None) -> bytes:
    """The value that ends a webhook."""
    version = {} if if_version is None else {"ifVersion": if_version}
    return _encoded("RemoveWebhook", name, actor, why, version)


def encode_pause_webhook(name: str, is_paused: bool, actor: str, why: str) -> bytes:
    """The value that has nothing sent for now, or has it go on."""
    return _encoded("PauseWebhook", name, actor, why, {"paused": is_paused})


def encode_test_webhook(name: str, actor: str, why: str) -> bytes:
    """The value that has one event sent to try the receiver."""
    return _encoded("TestWebhook", name, actor, why, {})


def encode_note_webhook(  # noqa: PLR0917 - the fields of a record, in their order
    name: str,
    created_offset: int,
    standing: WebhookStanding,
    detail: str,
    actor: str,
    test_offset: int = -1,
    is_test_good: bool = False,
) -> bytes:
    """The value by which the process that sends says how it goes."""
    entry: dict[str, object] = {"createdOffset": created_offset, "standing": standing}
    entry["detail"] = detail[:DETAIL_CHARACTERS_MAX]
    if test_offset >= 0:
        entry |= {"testOffset": test_offset, "testGood": is_test_good}
    return _encoded("NoteWebhook", name, actor, "", entry)


def _encoded(kind: str, name: str, actor: str, why: str, entry: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({"type": kind, "name": name, **entry, "actor": actor, "why": why})
