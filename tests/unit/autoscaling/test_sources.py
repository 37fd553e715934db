"""Sources of metrics, and the process' poller before them: values, silence, nonsense, throttling.

How: a small HTTP server plays Prometheus; moto on loopback plays AWS, its throttling through
botocore's own hooks. The poller's sources are real as well.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import boto3
import msgspec
import pytest
from aiohttp import web
from botocore.awsrequest import AWSResponse

from connectors.mesos.usage import TaskUsage
from connectors.metrics.aws import CloudWatch, Queues
from connectors.metrics.prometheus import Prometheus
from connectors.metrics.translate import point_of, usage_readings
from connectors.ports import AskedMetric, MetricFailed, MetricSource, Reading
from scheduler.model.autoscaling import (
    PROMETHEUS_NAMESPACE,
    SQS_NAMESPACE,
    USAGE_NAMESPACE,
    Metric,
    PolicyId,
)
from scheduler.model.ids import JobId
from streams.autoscale.policies import asked_of
from streams.autoscale.poller import CLOUDWATCH, FAILURES_TOLD, Poller
from tests.support.moto import environment_of, moto_endpoint  # noqa: F401 - a fixture

NOW_MS = 1_700_000_000_000


def asked(namespace: str, name: str = "x", period_ms: int = 60_000, **fields: Any) -> AskedMetric:
    metric = Metric(namespace, name, **fields)
    return AskedMetric(PolicyId("p"), 1, JobId("job"), metric, period_ms)


def with_prometheus(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
    story: Callable[[Prometheus], Awaitable[None]],
) -> None:
    async def play() -> None:
        app = web.Application()
        app.router.add_get("/api/v1/query", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        source = Prometheus(f"http://127.0.0.1:{runner.addresses[0][1]}/", answer_s=0.3)
        try:
            await story(source)
        finally:
            await source.close()
            await runner.cleanup()

    asyncio.run(play())


def vector(*values: object) -> dict[str, Any]:
    result = [{"metric": {}, "value": [NOW_MS / 1_000, value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def told_by_prometheus(body: object) -> list[Reading]:
    found: list[Reading] = []
    queries: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        queries.append(request.query["query"])
        return web.json_response(body)

    async def story(source: Prometheus) -> None:
        found.extend(await source.read(asked(PROMETHEUS_NAMESPACE, "sum(rate(a[1m]))"), NOW_MS))

    with_prometheus(answer, story)
    assert queries == ["sum(rate(a[1m]))"]
    return found


def test_prometheus_gives_one_number_or_none() -> None:
    assert told_by_prometheus(vector("41.5")) == [Reading(NOW_MS, 41.5)]
    assert told_by_prometheus(vector()) == []
    scalar = {"status": "success", "data": {"resultType": "scalar", "result": [NOW_MS / 1e3, "3"]}}
    assert told_by_prometheus(scalar) == [Reading(NOW_MS, 3.0)]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (vector("1", "2"), "2 series"),
        ({"status": "error", "error": "parse error"}, "parse error"),
        ({"status": "success", "data": {"resultType": "matrix", "result": []}}, "matrix"),
        (vector("many"), "no time and value"),
        ([], "refused"),
    ],
)
def test_what_is_no_number_of_prometheus_is_a_failure(body: object, why: str) -> None:
    with pytest.raises(MetricFailed, match=why):
        told_by_prometheus(body)


@pytest.mark.slow
def test_a_prometheus_that_is_slow_or_away_is_a_failure() -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(1)
        return web.Response()

    async def story(source: Prometheus) -> None:
        with pytest.raises(MetricFailed, match="did not answer"):
            await source.read(asked(PROMETHEUS_NAMESPACE), NOW_MS)
        away = Prometheus("http://127.0.0.1:9")
        with pytest.raises(MetricFailed, match="cannot be read"):
            await away.read(asked(PROMETHEUS_NAMESPACE), NOW_MS)
        await away.close()

    with_prometheus(never, story)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e13, -1e13])
def test_an_absurd_value_is_no_point(value: float) -> None:
    with pytest.raises(MetricFailed, match="absurd"):
        point_of(asked(PROMETHEUS_NAMESPACE), Reading(NOW_MS, value))


def test_a_queue_and_a_use_are_never_negative() -> None:
    for namespace in (SQS_NAMESPACE, USAGE_NAMESPACE):
        with pytest.raises(MetricFailed, match="negative"):
            point_of(asked(namespace), Reading(NOW_MS, -1.0))


def test_use_is_the_mean_over_the_tasks_that_are_known() -> None:
    def task(number: int, cpu: int | None, job: str = "job") -> TaskUsage:
        return TaskUsage(
            version=1,
            at_ms=NOW_MS + number,
            cell="main",
            job_id=job,
            task_id=f"{job}-worker-{number}-1",
            host_id="h",
            host="h",
            cpu_milli=cpu,
            cpu_limit_milli=500,
        )

    usages = [task(1, 500), task(2, 250), task(3, None), task(4, 5_000, "other")]
    wanted = asked(USAGE_NAMESPACE, "cpuUtilization")
    assert usage_readings(wanted, usages) == [Reading(NOW_MS + 2, 75.0)]
    assert usage_readings(asked(USAGE_NAMESPACE, "memoryUtilization"), usages) == []


@pytest.fixture
def aws(moto_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:  # noqa: F811
    for name, value in environment_of(moto_endpoint).items():
        monkeypatch.setenv(name, value)
    return moto_endpoint


@pytest.mark.usefixtures("aws")
def test_the_depth_of_a_queue() -> None:
    queue = f"work-{uuid4().hex[:8]}"
    client = boto3.session.Session().client("sqs")
    url = client.create_queue(QueueName=queue)["QueueUrl"]
    for _ in range(3):
        client.send_message(QueueUrl=url, MessageBody="x")
    name = "ApproximateNumberOfMessages"
    by_name = asked(SQS_NAMESPACE, name, dimensions=(("QueueName", queue),))
    by_url = asked(SQS_NAMESPACE, name, dimensions=(("QueueUrl", url),))
    missing = asked(SQS_NAMESPACE, name, dimensions=(("QueueName", "no"),))

    async def story() -> None:
        source = Queues()
        assert await source.read(by_name, NOW_MS) == [Reading(NOW_MS, 3.0)]
        assert await source.read(by_url, NOW_MS) == [Reading(NOW_MS, 3.0)]
        with pytest.raises(MetricFailed, match="NonExistentQueue"):
            await source.read(missing, NOW_MS)
        await source.close()

    asyncio.run(story())


@pytest.mark.usefixtures("aws")
def test_metrics_of_cloudwatch_come_as_whole_periods() -> None:
    client = boto3.session.Session().client("cloudwatch")
    namespace, minute = f"Shop/{uuid4().hex[:8]}", NOW_MS // 60_000 * 60_000
    dimensions = [{"Name": "queue", "Value": "a"}]
    for ago, value in ((2, 10.0), (2, 20.0), (1, 40.0)):
        client.put_metric_data(
            Namespace=namespace,
            MetricData=[
                {
                    "MetricName": "orders",
                    "Dimensions": dimensions,
                    "Timestamp": datetime.fromtimestamp(minute / 1e3 - 60 * ago + 5, UTC),
                    "Value": value,
                }
            ],
        )
    wanted = asked(namespace, "orders", dimensions=(("queue", "a"),), statistic="Average")

    async def story() -> None:
        source = CloudWatch()
        found = await source.read(wanted, NOW_MS)
        assert [(each.value, each.is_whole) for each in found] == [(15.0, True), (40.0, True)]
        assert [each.at_ms for each in found] == sorted(each.at_ms for each in found)
        assert await source.read(asked(namespace, "none"), NOW_MS) == []
        # The poller tells a whole period once, and again only where it was corrected.
        poller = Poller({CLOUDWATCH: source})
        poller.follow([wanted])
        points, _ = await poller.round(NOW_MS)
        assert [each.value_milli for each in points] == [15_000, 40_000]
        assert await poller.round(NOW_MS + 1) == ([], [])
        assert poller.next_ms(0) == NOW_MS + 60_000
        assert (await poller.round(NOW_MS + 60_000))[0] == []
        await source.close()

    asyncio.run(story())


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("body", "queue_says"),
    [
        (b"<html>Sign in</html>", "no address of the queue"),
        (b"\xff\xfe", "cannot be asked"),
        *((body, ".") for body in (b"[]", b"[1]", b'"text"', b"7", b"null", b"{}")),
        *((body, ".") for body in (b'{"QueueUrl": {}}', b'{"QueueUrl": "u", "Attributes": 7}')),
        *((body, ".") for body in (b'{"QueueUrl": "u", "Attributes": []}', b'{"Attributes": {}}')),
    ],
)
def test_an_answer_that_is_none_of_aws_is_a_failure(body: bytes, queue_says: str) -> None:
    def garble(request: Any, **_: Any) -> AWSResponse:
        answer = AWSResponse(request.url, 200, {}, None)
        answer._content = body
        return answer

    metric = asked("Shop/garbled", "orders")
    depth = asked(SQS_NAMESPACE, "ApproximateNumberOfMessages", dimensions=(("QueueName", "q"),))

    async def story() -> None:
        for source, wanted, says in (
            (CloudWatch(), metric, "holds no results|cannot be asked|another shape"),
            (Queues(), depth, queue_says),
        ):
            source.client.get().meta.events.register("before-send", garble)
            with pytest.raises(MetricFailed, match=says):
                await source.read(wanted, NOW_MS)
            await source.close()

    asyncio.run(story())


@pytest.mark.usefixtures("aws")
def test_a_source_that_throttles_is_asked_less_and_told_of() -> None:
    queue = f"work-{uuid4().hex[:8]}"
    boto3.session.Session().client("sqs").create_queue(QueueName=queue)
    wanted = asked(
        SQS_NAMESPACE,
        "ApproximateNumberOfMessages",
        period_ms=3_000,
        dimensions=(("QueueName", queue),),
    )
    throttled = [0]

    def throttle(request: Any, **_: Any) -> AWSResponse:
        throttled[0] += 1
        body = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'
        answer = AWSResponse(request.url, 400, {}, None)
        answer._content = body
        return answer

    async def story() -> None:
        source = Queues()
        poller = Poller({SQS_NAMESPACE: source})
        poller.follow([wanted])
        points, _ = await poller.round(NOW_MS)
        assert [each.value_milli for each in points] == [0]
        events = source.client.get().meta.events
        events.register("before-send.sqs", throttle)
        at_ms, told, pauses = NOW_MS, [], []
        for _ in range(FAILURES_TOLD + 2):
            before_ms, at_ms = at_ms, poller.next_ms(0)
            pauses.append(at_ms - before_ms)
            points, failures = await poller.round(at_ms)
            assert points == []
            told.append(len(failures))
        assert told == [0] * (FAILURES_TOLD - 1) + [1] * 3
        assert pauses == [1_000, 2_000, 4_000, 8_000, 16_000]
        assert throttled == [FAILURES_TOLD + 2], "asked once each time, never again by botocore"
        assert "ThrottlingException" in poller.failing[PolicyId("p")]
        assert (await poller.round(at_ms + 1))[0] == [], "it is left alone"
        events.unregister("before-send.sqs", throttle)
        points, failures = await poller.round(poller.next_ms(0))
        assert ([each.value_milli for each in points], failures) == ([0], [])
        assert not poller.failing
        await source.close()

    asyncio.run(story())


class Steady:
    """A source of one number; it counts how often it is asked."""

    def __init__(self, value: float) -> None:
        self.value = value
        self.asked = 0

    async def read(self, asked: AskedMetric, now_ms: int) -> list[Reading]:
        assert asked.period_ms
        self.asked += 1
        return [Reading(now_ms, self.value)]

    async def close(self) -> None:
        """Nothing is open."""


def test_only_what_policies_ask_for_is_asked() -> None:
    source: MetricSource = Steady(1.0)
    other = Steady(2.0)

    async def story() -> None:
        poller = Poller({PROMETHEUS_NAMESPACE: source, USAGE_NAMESPACE: other})
        assert await poller.round(NOW_MS) == ([], [])
        poller.follow([asked(PROMETHEUS_NAMESPACE), asked("flumina/job", "waitingTasks")])
        await poller.round(NOW_MS)
        poller.follow([])
        await poller.round(NOW_MS + 600_000)
        assert isinstance(source, Steady)
        assert (source.asked, other.asked) == (1, 0)

    asyncio.run(story())


def test_an_absurd_value_opens_the_circuit_like_a_silence_of_the_source() -> None:
    source = Steady(float("nan"))

    async def story() -> None:
        poller = Poller({PROMETHEUS_NAMESPACE: source})
        poller.follow([asked(PROMETHEUS_NAMESPACE)])
        told = []
        for _ in range(FAILURES_TOLD):
            _, failures = await poller.round(poller.next_ms(0))
            told += failures
        assert [each.why for each in told] == ["the value nan is absurd (3 times in a row)"]
        poller.follow([msgspec.structs.replace(asked("flumina/none"), version=2)])
        await poller.round(NOW_MS)
        assert "no source" in poller.failing[PolicyId("p")]

    asyncio.run(story())


def test_what_the_api_says_of_policies_is_read() -> None:
    def item(name: str, state: str, namespace: str) -> dict[str, Any]:
        specification = {"namespace": namespace, "metricName": "waitingTasks"}
        target = {"targetValue": 1, "customizedMetricSpecification": specification}
        return {
            "id": {"id": name},
            "jobId": "job",
            "flumina.version": 4,
            "policyState": {"state": state},
            "scalingPolicy": {"targetPolicyDescriptor": target},
        }

    items = [item("a", "Applied", "Shop"), item("b", "Deleting", "Shop")]
    (found,) = asked_of(msgspec.json.encode({"items": items}))
    assert (found.policy_id, found.version, found.metric.namespace) == ("a", 4, "Shop")
    assert found.period_ms == 60_000
