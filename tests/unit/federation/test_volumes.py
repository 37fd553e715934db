"""Volumes where no cell is named: listed of all cells, ordered in the one that has it."""

import asyncio

from connectors.federation.front import CELL
from connectors.federation.telling import FAILED
from tests.support.federated import federation
from tests.unit.core.test_volumes import launched
from tests.unit.web.test_volumes import ACTOR, PATH, SPEC, VOLUME

ORDER = {"order": "snapshot", "argument": "before", "why": "test"}


def test_a_volume_is_listed_with_its_cell_and_ordered_there() -> None:
    async def test() -> None:
        async with federation() as there:
            cell = there.cells["two"].cell
            cell.submit(SPEC)
            (task_id,) = launched(cell)
            cell.status(task_id, "TASK_RUNNING")
            # One cell is silent: what the others have is shown, and of the rest nothing is said.
            status, told, page = await there.ask("GET", PATH)
            assert (status, told[FAILED]) == (200, "three")
            assert [(each["id"], each["cell"]) for each in page["items"]] == [(VOLUME, "two")]
            assert page["federation"]["answered"] == ["one", "two"]
            status, told, item = await there.ask("GET", f"{PATH}/{VOLUME}")
            assert (status, told[CELL], item["taskId"]) == (200, "two", task_id)
            status, told, _ = await there.ask("POST", f"{PATH}/{VOLUME}", ORDER, **ACTOR)
            assert (status, told[CELL]) == (200, "two")
            assert (await there.ask("GET", f"{PATH}/{VOLUME}"))[2]["isWorkPending"] is True
            assert not there.cells["one"].published
            status, told, _ = await there.ask("POST", f"{PATH}/none", ORDER, **ACTOR)
            assert (status, told[FAILED]) == (503, "three")
            there.without_third()
            assert (await there.ask("POST", f"{PATH}/none", ORDER, **ACTOR))[0] == 404
            _, _, page = await there.ask("GET", "/api/flumina/addresses")
            assert {each["cell"] for each in page["items"]} == {"two"}
            release = {"taskId": task_id, "why": "its host burnt"}
            release_path = "/api/flumina/commands/release-holds"
            _, told, _ = await there.ask("POST", release_path, release, **ACTOR)
            assert told[CELL] == "two"
            assert (await there.ask("POST", release_path, {"why": "x"}, **ACTOR))[0] == 400

    asyncio.run(test())
