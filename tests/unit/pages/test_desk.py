"""Pages on their way to a real HTTP server of this computer: once, again, limited, signed."""

import hmac
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from connectors.objects.directory import DirectoryStore
from connectors.pager.client import Webhook
from connectors.pager.translate import TEXT_CHARACTERS_MAX, Page, body_of
from connectors.ports import ObjectStore, StoreFailed
from streams.pages.desk import Desk, DeskLimits
from streams.pages.metrics import PageMetrics
from tests.support.webhook import Receiver, receiver

SECRET = "a secret of tests"
QUICK = DeskLimits(retry_s=0.01, retry_s_max=0.05, claim_wait_s=0.2)
PAGE = Page(id="a|1", what="the cell is safe", why="3 orphans", cell="main", process="api")


@pytest.fixture
def webhook() -> Iterator[Receiver]:
    """Where pages arrive."""
    with receiver() as server:
        yield server


@contextmanager
def desk_to(
    url: str | None, store: ObjectStore | None = None, limits: DeskLimits = QUICK
) -> Iterator[tuple[Desk, PageMetrics]]:
    """A desk that sends there, and its metrics."""
    metrics = PageMetrics(CollectorRegistry())
    desk = Desk("main", Webhook(url, SECRET, 1.0) if url else None, store, metrics, limits=limits)
    try:
        yield desk, metrics
    finally:
        desk.close()


def count(metrics: PageMetrics, outcome: str) -> int:
    """How many pages ended so."""
    for family in metrics.pages.collect():
        for sample in family.samples:
            if sample.name.endswith("_total") and sample.labels == {"outcome": outcome}:
                return int(sample.value)
    return 0


def test_a_page_arrives_with_what_it_is_about_and_who_sent_it(webhook: Receiver) -> None:
    with desk_to(webhook.url) as (desk, metrics):
        desk.put(replace(PAGE, tasks=("t-1", "t-2"), tasks_total=12_000, address="main/0a:7[0]"))
        (sent,) = webhook.until(1)
        assert desk.until_idle(5)
        assert count(metrics, "sent") == 1
    assert sent.path == "/page?key=hidden"
    assert sent.json["text"] == "main: the cell is safe. 3 orphans"
    assert (sent.json["tasks"], sent.json["tasksTotal"]) == (["t-1", "t-2"], 12_000)
    assert sent.json["address"] == "main/0a:7[0]"
    signed = hmac.new(
        SECRET.encode(), f"{sent.headers['X-Flumina-Time']}.".encode() + sent.body, sha256
    )
    assert sent.headers["X-Flumina-Signature"] == f"sha256={signed.hexdigest()}"


def test_the_same_page_put_twice_is_sent_once(webhook: Receiver) -> None:
    with desk_to(webhook.url) as (desk, metrics):
        for page in (PAGE, PAGE, replace(PAGE, id="b|2"), PAGE):
            desk.put(page)
        assert desk.until_idle(5)
        assert count(metrics, "repeated") == 2
    assert len(webhook.until(2)) == 2


@pytest.mark.parametrize("first", [500, 503, 429, 400, 302, None])
def test_what_was_not_taken_is_sent_again_under_the_same_key(
    webhook: Receiver, first: int | None
) -> None:
    webhook.statuses = [first, 500]
    with desk_to(webhook.url) as (desk, metrics):
        desk.put(PAGE)
        sent = webhook.until(3)
        assert desk.until_idle(5)
        assert count(metrics, "sent") == 1
    assert len({each.headers["Idempotency-Key"] for each in sent}) == 1


def test_who_never_takes_it_is_given_up_and_the_next_page_is_sent(webhook: Receiver) -> None:
    webhook.statuses = [500] * 3
    with desk_to(webhook.url, limits=replace(QUICK, give_up_s=0.0)) as (desk, metrics):
        desk.put(PAGE)
        assert desk.until_idle(5)
        assert count(metrics, "failed") == 1
        webhook.statuses = []
        desk.put(replace(PAGE, id="b|2"))
        assert desk.until_idle(5)
        assert count(metrics, "sent") == 1


def test_a_flood_is_sent_at_the_limits_pace(webhook: Receiver) -> None:
    limits = replace(QUICK, sent_per_minute_max=5, waiting_max=20)
    with desk_to(webhook.url, limits=limits) as (desk, metrics):
        for number in range(100):
            desk.put(replace(PAGE, id=str(number)))
        webhook.until(5)
        assert not desk.until_idle(0.3)
        assert len(webhook.sent) == 5
        assert count(metrics, "dropped") >= 70


