"""What is asked of the double and told of it: groups as words, addresses, shapes, first rules."""

import pytest

from connectors.cloud.loopback.account import (
    USUAL,
    GroupAsked,
    groups_of,
    queue_url,
    rules_for,
    variables_of,
)
from connectors.cloud.loopback.shapes import Shape, shape_of
from connectors.devcluster.node import ClusterConfig, ConfigError
from scheduler.model.foreign_fleet import read_rules
from scheduler.model.reading.faults import Faults
from scheduler.model.reading.fields import Fields
from streams.cli.command_up import checked_fleet
from streams.errors import OperatorError
from streams.settings import settings_of

URL = "http://127.0.0.1:5000"


def test_a_group_is_written_in_one_word() -> None:
    assert groups_of([]) == (USUAL,)
    assert groups_of(["blue:c5.xlarge:0:4", USUAL.text]) == (
        GroupAsked("blue", "c5.xlarge", 0, 4),
        USUAL,
    )


@pytest.mark.parametrize(
    "texts",
    [
        ["blue"],
        ["blue:m5:0:4"],
        ["blue:m5.large:4:0"],
        ["blue:m5.large:0:61"],
        ["bl ue:m5.large:0:1"],
        ["blue:m5.large:0:1", "blue:m5.large:0:2"],
        ["blue:m5.large:0:40", "green:m5.large:0:40"],
    ],
)
def test_what_is_no_group_is_refused(texts: list[str]) -> None:
    with pytest.raises(ValueError, match=r"group|blue"):
        groups_of(texts)


def test_only_the_services_of_groups_are_led_to_the_double() -> None:
    told = variables_of(URL, {})
    assert told["AWS_ENDPOINT_URL_AUTO_SCALING"] == URL
    assert "AWS_ENDPOINT_URL" not in told
    assert "AWS_ENDPOINT_URL_S3" not in told
    assert told["AWS_ACCESS_KEY_ID"]
    mine = {"AWS_ACCESS_KEY_ID": "mine", "AWS_DEFAULT_REGION": "eu-west-1"}
    told = variables_of(URL, mine)
    assert "AWS_ACCESS_KEY_ID" not in told
    assert told["AWS_REGION"] == "eu-west-1"
    assert queue_url(URL).startswith(URL)


@pytest.mark.parametrize(
    ("cpus", "memory_mib", "shape"),
    [
        (2, 8_192, Shape(2.0, 7_372, 1.0)),
        # Twice the computer's threads: half of all that it has.
        (8, 16_384, Shape(4.0, 7_372, 0.5)),
        (96, 393_216, Shape(4.0, 14_745, 0.0417)),
    ],
)
def test_a_machine_is_made_to_fit_this_computer(cpus: int, memory_mib: int, shape: Shape) -> None:
    assert shape_of(cpus, memory_mib, here=(4, 32_768)) == shape
    assert shape.resources.startswith(f"cpus:{shape.cpu:g};mem:{shape.memory_mib};disk:")


def test_the_first_rules_are_rules_that_a_cell_takes() -> None:
    faults = Faults()
    rules = read_rules(Fields(rules_for({"dev": Shape(2.0, 7_372, 1.0)}), "rules", faults))
    assert not faults
    (group,) = rules.groups
    assert (group.name, group.shape.cpu_milli, group.shape.memory_mib) == ("dev", 2_000, 7_372)
    assert (group.idle_min, group.idle_max) == (0, 0)


def test_an_agent_that_is_a_host_of_its_own_says_so() -> None:
    config = ClusterConfig(data_dir="somewhere", token="", agents=2)
    words = {"resources": "cpus:2;mem:512", "attributes": "instance-id:i-1"}
    grown = config.with_host("agent2", words)
    assert (grown.resources_of("agent2"), grown.attributes_of("agent2")) == (
        "cpus:2;mem:512",
        "instance-id:i-1",
    )
    assert grown.resources_of("agent1") == config.resources
    assert grown.attributes_of("agent1") == "zone:z1"
    for node, told in (("master", words), ("agent1", {"resources": "cpus:1"}), ("agent1", None)):
        with pytest.raises(ConfigError, match="is no host"):
            config.with_host(node, told)


@pytest.mark.parametrize(
    ("environment", "groups", "why"),
    [
        ({"FLUMINA_CLOUD": "aws"}, [], "FLUMINA_CLOUD"),
        ({"MESOS_MASTER": "127.0.0.1:5050"}, [], "MESOS_MASTER"),
        ({}, ["blue"], "blue"),
    ],
)
def test_a_fleet_of_ones_own_stands_alone(
    environment: dict[str, str], groups: list[str], why: str
) -> None:
    with pytest.raises(OperatorError, match=why):
        checked_fleet(settings_of(environment), groups)


def test_the_cloud_on_loopback_serves_the_first_cell() -> None:
    loopback = checked_fleet(settings_of({}), ["blue:c5.xlarge:0:4"])
    told = loopback.variables()
    assert (told["FLUMINA_CLOUD"], told["FLUMINA_CLOUD_LOOK_S"]) == ("aws", "2")
    assert told["FLUMINA_CLOUD_NOTICES"] == queue_url(loopback.url)
    assert loopback.cell == "main"
