"""The policy file: what is written is read back, and every mistake is told with its place.

How: files are texts; the reader gives a document and places, the pure reader gives the faults.
"""

import re

import msgspec
import pytest

from scheduler.model.changes import RequestAccepted
from scheduler.model.foreign import decode_commands_record
from scheduler.model.foreign_records import encode_set_rules
from scheduler.model.policy import Policy
from scheduler.model.reading.faults import Faults
from scheduler.model.rules import FITNESS_NAMES, Amount
from scheduler.model.rules_document.reading import read_policy
from scheduler.model.rules_document.writing import policy_document
from streams.policy_file.reading import DEPTH_MAX, FILE_BYTES_MAX, Place, read_yaml
from streams.policy_file.words import HEADINGS, WORDS
from streams.policy_file.writing import WIDTH_MAX, policy_text
from tests.architecture.tree import ROOT
from tests.support.cell import batch, running_cell
from tests.support.samples import OTHER_POLICY


def read(text: str) -> tuple[Policy, list[str]]:
    """The policy of a text, and its faults as ``line:column field text``."""
    faults = Faults()
    there = read_yaml(text, faults)
    policy = read_policy(there.document, faults) if not faults else Policy()
    told = []
    for each in faults.all():
        place = there.place_of(each.field) or Place(0, 0)
        told.append(f"{place.line}:{place.column} {each.field} {each.text}")
    return policy, told


@pytest.mark.parametrize("policy", [Policy(), OTHER_POLICY], ids=["default", "other"])
def test_the_written_file_is_the_policy(policy: Policy) -> None:
    text = policy_text(policy, "Policy of cell main, version 3.")
    found, _ = read(text)
    assert found == policy
    assert max(map(len, text.splitlines())) <= WIDTH_MAX + 40, "readable without scrolling"


def test_every_part_of_the_document_is_explained_and_every_explanation_is_used() -> None:
    document = policy_document(OTHER_POLICY)
    own = {"mode", "lost_zones", "lend", "aging", "gpu_hosts_take_all", "attributes"}
    assert set(document) == set(HEADINGS) | own
    for section in ("guards", "limits"):
        known = {each.removeprefix(f"{section}.") for each in WORDS if f"{section}." in each}
        assert known == set(document[section]), f"{section} in streams/policy_file/words.py"
    assert own <= WORDS.keys()


def test_the_file_of_the_documentation_is_applied() -> None:
    text = (ROOT / "docs" / "placement" / "examples" / "policy.yaml").read_text("utf-8")
    faults = Faults()
    document = read_yaml(text, faults).document
    assert not faults
    assert set(document) == set(policy_document(Policy())) - {"gpu_hosts_take_all"}
    cell = running_cell()
    body = decode_commands_record(None, encode_set_rules(document, "ada", "test"))
    cell.copy("commands", body)
    assert any(isinstance(each, RequestAccepted) for each in cell.said_last()), body
    rules = cell.state.policy.placement
    assert [each.name for each in rules.tiers] == ["Critical", "Flex"]
    encoding = next(each for each in rules.groups if each.name == "encoding")
    assert encoding.guarantee == Amount(cpu_milli=100_000, memory_mib=400 << 10, gpus=8)
    assert cell.state.policy.unreachable_timeout_ms == 120_000
    cell.submit(batch(size=2))
    assert not cell.launched(), "a cell as small as this holds all it has for playback"
    cell.offer("large", cpus=1_000, memory_mib=4 << 20)
    assert len(cell.launched()) == 2


def test_what_the_documentation_shows_of_a_file_can_be_read() -> None:
    text = (ROOT / "docs" / "placement" / "policy.md").read_text("utf-8")
    shown = re.findall("```yaml\n(.*?)```", text, re.DOTALL)
    assert shown
    for each in shown:
        _, told = read(each)
        assert all("distribution is missing" in fault or "version is missing" in fault
                   for fault in told), told  # fmt: skip
    for name in policy_document(Policy()):
        assert f"| `{name}` |" in text
    assert all(f"`{name}`" in text for name in FITNESS_NAMES)


def test_an_empty_object_is_the_default_policy() -> None:
    assert read("{}") == (Policy(), [])


