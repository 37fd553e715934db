"""The network policies: nothing goes but by name; obeying them is Kubernetes' part.

How: the policies that hold for a part are worked out from its pod's own labels.
"""

import pytest

from tests.support.chart import EXAMPLES, Manifest, component, manifests, of_kind, pods

every_example = pytest.mark.parametrize("example", EXAMPLES)


def _holds(policy: Manifest, labels: dict[str, str]) -> bool:
    selector = policy["spec"]["podSelector"]
    if any(labels.get(name) != value for name, value in selector.get("matchLabels", {}).items()):
        return False
    return all(
        labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", ())
    )


def _of(example: str) -> dict[str, set[str]]:
    """By part: the names of the policies that hold for its pods."""
    found = manifests(example)
    policies = of_kind(found, "NetworkPolicy")
    return {
        component(owner): {
            each["metadata"]["name"].removeprefix("cp-flumina-")
            for each in policies
            if _holds(each, owner["metadata"]["labels"])
        }
        for owner, _ in pods(found)
    }


@pytest.mark.slow
@every_example
def test_everything_is_denied_to_every_pod_of_ours(example: str) -> None:
    (deny,) = [
        each
        for each in of_kind(manifests(example), "NetworkPolicy")
        if each["metadata"]["name"] == "cp-flumina-deny"
    ]
    assert deny["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & deny["spec"].keys()
    assert all({"deny", "names"} <= held for held in _of(example).values())


@every_example
def test_who_has_no_business_with_mesos_or_kafka_has_no_way_there(example: str) -> None:
    held = _of(example)
    assert "to-kafka" in held["cell"]
    assert "to-mesos" in held["cell"]
    assert "to-mesos" not in held["query"]
    assert "to-mesos" not in held["webhooks"]
    assert held["test"] == {"deny", "names", "to-api"}


@every_example
def test_no_policy_lets_everybody_in(example: str) -> None:
    for each in of_kind(manifests(example), "NetworkPolicy"):
        for rule in each["spec"].get("ingress", ()):
            assert rule["from"]
            assert rule["ports"]
        for rule in each["spec"].get("egress", ()):
            assert rule["to"]
            assert rule["ports"]


def test_scrapers_and_clients_come_in_only_where_they_are_named() -> None:
    open_doors = {name for held in _of("production").values() for name in held}
    assert {"to-metrics", "to-console"} <= open_doors
    closed = {name for held in _of("small").values() for name in held}
    assert not {"to-metrics", "to-console"} & closed
