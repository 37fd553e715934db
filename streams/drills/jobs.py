"""The jobs that drills submit, as v3 descriptors.

The one thing to know: they are small lines of shell, so that a drill needs no image and no network.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

OWNER: Final = "drill@example.com"
SERVICE_MAX: Final = 100


def service_of(
    desired: int, shell: str, attributes: Mapping[str, Any] | None = None, **resources: float
) -> bytes:
    """A service that keeps so many tasks of a line of shell running."""
    capacity = {"min": 0, "desired": desired, "max": max(desired, SERVICE_MAX)}
    return _descriptor(shell, {"service": {"capacity": capacity, **(attributes or {})}}, resources)


def batch_of(size: int, shell: str, **resources: float) -> bytes:
    """A batch job that runs a line of shell to success so many times."""
    retry = {"immediate": {"retries": 0}}
    return _descriptor(shell, {"batch": {"size": size, "retryPolicy": retry}}, resources)


def _descriptor(shell: str, kind: Mapping[str, Any], resources: Mapping[str, float]) -> bytes:
    needs = {"cpu": 0.1, "memoryMB": 32, "diskMB": 10} | dict(resources)
    container = {"resources": needs, "entryPoint": ["/bin/sh", "-c", shell]}
    return orjson.dumps(
        {
            "owner": {"teamEmail": OWNER},
            "applicationName": "drill",
            "container": container,
            **kind,
        }
    )
