"""Tracing as the settings want it: off, or a share of what begins here.

The one thing to know: `FLUMINA_TRACES` turns it on, and says how much of what nobody else traces
is. Where spans go, by what name and in what portions is said by OpenTelemetry's own variables.
"""

import os
from collections.abc import Mapping
from typing import Final

from streams.errors import OperatorError
from streams.tracing.spans import DELAY_MS, QUEUE_MAX, OtlpSender, SpanQueue

DELAY_MS_MAX: Final = 60_000
QUEUE_MOST: Final = 1_000_000


def spans_of(
    share: float | None, process: str, instance: str, environment: Mapping[str, str] = os.environ
) -> SpanQueue | None:
    """The way to the collector; None where tracing is off.

    Raises `OperatorError` where one of OpenTelemetry's variables cannot be read.
    """
    if share is None or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    size_max = _number(environment, "OTEL_BSP_MAX_QUEUE_SIZE", QUEUE_MAX, QUEUE_MOST)
    delay_ms = _number(environment, "OTEL_BSP_SCHEDULE_DELAY", DELAY_MS, DELAY_MS_MAX)
    sender = OtlpSender(f"flumina-{process}", {"service.instance.id": instance})
    return SpanQueue(sender, size_max=size_max, delay_s=delay_ms / 1_000)


def _number(environment: Mapping[str, str], variable: str, default: int, most: int) -> int:
    text = environment.get(variable, "")
    if not text:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise OperatorError(
            f"{variable}={text!r} cannot be used.",
            f"A whole number from 1 to {most} is wanted.",
            "Correct it or unset it.",
        )
    return int(text)