def test_all_that_is_wrong_is_said_at_once_with_its_place() -> None:
    text = """\
mode: fail
modes: normal
profiles:
  pack:
    weights: {packin: 1, agent: -2}
    soft_weight: 1
  spread: {weights: {packing: 0}}
groups:
  DEFAULT: {tier: Flex}
  video:
    tier: flex
    guarantee: {cpu: 3, memory: 64 GB}
    limit: {cpu: 2}
guards:
  quality_window: 5 minutes
"""
    policy, told = read(text)
    assert told == [
        "1:1 mode is the text 'fail'; one of normal, failover is needed",
        "5:26 profiles.pack.weights.agent is -2; it must be from 0 to 1000000",
        "12:25 groups.video.guarantee.memory is '64 GB', which has the unit 'GB', unknown here",
        "15:3 guards.quality_window is '5 minutes', which has the unit 'minutes', unknown here",
        "2:1 modes is an unknown field",
        "5:15 profiles.pack.weights.packin is no fitness function",
        "7:12 profiles.spread.weights has no weight above 0",
        "11:5 groups.video.tier is 'flex', which is no tier",
        "13:13 groups.video.limit.cpu is 2, below the guarantee of 3",
    ]
    assert policy.placement.mode == "normal"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ["0:0  is empty"]),
        ("mode: normal\nmode: failover\n", ["2:1 mode is given twice"]),
        ("[1, 2]", ["1:1  is a list of 2; an object is needed"]),
        ("mode: [", ["1:8  is not YAML: "]),
        ("mode:\n\tnormal", ["2:1  is not YAML: "]),
        ("mode: !!python/object:os.system x", ["1:1 mode has the tag "]),
        ("mode: !own x", ["1:1 mode has the tag "]),
        ("<<: {mode: normal}", ["1:1 ['<<'] is a merge key"]),
        ("? [a]\n: b", ["1:1  has a name that is no text"]),
        ("mode: yes", ["1:1 mode is the text 'yes'"]),
        ("lost_zones: [no, 1]", ["1:18 lost_zones[1] is 1; a text is needed"]),
        ("aging: 10", ["1:1 aging is 10, which has no unit"]),
        ("aging: 1.5 ms", ["1:1 aging is '1.5 ms', which is no whole number of ms"]),
        ("aging: -5 s", ["1:1 aging is '-5 s'; a duration is needed"]),
        ("limits: {mark_records: 1e3}", ["1:10 limits.mark_records is 1000.0; a whole number"]),
        ("limits: {batch_size_max: 0}", ["1:10 limits.batch_size_max a limit of 0 would stop"]),
        (f"aging: {'9' * 30} s", ["1:1 aging is '9999999999"]),
        ("a: &a [*a]", ["1:4  stands for more than 100000 entries"]),
    ],
)
def test_what_is_no_policy_is_refused_in_words(text: str, told: list[str]) -> None:
    _, found = read(text)
    assert len(found) >= len(told)
    for wanted, each in zip(told, found, strict=False):
        assert each.startswith(wanted), found


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5_000,
        "{a: " * (DEPTH_MAX + 2) + "1" + "}" * (DEPTH_MAX + 2),
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n"
            for n in range(9)
        ),
        "x: " + "y" * FILE_BYTES_MAX,
        "mode: \x00",
        "mode: \ud800",
    ],
    ids=["deep", "nested", "aliases", "long", "nul", "half a surrogate"],
)
def test_hostile_files_are_refused_and_end_nothing(text: str) -> None:
    _, found = read(text)
    assert found


def test_an_alias_says_the_same_twice() -> None:
    text = """\
profiles:
  pack: &pack {weights: {packing: 1}}
  spread: *pack
"""
    policy, told = read(text)
    assert told == []
    assert [each.weights for each in policy.placement.profiles] == [(("packing", 1),)] * 2


@pytest.mark.parametrize(
    ("text", "cpu_milli"),
    [("12.5", 12_500), ("3", 3_000), ("0.001", 1), (".5", 500), ("1e1", 10_000), ("0", 0)],
)
def test_cpus_are_counted_in_thousandths(text: str, cpu_milli: int) -> None:
    policy, told = read(f"groups: {{DEFAULT: {{tier: Flex, guarantee: {{cpu: {text}}}}}}}")
    assert told == []
    assert policy.placement.groups[0].guarantee.cpu_milli == cpu_milli


def test_names_that_look_like_something_else_are_written_in_quotes() -> None:
    names = ("yes", "null", "1.5", "0x10", "a: b", "#x", "", " a", "ä ö", "-", "true", "007", "~")
    policy = Policy(
        placement=msgspec.structs.replace(OTHER_POLICY.placement, lost_zones=tuple(names))
    )
    found, _ = read(policy_text(policy))
    assert found.placement.lost_zones == names
