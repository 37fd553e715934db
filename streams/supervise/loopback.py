"""The cloud on loopback as a part of `up`: its port, who is led there, its first rules.

The one thing to know: `up` writes rules only where the cell has none. Who has set his own keeps
them, also when `up` is started again.
"""

import os
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

import msgspec

from connectors.cloud.loopback.account import RULES_FILE, GroupAsked, queue_url, variables_of
from connectors.cloud.opening import AWS
from scheduler.model.reading.bad_bytes import BAD_BYTES

LOOK_S: Final = 2
"""Nobody throttles here, and somebody looks on."""
SPARE_PORTS: Final = 16
"""Left free behind the dev cluster's own, for the agents that come."""
ANSWER_S_MAX: Final = 10.0
ANSWER_BYTES_MAX: Final = 16 << 20
RULES: Final = "/api/flumina/fleet/rules"


class LoopbackCloud(msgspec.Struct, frozen=True):
    """A double of AWS that `up` runs."""

    port: int
    groups: tuple[GroupAsked, ...]
    cell: str

    @property
    def url(self) -> str:
        """Where boto3 finds it."""
        return f"http://127.0.0.1:{self.port}"

    def command(self, root: Path) -> list[str]:
        """What runs it for the dev cluster in this directory."""
        words = ["-m", "streams.cli.dev_cluster", "cloud", "--data-dir", str(root)]
        words += ["--aws-port", str(self.port), "--cell", self.cell]
        for each in self.groups:
            words += ["--group", each.text]
        return words

    def variables(self) -> dict[str, str]:
        """What a part needs that asks the cloud, or hears it."""
        own = {
            "FLUMINA_CLOUD": AWS,
            "FLUMINA_CLOUD_NOTICES": queue_url(self.url),
            "FLUMINA_CLOUD_LOOK_S": str(LOOK_S),
        }
        return own | variables_of(self.url, os.environ)


def ensure_rules(api: str, root: Path) -> str:
    """Give the cell the rules that fit the groups, if it has none; what was done, in words."""
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(f"{api}{RULES}", timeout=ANSWER_S_MAX) as answer:
            known = msgspec.json.decode(answer.read(ANSWER_BYTES_MAX), type=_Known)
        if known.rules.get("groups"):
            return "the cell has rules of its own"
        ask = Request(  # noqa: S310 - the address of our own API
            f"{api}{RULES}?why=flumina+up+--fleet",
            (root / RULES_FILE).read_bytes(),
            {"Content-Type": "application/json", "X-Flumina-Actor": "flumina-up"},
            method="PUT",
        )
        with opener.open(ask, timeout=ANSWER_S_MAX):
            return f"set from {root / RULES_FILE}"
    except (URLError, HTTPException, OSError, *BAD_BYTES) as error:
        return f"not set ({error}); flumina fleet rules {root / RULES_FILE} --why first"


class _Known(msgspec.Struct):
    rules: Mapping[str, Any]
