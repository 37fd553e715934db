"""RESERVE of what the call says was allocated to a role that it was not allocated to.

Each row was observed on Apache Mesos 1.11.0; the same assertions run on it and the dev cluster.
"""

import pytest

from tests.contract.mesos_master.master_client import Json
from tests.contract.mesos_master.reservations import Reserving, amount, dynamic, named, operation

pytestmark = pytest.mark.integration

# Name to (the reservation, how the message begins): all are said to be allocated to silver.
REFUSED: dict[str, tuple[Json, str]] = {
    "for that role": (
        dynamic("silver"),
        (
            "A reserve operation was attempted for a resource allocated to role 'silver', but the "
            "framework only has roles '{ gold }'; on agent "
        ),
    ),
    "for the framework's own role": (
        dynamic("gold"),
        (
            "A reserve operation was attempted for a resource with role 'gold', but the "
            "resource was "
            "allocated to role 'silver'; on agent "
        ),
    ),
    "in nobody's name": (
        dynamic("gold", None),
        (
            "A reserve operation was attempted by principal 'builder', but there is a reserved "
            "resource in the request with no principal set; on agent "
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_another_role_was_given_is_not_reserved(port: int, name: str) -> None:
    reservation, begin = REFUSED[name]
    silver = amount("mem", 8.0, reservation, allocation_info={"role": "silver"})
    with Reserving(port, "gold") as framework:
        offer = framework.offers()[0]
        body = {
            "offer_ids": [offer["id"]],
            "operations": [named(operation("RESERVE", [silver]), "wrong")],
        }
        assert framework.call("ACCEPT", body).status == 202
        event = framework.await_event("UPDATE_OPERATION_STATUS")
        status = event["update_operation_status"]["status"]
        assert (status["state"], status["operation_id"]["value"]) == ("OPERATION_ERROR", "wrong")
        assert status["message"].startswith(begin + offer["agent_id"]["value"])
