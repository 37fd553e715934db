"""Prometheus as a source of metrics: an instant query by its HTTP API.

The one thing to know: the metric's name is the query. It has to give one number; what it is made of
(rates, sums, quantiles) is Prometheus' business, where people test it.
"""

import asyncio
from typing import Final

import aiohttp
import msgspec

from connectors.metrics.translate import prometheus_readings
from connectors.ports import AskedMetric, MetricFailed, Reading
from scheduler.model.reading.bad_bytes import BAD_BYTES

ANSWER_S_MAX: Final = 5.0
ANSWER_BYTES_MAX: Final = 1 << 20
"""Of one number with its labels; a query of thousands of series is one by mistake."""


class Prometheus:
    """One Prometheus, by its address."""

    def __init__(self, url: str, answer_s: float = ANSWER_S_MAX) -> None:
        self._url = url.rstrip("/")
        self._answer_s = answer_s
        self._http: aiohttp.ClientSession | None = None

    async def read(self, asked: AskedMetric, now_ms: int) -> list[Reading]:
        """What the query gives now; raises `MetricFailed`."""
        query = {"query": asked.metric.name, "time": f"{now_ms / 1_000:.3f}"}
        try:
            async with asyncio.timeout(self._answer_s):
                status, body = await self._get(query)
        except TimeoutError:
            raise MetricFailed(f"{self._url} did not answer within {self._answer_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise MetricFailed(f"{self._url} cannot be read: {error!r}") from error
        if len(body) > ANSWER_BYTES_MAX:
            raise MetricFailed(f"{self._url} answered with more than {ANSWER_BYTES_MAX} bytes")
        try:
            answer = msgspec.json.decode(body)
        except BAD_BYTES as error:
            raise MetricFailed(f"{self._url} answered {status} with no JSON") from error
        return prometheus_readings(answer)

    async def _get(self, query: dict[str, str]) -> tuple[int, bytes]:
        if self._http is None:
            self._http = aiohttp.ClientSession()
        path = f"{self._url}/api/v1/query"
        async with self._http.get(path, params=query, allow_redirects=False) as answer:
            body = await answer.content.read(ANSWER_BYTES_MAX + 1)
            while len(body) <= ANSWER_BYTES_MAX and (more := await answer.content.readany()):
                body += more
            return answer.status, body

    async def close(self) -> None:
        """Give back every connection."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()
