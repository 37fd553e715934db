"""CloudWatch's metrics and SQS' queues as sources, by boto3.

The one thing to know: boto3 blocks, so each question has a thread, and its own short time-outs; it
is asked once, for who asks repeats, and leaves a source alone that throttles. Where AWS is, and who
we are there, is boto3's to find (``AWS_REGION``, ``AWS_ENDPOINT_URL``, roles).
"""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from connectors.metrics.translate import cloudwatch_readings, queue_reading
from connectors.ports import AskedMetric, MetricFailed, Reading

CONNECT_S: Final = 3.0
SILENT_S: Final = 5.0
PERIODS_ASKED: Final = 5
"""CloudWatch tells values late and corrects them: the last periods are asked for each time."""

UNREADABLE: Final = (ResponseParserError, AttributeError, KeyError, TypeError, ValueError)
"""What botocore raises of an answer that is none of AWS, such as a proxy's.

Its parsers take JSON of any shape and fail where they look into it; what is no text is a
`ValueError`.
"""


class _Client:
    """A client of one service, made when it is used first."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._made: Any = None
        self._making = threading.Lock()

    def get(self) -> Any:  # noqa: ANN401 - boto3 has no types
        with self._making:
            if self._made is None:
                config = Config(
                    connect_timeout=CONNECT_S,
                    read_timeout=SILENT_S,
                    retries={"total_max_attempts": 1, "mode": "standard"},
                    max_pool_connections=8,
                )
                self._made = boto3.session.Session().client(self._service, config=config)
            return self._made

    async def call(self, act: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - as above
        """What the call answers; raises `MetricFailed`."""
        try:
            return await asyncio.to_thread(lambda: act(self.get()))
        except ClientError as error:
            told = error.response.get("Error", {})
            code, text = told.get("Code", "an error"), told.get("Message", "")
            raise MetricFailed(f"{self._service} answered {code}: {text}") from error
        except (BotoCoreError, *UNREADABLE, OSError) as error:
            raise MetricFailed(f"{self._service} cannot be asked: {error}") from error

    def close(self) -> None:
        if self._made is not None:
            self._made.close()


class CloudWatch:
    """Metrics of CloudWatch, by namespace, name and dimensions."""

    def __init__(self) -> None:
        self.client = _Client("cloudwatch")

    async def read(self, asked: AskedMetric, now_ms: int) -> list[Reading]:
        """The values of the last periods that CloudWatch has; raises `MetricFailed`."""
        metric, period_s = asked.metric, max(1, asked.period_ms // 1_000)
        until_s = now_ms // 1_000 // period_s * period_s
        stat: dict[str, Any] = {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
            },
            "Period": period_s,
            "Stat": metric.statistic,
        }
        if metric.unit:
            stat["Unit"] = metric.unit
        question = {
            "MetricDataQueries": [{"Id": "asked", "MetricStat": stat, "ReturnData": True}],
            "StartTime": datetime.fromtimestamp(until_s - PERIODS_ASKED * period_s, UTC),
            "EndTime": datetime.fromtimestamp(until_s, UTC),
            "ScanBy": "TimestampDescending",
        }
        return cloudwatch_readings(
            await self.client.call(lambda it: it.get_metric_data(**question))
        )

    async def close(self) -> None:
        """Give back every connection."""
        self.client.close()


class Queues:
    """Attributes of SQS' queues, which are fresher than CloudWatch's metrics of them."""

    def __init__(self) -> None:
        self.client = _Client("sqs")
        self._urls: dict[str, str] = {}

    async def read(self, asked: AskedMetric, now_ms: int) -> list[Reading]:
        """The attribute now; raises `MetricFailed`."""
        name, named = asked.metric.name, dict(asked.metric.dimensions)
        url = named.get("QueueUrl") or await self._url(named["QueueName"])
        answer = await self.client.call(
            lambda it: it.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        )
        return [queue_reading(answer, name, now_ms)]

    async def _url(self, queue: str) -> str:
        if queue not in self._urls:
            found = await self.client.call(lambda it: it.get_queue_url(QueueName=queue))
            if "QueueUrl" not in found:  # A page in the place of JSON is no error to botocore.
                raise MetricFailed(f"sqs answered no address of the queue {queue}")
            self._urls[queue] = str(found["QueueUrl"])
        return self._urls[queue]

    async def close(self) -> None:
        """Give back every connection."""
        self.client.close()
