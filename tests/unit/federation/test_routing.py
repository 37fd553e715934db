"""Routing: in order, minus what is avoided, by patterns that take linear time; and hashing."""

from typing import Any

import pytest

from connectors.federation.configuration import (
    Configuration,
    FederatedCell,
    Route,
    configuration_of,
    faults_of,
    shared_out,
)
from connectors.federation.routing import NoRoute, Routed, hashed, routed, stamped

CELLS = tuple(FederatedCell(name, f"http://{name}") for name in ("a", "b", "gpu"))
RULES = Configuration(
    cells=CELLS,
    default="a",
    stack="prod",
    gpu_cell="gpu",
    routes=(
        Route(cell="a", application_name="web-.*"),
        Route(cell="b", capacity_group="streaming.*"),
        Route(cell="b", application_name="web-special"),
    ),
)


def with_one(rest: str) -> str:
    """The text of a configuration of one cell, and something beside."""
    return '{"cells": [{"name":"a","api":"x"}], "default": "a", ' + rest + "}"


def descriptor(**fields: Any) -> dict[str, Any]:
    gpus = fields.pop("gpus", 0)
    return {"applicationName": "app", "container": {"resources": {"gpu": gpus}}, **fields}


@pytest.mark.parametrize(
    ("given", "cell", "why"),
    [
        ({}, "a", "default"),
        ({"capacityGroup": "streaming-1"}, "b", "capacity group streaming-1"),
        # A pattern has to fit as a whole.
        ({"capacityGroup": "my-streaming"}, "a", "default"),
        # Groups go before applications, whatever the order of the rows.
        ({"capacityGroup": "streaming", "applicationName": "web-1"}, "b", None),
        # Of two patterns that fit the first one decides.
        ({"applicationName": "web-special"}, "a", "application web-special"),
        ({"gpus": 2, "capacityGroup": "streaming"}, "gpu", "GPUs"),
        ({"gpus": True}, "a", "default"),
        ({"attributes": {"flumina.cell.request": "b"}, "gpus": 1}, "b", "asked for"),
        ({"attributes": {"flumina.cell.avoid": "a"}}, "b", None),
        ({"attributes": {"flumina.cell.avoid": "gpu, a"}, "gpus": 1}, "b", None),
        ({"attributes": {"flumina.cell.avoid": "b"}, "capacityGroup": "streaming"}, "a", "default"),
        # What is of a wrong type is for the cell to refuse.
        ({"attributes": 7, "capacityGroup": 7, "container": "x"}, "a", "default"),
    ],
)
def test_a_job_goes_where_the_first_rule_that_fits_says(
    given: dict[str, Any], cell: str, why: str | None
) -> None:
    found = routed(RULES, descriptor(**given))
    assert found.cell == cell
    assert why is None or found.why == why


def test_a_cell_named_beside_the_job_is_obeyed_and_an_unknown_one_refused() -> None:
    assert routed(RULES, descriptor(), "gpu") == Routed("gpu", "asked for")
    with pytest.raises(NoRoute) as raised:
        routed(RULES, descriptor(), "nowhere")
    assert raised.value.hint == "the cells are a, b, gpu"


def test_closed_cells_get_nothing_that_does_not_ask_for_them() -> None:
    closed = Configuration(
        cells=(FederatedCell("a", "http://a", is_closed=True), CELLS[1]), default="a"
    )
    assert routed(closed, descriptor()).cell == "b"
    assert routed(closed, descriptor(), "a").cell == "a"
    with pytest.raises(NoRoute, match="leaves no cell"):
        routed(closed, descriptor(attributes={"flumina.cell.avoid": "b"}))


def test_the_stack_is_stamped_and_nobody_can_forge_it() -> None:
    forged = descriptor(attributes={"titus.stack": "mine", "kept": "1"})
    assert stamped(RULES, forged)["attributes"] == {"kept": "1", "titus.stack": "prod"}
    assert stamped(RULES, descriptor())["attributes"] == {"titus.stack": "prod"}
    assert "attributes" not in stamped(Configuration(cells=CELLS, default="a"), descriptor())


def test_one_cell_more_moves_only_what_it_gets() -> None:
    keys = [f"job-{number}" for number in range(1_000)]
    before = {key: hashed(("a", "b", "c"), key) for key in keys}
    after = {key: hashed(("a", "b", "c", "d"), key) for key in keys}
    moved = [key for key in keys if before[key] != after[key]]
    assert all(after[key] == "d" for key in moved)
    assert 150 < len(moved) < 350
    assert hashed(("c", "a", "b"), "job-7") == before["job-7"], "the order does not matter"


def test_a_pattern_that_would_take_for_ever_elsewhere_takes_no_time() -> None:
    given = Configuration(
        cells=CELLS, default="a", routes=(Route(cell="b", application_name="(a+)+b"),)
    )
    assert routed(given, descriptor(applicationName="a" * 50_000)).cell == "a"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"cells": [], "default": "a"}', "cells: there is none"),
        ('{"cells": [{"name":"a","api":"x"}], "default": "b"}', "default: 'b' is no cell"),
        ('{"cells": [{"name":"a","api":"x"}], "default": "a", "gpuCell": "g"}', "gpuCell"),
        ('{"cells": [{"name":"a","api":"x"},{"name":"a","api":"y"}], "default": "a"}', "same name"),
        (with_one('"routes": [{"cell": "a", "applicationName": "("}]'), "routes[0].pattern"),
        (
            '{"cells": [{"name":"a","api":"x"}], "default": "a", "routes": [{"cell": "a"}]}',
            "one of them",
        ),
        (with_one('"capacityGroups": {"g": {"a": 90}}'), "are 90 together; 100 are wanted"),
        ('{"cells": 3}', "cannot be read"),
    ],
)
def test_a_wrong_configuration_is_refused_with_its_fault(text: str, fault: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the text is looked at below
        configuration_of(text.encode())
    assert fault in str(raised.value)


def test_shares_of_a_group_add_up_to_the_one() -> None:
    shares = {"a": 33, "b": 33, "c": 34}
    for count in range(50):
        found = shared_out(count, shares)
        assert sum(found.values()) == count
    assert shared_out(10, {"a": 100, "b": 0}) == {"a": 10, "b": 0}
    assert faults_of(RULES) == []