def test_two_processes_that_notice_one_thing_page_once(webhook: Receiver, tmp_path: Path) -> None:
    """Ten things, two processes at the same moment, ten pages."""
    with ExitStack() as both:
        desks = [
            both.enter_context(desk_to(webhook.url, DirectoryStore(tmp_path / "store")))
            for _ in range(2)
        ]
        barrier = threading.Barrier(2)

        def notice(desk: Desk) -> None:
            barrier.wait()
            for number in range(10):
                desk.put(replace(PAGE, id=str(number)))

        threads = [threading.Thread(target=notice, args=(desk,)) for desk, _ in desks]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        for desk, _ in desks:
            assert desk.until_idle(10)
        outcomes = [[count(metrics, name) for _, metrics in desks] for name in ("sent", "repeated")]
        assert [sum(each) for each in outcomes] == [10, 10]
    assert len(webhook.sent) == 10


def test_a_page_whose_claimant_died_is_sent_by_who_is_left(
    webhook: Receiver, tmp_path: Path
) -> None:
    store = DirectoryStore(tmp_path / "store")
    with desk_to(webhook.url, store) as (desk, _):
        store.put_new(f"{desk._key(PAGE)}.claim", b"a process that is no more")
        desk.put(PAGE)
        webhook.until(1)
        assert desk.until_idle(5)
    with desk_to(webhook.url, store) as (desk, metrics):
        desk.put(PAGE)
        assert desk.until_idle(5)
        assert count(metrics, "repeated") == 1
    assert len(webhook.sent) == 1


class FailingStore(DirectoryStore):
    """A store that is away."""

    def put_new(self, key: str, data: bytes) -> None:
        raise StoreFailed(f"{len(data)} bytes of {key} cannot be written: the store is away")


def test_without_the_store_the_page_is_sent_all_the_same(webhook: Receiver, tmp_path: Path) -> None:
    with desk_to(webhook.url, FailingStore(tmp_path / "store")) as (desk, _):
        desk.put(PAGE)
        webhook.until(1)
        assert desk.until_idle(5)


def test_without_a_webhook_pages_are_counted_and_nothing_waits() -> None:
    with desk_to(None) as (desk, metrics):
        desk.put(PAGE)
        assert desk.until_idle(1)
        assert count(metrics, "nowhere") == 1


def test_a_desk_that_closes_sends_what_is_due(webhook: Receiver) -> None:
    with desk_to(webhook.url) as (desk, _):
        desk.put(PAGE)
    assert len(webhook.sent) == 1


def test_the_url_is_never_shown() -> None:
    assert (
        Webhook("https://example.org/hook/secret?key=secret").shown_url == "https://example.org/..."
    )


def test_words_from_outside_can_neither_hide_nor_flood() -> None:
    page = replace(PAGE, why="fine\u202e\x1b[2Jevil" + "x" * 10_000, tasks=("a\nb",) * 500)
    body = body_of(page).decode()
    assert len(body) < 3 * TEXT_CHARACTERS_MAX + 2_000
    assert "\u202e" not in body
    assert "\\u001b" not in body


def test_what_is_kept_of_pages_has_an_age_and_a_number(webhook: Receiver, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    for number in range(6):
        store.put_new(f"pages/main/{number:032x}.sent", b"api")
    store.put_new("pages/other/of-another-cell.sent", b"api")
    week_ago_s = time.time() - 8 * 86_400
    for number in range(2):
        (old,) = tmp_path.rglob(f"{number:032x}.sent")
        os.utime(old, (week_ago_s, week_ago_s))
    for number, kept in enumerate((6, 3)):  # Four that are new, and two of this page itself.
        limits = replace(QUICK, kept_max=10 if number == 0 else 3)
        with desk_to(webhook.url, store, limits) as (desk, _):
            desk.put(replace(PAGE, id=f"new|{number}"))
            assert desk.until_idle(5)
        keys = [each.key for each in store.facts("pages/main/")]
        assert len(keys) == kept
        assert not {f"pages/main/{each:032x}.sent" for each in range(2)} & set(keys)
    assert next(iter(store.facts("pages/other/")), None) is not None
