"""What `flumina capacity` makes of a cell's guarantees and a file of types."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from scheduler.capacity.mix import Mix
from streams.cli.client import decoded
from streams.cli.command_capacity import _Capacity, mixes_of, print_capacity, read_types
from streams.errors import OperatorError
from tests.support.asgi import call
from tests.support.web_cell import WebCell

EXAMPLE = Path("docs/examples/instance-types.yaml")


def _guaranteed(cpu: float = 2, count: int = 100) -> _Capacity:
    web = WebCell()
    shape = {"cpu": cpu, "memoryMB": 4_096}
    body = {"appName": "video", "instanceCount": count, "resourceDimension": shape}
    assert call(web.app, "POST", "/api/v2/management/applications", body).status == 201
    return decoded(call(web.app, "GET", "/api/flumina/capacity").body, _Capacity)


def _mixes(found: _Capacity) -> dict[str, Mix]:
    totals = [(("", each.tier), each.total.vector) for each in found.tiers]
    return {tier: mix for (_, tier), mix in mixes_of(totals, read_types(EXAMPLE)).items()}


def test_a_tier_is_shown_with_its_buffer_and_its_cheapest_instances() -> None:
    found = _guaranteed()
    mixes = _mixes(found)
    text = io.StringIO()
    print_capacity(found, mixes, Console(file=text, width=1_000))
    said = text.getvalue()
    assert "tier Flex: video" in said
    assert "10 (percent)" in said
    assert "instances: " in said
    assert "SHORTAGE" not in said
    assert "left alone, for nothing is guaranteed there: Critical" in said


def test_what_cannot_be_had_is_a_shortage() -> None:
    found = _guaranteed(cpu=90, count=10_000)
    mixes = _mixes(found)
    text = io.StringIO()
    print_capacity(found, mixes, Console(file=text, width=1_000))
    assert "SHORTAGE" in text.getvalue()


def test_tiers_take_in_their_order_and_only_types_that_they_may_have() -> None:
    offered = read_types(EXAMPLE)
    total = (400 * 15_500, 1_024, 0, 0, 0)
    found = mixes_of([(("", "Critical"), total), (("", "Flex"), total)], offered)
    assert "r5.4xlarge" not in dict(found["", "Critical"].counts)
    most = {each.type.name: each.type.most for each in offered}
    for name, there in most.items():
        assert sum(dict(each.counts).get(name, 0) for each in found.values()) <= there
    assert isinstance(found["", "Flex"], Mix)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("types: []", "types is"),
        ("types: [{name: a, cpu: 1, memory: 4, price: 1, most: 1}]", "memory"),
        ("types: [{name: a, cpu: 1, memory: 4 GiB, price: 0, most: 1}]", "price"),
        ("types: [{name: a, cpu: 1, memory: 4 GiB, price: 1, most: 1, x: 1}]", "unknown field"),
    ],
)
def test_a_wrong_file_is_refused_by_its_fields(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "types.yaml"
    path.write_text(text)
    with pytest.raises(OperatorError) as raised:
        read_types(path)
    assert said in raised.value.what
