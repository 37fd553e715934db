"""Processors of a host, read from the kernel's texts and from a description."""

import pytest

from scheduler.cpu_sets.topology import (
    Thread,
    TopologyError,
    from_description,
    from_lscpu,
    from_sys,
    list_of,
    numbers_of,
)

SMALL = """\
# The following is the parsable format, which can be fed to other
# programs. Each different item in every column has an unique ID
# starting usually from zero.
# CPU,Core,Socket,Node,,L1d,L1i,L2,L3
0,0,0,0,,0,0,0,0
1,1,0,0,,1,1,1,0
2,0,0,0,,0,0,0,0
3,1,0,0,,1,1,1,0
"""


def sys_files(rows: str, nodes: dict[int, str], online: str) -> dict[str, str]:
    """Files of ``/sys/devices/system`` from lines ``cpu package die core``."""
    files = {"cpu/online": f"{online}\n"}
    for row in rows.splitlines():
        cpu, package, die, core = row.split()
        files[f"cpu/cpu{cpu}/topology/physical_package_id"] = f"{package}\n"
        files[f"cpu/cpu{cpu}/topology/die_id"] = f"{die}\n"
        files[f"cpu/cpu{cpu}/topology/core_id"] = f"{core}\n"
    return files | {f"node/node{node}/cpulist": f"{text}\n" for node, text in nodes.items()}


def test_lscpu() -> None:
    found = from_lscpu(SMALL)
    assert found.cores == {0: (0, 2), 1: (1, 3)}
    assert found.packages == {0: (0, 1)}
    assert found == from_description("1x2x2")


def test_lscpu_with_columns_in_another_order() -> None:
    text = "# Node,Socket,Core,CPU\n0,0,0,4\n1,1,7,9\n"
    assert from_lscpu(text).threads == (Thread(4, 0, 0), Thread(9, 1, 1))


def test_a_comment_below_the_names_of_the_columns_is_no_other_names() -> None:
    text = "# Node,Socket,Core,CPU\n# CPU, as it was\n# Core, by hand\n0,0,0,4\n1,1,7,9\n"
    assert from_lscpu(text).threads == (Thread(4, 0, 0), Thread(9, 1, 1))


def test_two_nodes_of_one_socket_are_two_packages() -> None:
    text = "# CPU,Core,Socket,Node\n0,0,0,0\n1,1,0,0\n2,2,0,1\n3,3,0,1\n"
    assert from_lscpu(text).packages == {0: (0, 1), 1: (2, 3)}


def test_two_sockets_of_one_node_are_two_packages() -> None:
    """A virtual machine that hides its nodes still has two memories."""
    assert from_lscpu("# CPU,Core,Socket,Node\n0,0,0,0\n1,1,1,0\n").packages == {0: (0,), 1: (1,)}


def test_a_machine_without_nodes() -> None:
    assert from_lscpu("# CPU,Core,Socket,Node\n0,0,0,\n1,1,0,\n").packages == {0: (0, 1)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no processor is named"),
        ("# CPU,Core\n", "no processor is named"),
        ("# CPU,Core\n0,0\n0,0\n", "named twice"),
        ("# CPU,Core\n0,-\n", "line 2: '0,-' has no numbers"),
        ("# CPU,Core\n3\n", "line 2: '3' has no numbers"),
        ("# Core,CPU\n3\n", "line 2: '3' has no numbers"),
        ("nonsense\n", "line 1"),
    ],
)
def test_what_lscpu_does_not_say(text: str, words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        from_lscpu(text)


def test_sys() -> None:
    """Core ids are only unique within a package, and within a die of it."""
    rows = "0 0 0 0\n1 0 1 0\n2 1 0 0\n3 1 1 0\n4 0 0 0\n5 0 1 0\n6 1 0 0\n7 1 1 0"
    found = from_sys(sys_files(rows, {0: "0-1,4-5", 1: "2-3,6-7"}, "0-7"))
    assert found == from_description("2x2x2")


def test_sys_with_threads_that_are_offline() -> None:
    rows = "0 0 0 0\n1 0 0 1\n2 0 0 0"
    assert from_sys(sys_files(rows, {0: "0-2"}, "0-1")).numbers == (0, 1)


def test_sys_of_a_small_machine() -> None:
    files = {f"cpu/cpu{cpu}/topology/core_id": f"{cpu}" for cpu in (0, 1)}
    assert from_sys(files) == from_description("1x2x1")


def test_a_description() -> None:
    found = from_description("2x2x2")
    assert found.numbers == tuple(range(8))
    assert found.cores == {0: (0, 4), 1: (1, 5), 2: (2, 6), 3: (3, 7)}
    assert found.packages == {0: (0, 1), 1: (2, 3)}


@pytest.mark.parametrize("text", ["", "2", "0x1x1", "2x2", "axbxc", "2x2x2x2"])
def test_no_description(text: str) -> None:
    with pytest.raises(TopologyError, match="PACKAGESxCORESxTHREADS"):
        from_description(text)


def test_a_part_of_a_topology() -> None:
    assert from_description("1x2x2").only((1, 2, 99)).cores == {0: (2,), 1: (1,)}


@pytest.mark.parametrize(
    ("count", "parts"),
    [
        (1, ["0-7"]),
        (2, ["0-1,4-5", "2-3,6-7"]),
        (3, ["0,4", "1-2,5", "3,6-7"]),
        (9, ["0", "4", "1", "5", "2", "6", "3", "7", "0"]),
    ],
)
def test_agents_of_one_computer_divide_it(count: int, parts: list[str]) -> None:
    whole = from_description("2x2x2")
    assert [list_of(whole.part(index, count).numbers) for index in range(count)] == parts


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("", ()), ("0", (0,)), ("0-3,8,10-11\n", (0, 1, 2, 3, 8, 10, 11))],
)
def test_lists_of_processors(text: str, numbers: tuple[int, ...]) -> None:
    assert numbers_of(text) == numbers
    assert list_of(numbers) == text.strip()


def test_no_list_of_processors() -> None:
    with pytest.raises(TopologyError, match="no list of processors"):
        numbers_of("0-x")
