"""Volumes and static addresses of all cells: listed together, and each ordered where it is.

The one thing to know: a volume is in the cell that made it, and its id says nothing of that. So
every cell is asked for it, and an order goes to the one that has it; where none has it and one is
silent, nothing is done.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from starlette.responses import Response

from connectors.federation.cells import Answer, Ask, Cells, Silent
from connectors.federation.configuration import Configuration, FederatedCell
from connectors.federation.telling import Told, object_of, silence
from connectors.web.problems import json_response

PATH: Final = "/api/flumina/volumes"
ADDRESSES: Final = "/api/flumina/addresses"
RELEASE: Final = "/api/flumina/commands/release-holds"
LISTS: Final = (PATH, ADDRESSES)


class Volumes:
    """What is asked about volumes where no cell is named."""

    def __init__(self, configuration: Callable[[], Configuration], cells: Cells) -> None:
        self._configuration = configuration
        self._cells = cells

    async def listed(self, ask: Ask) -> Response:
        """Every cell's items, each with the cell that has it."""
        answers, told, items = await self._ask_all(ask), Told(), list[Any]()
        for name, answer in answers.items():
            if isinstance(answer, Silent) or answer.status != HTTPStatus.OK:
                told.failed.append((name, _why(answer)))
                continue
            if answer.stale:
                told.stale.append((name, answer.stale))
            items += [{**each, "cell": name} for each in object_of(answer.body).get("items", ())]
        answered = set(answers) - {name for name, _ in told.failed}
        if answers and not answered:
            raise silence([Silent(name, why) for name, why in told.failed], "No cell answered")
        body = {"items": items, "federation": told.document(answered)}
        return json_response(body, headers=told.headers())

    async def cell_of(self, volume_id: str) -> FederatedCell:
        """The cell that has the volume, else any that says that it has not.

        Raises a `Problem` where no cell that answered has it, and one did not.
        """
        answers = await self._ask_all(Ask("GET", f"{PATH}/{quote(volume_id, safe='')}"))
        given, silent = self._configuration(), list[Silent]()
        for name, answer in answers.items():
            cell = given.cell(name)
            if isinstance(answer, Answer) and answer.status == HTTPStatus.OK and cell is not None:
                return cell
            if isinstance(answer, Silent) or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                silent.append(Silent(name, _why(answer)))
        if silent:
            raise silence(silent, f"No cell that answered has volume {volume_id}")
        return given.cells[0]

    async def _ask_all(self, ask: Ask) -> dict[str, Answer | Silent]:
        given = self._configuration()
        asked = dict.fromkeys(given.cells, ask)
        return await self._cells.ask_each(asked, given.timeout_ms / 1_000)


def _why(answer: Answer | Silent) -> str:
    return answer.why if isinstance(answer, Silent) else f"answered {answer.status}"
