"""Capacity groups of the whole federation: one number of instances, shared out over the cells.

The one thing to know: the shares are percentages in the configuration, 100 together, and what the
cells are asked for adds up to the number, to the one. A change is asked of each cell as what shall
be, so that it is repeated where a cell did not answer.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import msgspec
import orjson
from starlette.responses import Response

from connectors.federation.cells import WRITE_S_MAX, Answer, Ask, Cells, Silent
from connectors.federation.configuration import Configuration, FederatedCell, shared_out
from connectors.federation.telling import Json, Told, object_of
from connectors.web.problems import Problem, json_response, refused
from scheduler.model.inbound import Fault
from scheduler.model.reading.bad_bytes import BAD_BYTES

PATH: Final = "/api/v2/management/applications"


class Groups:
    """Capacity groups over all cells."""

    def __init__(self, configuration: Callable[[], Configuration], cells: Cells) -> None:
        self._configuration = configuration
        self._cells = cells

    async def listed(self) -> Response:
        """Every group once, with its instances in each cell and together."""
        given, told = self._configuration(), Told()
        asked = dict.fromkeys(given.cells, Ask("GET", PATH))
        answers = await self._cells.ask_each(asked, given.timeout_ms / 1_000)
        groups: dict[str, Json] = {}
        for name, answer in answers.items():
            if isinstance(answer, Silent) or answer.status != HTTPStatus.OK:
                why = answer.why if isinstance(answer, Silent) else f"answered {answer.status}"
                told.failed.append((name, why))
                continue
            if answer.stale:
                told.stale.append((name, answer.stale))
            try:
                there = msgspec.json.decode(answer.body, type=list[Json])
            except BAD_BYTES as error:
                told.failed.append((name, f"answered with no list: {error}"))
                continue
            for group in there:
                _add(groups, name, group)
        found = [group for _, group in sorted(groups.items())]
        return json_response(found, headers=told.headers())

    async def change(
        self, method: str, name: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Response:
        """The group in every cell as it shall be; raises `Problem` with the cells that failed."""
        given = self._configuration()
        asked = object_of(body or b"")
        name = name or str(asked.get("appName") or "")
        counts = dict.fromkeys(given.names, 0)
        if method != "DELETE":
            counts |= self._shared(given, name, asked)
        failed: list[tuple[str, str]] = []
        for cell in given.cells:
            count = counts[cell.name]
            if why := await self._have(cell, name, {**asked, "instanceCount": count}, headers):
                failed.append((cell.name, why))
        if failed:
            told = "; ".join(f"cell {cell}: {why}" for cell, why in failed)
            done = [each for each in given.names if each not in dict(failed)]
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"Not every cell has group {name} as asked: {told}",
                f"Ask again; done: {', '.join(done) or 'none'}.",
            )
        status = HTTPStatus.CREATED if method == "POST" else HTTPStatus.OK
        return json_response({"id": name, "instances": counts}, status)

    def _shared(self, given: Configuration, name: str, asked: Json) -> dict[str, int]:
        count = asked.get("instanceCount")
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise refused([Fault("instanceCount", f"is {count!r}", "give a whole number from 1")])
        shares = given.capacity_groups.get(name)
        if shares is None:
            hint = "add it to capacityGroups (`flumina federation set`), or name one cell"
            raise refused([Fault("appName", f"has no shares: {name!r}", hint)])
        return shared_out(count, shares)

    async def _have(
        self, cell: FederatedCell, name: str, wanted: Json, headers: Mapping[str, str]
    ) -> str:
        """Have one cell's group be like this, or not be at all; empty if so, else why not."""
        path = f"{PATH}/{quote(name, safe='')}"
        there = await self._cells.ask(cell, Ask("GET", path), WRITE_S_MAX)
        if isinstance(there, Silent) or there.status not in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}:
            return _why(there)
        is_there = there.status == HTTPStatus.OK
        is_wanted = wanted["instanceCount"] > 0
        if not is_wanted and not is_there:
            return ""
        if not is_wanted:
            ask = Ask("DELETE", path, headers=headers)
        elif is_there:
            body = {key: value for key, value in wanted.items() if key != "appName"}
            ask = Ask("PUT", path, (), headers, orjson.dumps(body))
        else:
            ask = Ask("POST", PATH, (), headers, orjson.dumps({**wanted, "appName": name}))
        answer = await self._cells.ask(cell, ask, WRITE_S_MAX)
        return "" if isinstance(answer, Answer) and answer.status < 300 else _why(answer)


def _why(answer: Answer | Silent) -> str:
    if isinstance(answer, Silent):
        return answer.why
    said: Any = object_of(answer.body).get("message")
    return str(said or f"answered {answer.status}")


def _add(groups: dict[str, Json], cell: str, group: Json) -> None:
    """Add one cell's group to those of all."""
    name, count = str(group["appName"]), int(group["instanceCount"])
    shown = {key: value for key, value in group.items() if key not in {"cellId", "flumina.group"}}
    known = groups.setdefault(name, {**shown, "instanceCount": 0, "cells": {}})
    known["instanceCount"] += count
    known["cells"][cell] = count
