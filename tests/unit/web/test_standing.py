"""What is told of a fold in a header: whatever the reason holds, it is a value that HTTP allows."""

import h11
import pytest

from connectors.web.standing import Standing


def _standing(stale: str) -> Standing:
    return Standing("main", "g", "c", 1, 1, 0, 0, stale, safe="", stale=stale, is_healthy=False)


@pytest.mark.parametrize("length", range(190, 210))
def test_a_long_reason_is_cut_off_to_what_a_header_may_hold(length: int) -> None:
    """Wherever the cut falls, behind a word or behind a space."""
    stale = "halted: " + "a word of it " * 40
    header = _standing(stale[length:]).header
    assert header
    h11.Response(status_code=200, headers=[("X-Flumina-Stale", header)])


@pytest.mark.parametrize("stale", [" a\nb ", "\t", "é\x00"])
def test_nothing_of_a_reason_breaks_a_header(stale: str) -> None:
    header = _standing(stale).header
    h11.Response(status_code=200, headers=[("X-Flumina-Stale", header)])
