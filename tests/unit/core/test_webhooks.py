"""Webhooks in the log: set, paused, tested, noted, and paged about when they are given up.

How: requests are copied into the log of a cell in memory; its invariants hold after every record.
"""

import pytest

from scheduler.model.changes import CellPaged, JobRejected
from scheduler.model.foreign import decode_commands_record
from scheduler.model.foreign_webhooks import (
    encode_note_webhook,
    encode_pause_webhook,
    encode_remove_webhook,
    encode_set_webhook,
    encode_test_webhook,
    url_check,
)
from scheduler.model.inbound import InboundBody, InboundRejected
from scheduler.model.webhooks import (
    WEBHOOKS_MAX,
    WebhookFilter,
    WebhookNoted,
    WebhookPaused,
    WebhookRemoved,
    WebhookSet,
    WebhookTested,
)
from tests.support.cell import CellInMemory, running_cell

URL = "https://hooks.example.com/flumina?team=a"


def asked(cell: CellInMemory, body: InboundBody) -> str:
    """The code of the refusal, or empty."""
    cell.copy("commands", body)
    faults = [each.faults[0] for each in cell.said_last() if isinstance(each, JobRejected)]
    return faults[0].code or "content" if faults else ""


def set_body(name: str = "deploys", if_version: int | None = None, url: str = URL) -> WebhookSet:
    return WebhookSet(name, url, WebhookFilter(), "op", "test", if_version=if_version)


def test_a_webhook_is_set_changed_and_removed() -> None:
    cell = running_cell()
    assert asked(cell, set_body(if_version=0)) == ""
    first = cell.state.webhooks["deploys"]
    assert (first.url, first.version, first.is_paused) == (URL, 1, False)
    assert asked(cell, set_body(if_version=0)) == "taken"
    assert asked(cell, set_body(if_version=7)) == "version"
    assert asked(cell, set_body(if_version=1, url="https://b.example.com/")) == ""
    second = cell.state.webhooks["deploys"]
    assert (second.url, second.version) == ("https://b.example.com/", 2)
    assert second.created_offset == first.created_offset
    assert cell.refolded().digest.value() == cell.machine.digest.value()
    assert asked(cell, WebhookRemoved("deploys", "op", "x", if_version=1)) == "version"
    assert asked(cell, WebhookRemoved("deploys", "op", "x")) == ""
    assert asked(cell, WebhookRemoved("deploys", "op", "x")) == "unknown"
    assert not cell.state.webhooks
    assert cell.refolded().digest.value() == cell.machine.digest.value()


def test_a_cell_has_only_so_many() -> None:
    cell = running_cell()
    assert not any(asked(cell, set_body(f"w-{each}")) for each in range(WEBHOOKS_MAX))
    assert asked(cell, set_body("w-more")) == "limit"
    assert asked(cell, set_body("w-1")) == ""


def test_what_is_given_up_is_paused_with_a_page_and_goes_on_by_an_operators_word() -> None:
    cell = running_cell()
    asked(cell, set_body())
    created = cell.state.webhooks["deploys"].created_offset
    assert asked(cell, WebhookNoted("deploys", created, "failing", "answered 503")) == ""
    found = cell.state.webhooks["deploys"]
    assert (found.standing, found.detail, found.is_paused) == ("failing", "answered 503", False)
    assert not cell.said(CellPaged)
    asked(cell, WebhookNoted("deploys", created, "paused", "answered 503 for 6 h", actor="w"))
    found = cell.state.webhooks["deploys"]
    assert (found.is_paused, found.paused_by) == (True, "w")
    (page,) = cell.said(CellPaged)
    assert (page.kind, page.key) == ("webhook", "deploys")
    # What comes late changes nothing of what an operator sees.
    asked(cell, WebhookNoted("deploys", created, "delivering"))
    assert cell.state.webhooks["deploys"].standing == "paused"
    version = cell.state.webhooks["deploys"].version
    assert asked(cell, WebhookPaused("deploys", is_paused=False, actor="op", why="mended")) == ""
    found = cell.state.webhooks["deploys"]
    assert found.version == version + 1
    assert (found.is_paused, found.paused_by, found.standing) == (False, "", "")
    assert cell.refolded().digest.value() == cell.machine.digest.value()


