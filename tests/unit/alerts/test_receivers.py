"""Notices on their way to receivers: webhooks on loopback, SNS as moto has it, the log.

What is sent is what a receiver has, and by whom it is sent makes no difference: a second process
finds in the store what the first has sent.
"""

import json
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import boto3
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from connectors.alerts.sns import SnsTopic
from connectors.objects.directory import DirectoryStore
from connectors.pager.client import PageFailed
from projections.alerts.book import Notice
from projections.alerts.rules import Receiver as To
from streams.alerts.metrics import AlertMetrics
from streams.alerts.receivers import Receivers, page_of
from streams.settings import Settings, settings_of
from tests.support.moto import environment_of, moto_endpoint
from tests.support.webhook import Receiver, receiver

__all__ = ("moto_endpoint",)
SECRET = "a-secret-of-some-length"
NOTICE = Notice(
    id="lag{topic=jobs}|5|firing",
    state="firing",
    key="lag{topic=jobs}",
    rule="lag",
    labels=(("topic", "jobs"),),
    severity="page",
    at_ms=7,
    fired_ms=5,
    condition="consumer_lag above 30 s",
    value="40 s",
    summary="records of topic jobs are old",
    note="",
    runbook="docs/alerts.md#consumer-lag",
    receivers=(),
    offset=9,
)
OVER = msgspec.structs.replace(NOTICE, id="lag{topic=jobs}|5|resolved", state="resolved")


@pytest.fixture
def webhook() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("WEBHOOK_SECRET_OPS", SECRET)
    return settings_of({"FLUMINA_WEBHOOK_NETWORKS": "127.0.0.0/8"})


def receivers_of(settings: Settings, folder: Path, *to: To) -> Receivers:
    found = Receivers(settings, DirectoryStore(folder), AlertMetrics(CollectorRegistry()))
    found.use(to)
    return found


def settled(found: Receivers) -> None:
    for _, desk in found._desks.values():
        assert desk.until_idle(20.0)


def test_a_webhook_gets_a_signed_event_once_whoever_sends_it(
    settings: Settings, webhook: Receiver, tmp_path: Path
) -> None:
    to = To("ops", "webhook", webhook.url, "env:OPS")
    first = receivers_of(settings, tmp_path, to)
    first.put(NOTICE, "main", "uuid")
    (sent,) = webhook.until(1)
    settled(first)
    assert sent.headers["X-Flumina-Signature"].startswith("sha256=")
    assert sent.json["type"] == "flumina.Alert"
    data = sent.json["data"]
    assert (data["state"], data["rule"], data["labels"]) == ("firing", "lag", {"topic": "jobs"})
    assert "docs/alerts.md#consumer-lag" in data["why"]
    second = receivers_of(settings, tmp_path, to)
    second.put(NOTICE, "main", "uuid")
    settled(second)
    second.put(OVER, "main", "uuid")
    over = webhook.until(2)[1]
    settled(second)
    assert over.json["data"]["what"] == "is over: records of topic jobs are old"
    assert len(webhook.sent) == 2
    first.close()
    second.close()


@pytest.mark.slow
def test_a_receiver_that_fails_is_tried_again(
    settings: Settings, webhook: Receiver, tmp_path: Path
) -> None:
    webhook.statuses = [503]
    found = receivers_of(settings, tmp_path, To("ops", "webhook", webhook.url))
    found.put(NOTICE, "main", "uuid")
    webhook.until(2)
    found.close()


def test_an_address_that_nobody_allowed_is_not_connected_to(
    settings: Settings, webhook: Receiver, tmp_path: Path
) -> None:
    shut = msgspec.structs.replace(settings, webhook_networks=(ip_network("10.0.0.0/8"),))
    found = receivers_of(shut, tmp_path, To("ops", "webhook", webhook.url))
    page = page_of(NOTICE, "main", "uuid")
    ((_, desk),) = found._desks.values()
    sends = desk._webhook
    assert sends is not None
    with pytest.raises(PageFailed, match="is not public"):
        sends.send(page, 1)
    assert not webhook.sent
    found.close()


def test_only_what_is_named_is_told_and_the_pager_hears_what_pages(
    settings: Settings, webhook: Receiver, tmp_path: Path
) -> None:
    with receiver() as pager:
        paging = msgspec.structs.replace(settings, page_url=pager.url)
        found = receivers_of(paging, tmp_path, To("ops", "webhook", webhook.url), To("log", "log"))
        found.put(NOTICE, "main", "uuid")
        pager.until(1)
        webhook.until(1)
        quiet = msgspec.structs.replace(NOTICE, id="b", severity="warning", receivers=("log",))
        found.put(quiet, "main", "uuid")
        found.put(msgspec.structs.replace(NOTICE, id="c", severity="warning"), "main", "uuid")
        webhook.until(2)
        settled(found)
        assert (len(pager.sent), len(webhook.sent)) == (1, 2)
        assert pager.sent[0].json["kind"] == "alert"
        found.close()


def test_other_receivers_take_the_place_of_old_ones(
    settings: Settings, webhook: Receiver, tmp_path: Path
) -> None:
    found = receivers_of(settings, tmp_path, To("ops", "webhook", "http://127.0.0.1:9/"))
    found.use((To("ops", "webhook", webhook.url),))
    found.put(NOTICE, "main", "uuid")
    webhook.until(1)
    found.use(())
    found.put(OVER, "main", "uuid")
    assert len(webhook.sent) == 1
    found.close()


def test_sns_gets_the_notice_with_attributes(
    moto_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment_of(moto_endpoint).items():
        monkeypatch.setenv(name, value)
    session = boto3.session.Session(region_name="eu-west-1")
    sns, sqs = session.client("sns"), session.client("sqs")
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="seen")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    arn = attributes["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    SnsTopic(topic).send(page_of(NOTICE, "main", "uuid"), 1)
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    envelope = json.loads(message["Body"])
    assert envelope["Subject"] == "[PAGE] main: records of topic jobs are old"
    assert envelope["MessageAttributes"]["rule"]["Value"] == "lag"
    assert json.loads(envelope["Message"])["firedAtMs"] == 5
    with pytest.raises(PageFailed, match="SNS answered"):
        SnsTopic(f"{topic}-gone").send(page_of(NOTICE, "main", "uuid"), 1)
