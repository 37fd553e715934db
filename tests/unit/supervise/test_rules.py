"""Pauses between starts, ports, and ready lines: the rules of keeping parts running."""

import socket
from collections.abc import Iterator

import pytest

from streams.errors import OperatorError
from streams.supervise.keeper import PAUSE_S_MAX, PAUSE_S_MIN, pause_after
from streams.supervise.parts import after_ready_word
from streams.supervise.ports import (
    BLOCKS_VARIABLE,
    Claims,
    block_is_free,
    free_block,
)
from streams.supervise.up import dev_cluster_address


@pytest.fixture
def claims() -> Iterator[Claims]:
    held = Claims()
    yield held
    held.release()


def test_pauses_double_up_to_a_bound() -> None:
    pauses = [pause_after(number) for number in range(1, 9)]
    assert pauses[:5] == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert pauses[5:] == [PAUSE_S_MAX] * 3
    assert pause_after(10_000) == PAUSE_S_MAX
    assert pause_after(0) == PAUSE_S_MIN


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("ready http://127.0.0.1:7100\n", "http://127.0.0.1:7100"),
        ("ready", ""),
        ("already there", None),
        ('{"event": "ready"}', None),
        ("", None),
    ],
)
def test_a_program_is_ready_when_it_says_so(line: str, address: str | None) -> None:
    assert after_ready_word(line) == address


def test_the_dev_cluster_says_it_in_its_own_words() -> None:
    line = "dev cluster ready: master http://127.0.0.1:5050, 2 agents, state in /x (Ctrl-C ends it)"
    assert dev_cluster_address(line) == "127.0.0.1:5050"
    assert dev_cluster_address("dev cluster: agent1 runs") is None


def test_a_port_that_was_asked_for_has_to_be_free(claims: Claims) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OperatorError, match=f"Port {port} of 127.0.0.1 is in use"):
            claims.api_port(port)
        assert not block_is_free(port - 1, 3)
    assert claims.api_port(port) == port
    assert claims.api_port(None) > 0


def test_a_block_of_ports_is_free_and_below_those_of_tasks() -> None:
    first = free_block(4)
    assert block_is_free(first, 4)
    assert first + 4 <= 31_000


def test_a_test_beside_others_takes_no_port_that_all_of_them_know(
    claims: Claims,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two that start at once would both find it free, and one of them could not listen."""
    monkeypatch.setenv(BLOCKS_VARIABLE, "20000-20500")
    assert 20_000 <= claims.console_port() < 20_500
    assert claims.api_port(None) not in {7100, 7180}


def test_two_that_begin_side_by_side_choose_different_ports(claims: Claims) -> None:
    """Nobody listens yet: seconds lie between the choice of a port and its use."""
    port = free_block(1)
    assert claims.api_port(port) == port
    assert block_is_free(port, 1)
    second = Claims()
    with pytest.raises(OperatorError, match=f"Port {port} of 127.0.0.1 is in use"):
        second.api_port(port)
    claims.release()
    assert second.api_port(port) == port
    second.release()


def test_the_console_of_a_second_up_has_a_port_of_its_own(
    claims: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(BLOCKS_VARIABLE, raising=False)
    monkeypatch.setattr("streams.supervise.ports.CONSOLE_PORT", free_block(1))
    second = Claims()
    assert claims.console_port() != second.console_port()
    second.release()
