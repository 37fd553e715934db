"""Which cells get a record of `federated-jobs`: named, having its job, routed, or by its hash."""

import asyncio
from typing import Any

import msgspec
import pytest

from connectors.federation.configuration import Configuration, FederatedCell, Route
from connectors.federation.routing import hashed
from streams.federation.forwarding import CELL_HEADER, Strayed, cells_for

HERE = ("a", "b")
RULES = Configuration(
    cells=tuple(FederatedCell(name, f"http://{name}") for name in ("a", "b", "elsewhere")),
    default="elsewhere",
    routes=(
        Route(cell="b", application_name="video"),
        Route(cell="elsewhere", application_name="x"),
    ),
)


class Record:
    """What the forwarder reads of a record."""

    def __init__(self, value: Any, key: bytes | None = b"key", cell: str = "") -> None:
        self.value = value if isinstance(value, bytes) else msgspec.json.encode(value)
        self.key = key
        self.headers = [(CELL_HEADER, cell.encode())] if cell else []


def submit(job_id: str, application: str = "app") -> dict[str, Any]:
    return {"type": "SubmitJob", "jobId": job_id, "job": {"applicationName": application}}


def cells_of(record: Record, *having: str, given: Configuration = RULES) -> tuple[str, ...]:
    """The cells that get it, where these have its job; the ids that were looked for are names."""

    async def locate(job_id: str) -> tuple[str, ...]:
        assert job_id
        return having

    return asyncio.run(cells_for(record, given, HERE, locate))


def test_the_named_cell_gets_it_whatever_else_there_is() -> None:
    assert cells_of(Record(submit("j", "video"), cell="a"), "b") == ("a",)
    with pytest.raises(Strayed, match="names cell 'elsewhere', and here are a, b"):
        cells_of(Record(submit("j"), cell="elsewhere"))


def test_a_record_about_a_job_goes_to_the_cell_that_has_it() -> None:
    assert cells_of(Record({"type": "KillJob", "jobId": "j"}), "b") == ("b",)
    task = {"type": "KillTask", "taskId": "j-worker-0-1"}
    assert cells_of(Record(task), "a") == ("a",)
    # Of silent cells each may have it.
    assert cells_of(Record({"type": "KillJob", "jobId": "j"}), "a", "b") == ("a", "b")


def test_a_new_job_is_routed_and_else_hashed_over_the_open_cells_here() -> None:
    assert cells_of(Record(submit("j", "video"))) == ("b",)
    for number in range(20):
        job_id = f"job-{number}"
        assert cells_of(Record(submit(job_id))) == (hashed(HERE, job_id),)
        # A route to a cell of another Kafka is none here.
        assert cells_of(Record(submit(job_id, "x"))) == (hashed(HERE, job_id),)
    closed = msgspec.structs.replace(
        RULES, cells=(FederatedCell("a", "http://a", is_closed=True), *RULES.cells[1:])
    )
    assert {cells_of(Record(submit(f"job-{n}")), given=closed) for n in range(20)} == {("b",)}


def test_what_nobody_can_read_goes_to_the_cell_of_its_key_which_says_so() -> None:
    assert cells_of(Record(b"no json", key=b"k")) == (hashed(HERE, "k"),)
    assert cells_of(Record(b"", key=b"k")) == (hashed(HERE, "k"),)


def test_with_all_cells_closed_it_strays() -> None:
    cells = tuple(msgspec.structs.replace(each, is_closed=True) for each in RULES.cells)
    shut = msgspec.structs.replace(RULES, cells=cells)
    with pytest.raises(Strayed):
        cells_of(Record(submit("j")), given=shut)