def test_what_is_said_of_a_webhook_that_is_no_more_counts_for_nothing() -> None:
    cell = running_cell()
    asked(cell, set_body())
    created = cell.state.webhooks["deploys"].created_offset
    asked(cell, WebhookRemoved("deploys", "op", "x"))
    assert asked(cell, WebhookNoted("deploys", created, "failing")) == ""
    asked(cell, set_body())
    asked(cell, WebhookNoted("deploys", created, "paused"))
    assert not cell.state.webhooks["deploys"].is_paused


def test_a_test_is_asked_for_and_answered_once() -> None:
    cell = running_cell()
    assert asked(cell, WebhookTested("deploys", "op", "try")) == "unknown"
    asked(cell, set_body())
    created = cell.state.webhooks["deploys"].created_offset
    assert asked(cell, WebhookTested("deploys", "op", "try")) == ""
    test = cell.state.webhooks["deploys"].test
    assert test is not None
    assert test.state == "asked"
    asked(cell, WebhookNoted("deploys", created, test_offset=test.offset - 1, is_test_good=True))
    assert cell.state.webhooks["deploys"].test == test
    noted = WebhookNoted("deploys", created, "", "204", test.offset, is_test_good=True)
    asked(cell, noted)
    found = cell.state.webhooks["deploys"].test
    assert found is not None
    assert (found.state, found.detail) == ("good", "204")


def test_each_record_is_read_as_it_was_written() -> None:
    entry = {
        "url": URL,
        "filter": {"jobIds": ["b", "a"], "applications": ["web"], "kinds": ["TaskChanged"]},
        "secret": "env:CI",
        "pauseAfterS": 600,
    }
    wanted = WebhookFilter(("a", "b"), ("web",), ("TaskChanged",))
    said = ("op", "test")
    assert decode_commands_record(None, encode_set_webhook("d", entry, *said, 2)) == WebhookSet(
        "d", URL, wanted, *said, "env:CI", 600, 2
    )
    removed = decode_commands_record(None, encode_remove_webhook("d", *said, 3))
    assert removed == WebhookRemoved("d", *said, 3)
    paused = decode_commands_record(None, encode_pause_webhook("d", False, *said))
    assert paused == WebhookPaused("d", False, *said)
    tested = decode_commands_record(None, encode_test_webhook("d", *said))
    assert tested == WebhookTested("d", *said)
    noted = encode_note_webhook("d", 7, "failing", "why", "me", 9, is_test_good=True)
    assert decode_commands_record(None, noted) == WebhookNoted(
        "d", 7, "failing", "why", 9, is_test_good=True, actor="me"
    )


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"url": "ftp://a/"}, "url"),
        ({"url": URL, "filter": {"kinds": ["TaskChange"]}}, "filter.kinds"),
        ({"url": URL, "filter": {"states": ["Running"]}}, "filter.states"),
        ({"url": URL, "filter": {"states": "Finished"}}, "filter.states"),
        ({"url": URL, "filter": {"hosts": []}}, "filter.hosts"),
        ({"url": URL, "secret": "hunter2"}, "secret"),
        ({"url": URL, "secret": "file:../../etc/shadow"}, "secret"),
        ({"url": URL, "pauseAfterS": 1}, "pauseAfterS"),
        ({"url": URL, "more": 1}, "more"),
        ({}, "url"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(entry: dict[str, object], field: str) -> None:
    found = decode_commands_record(None, encode_set_webhook("d", entry, "op", "test"))
    assert isinstance(found, InboundRejected)
    assert [each.field for each in found.faults] == [field]


@pytest.mark.parametrize(
    "url",
    ["https://user:word@a/", "https://a/#x", "https://a:0/", "https://a b/", "//a", "https://[::1"],
)
def test_no_address_of_a_receiver(url: str) -> None:
    assert url_check(url) is not None


def test_addresses_of_receivers() -> None:
    for url in (URL, "http://127.0.0.1:8000", "https://[2001:db8::1]:8443/a"):
        assert url_check(url) is None
