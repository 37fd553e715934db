"""What is told of a fold in a header: whatever the reason holds, it is a value that HTTP allows."""

import h11
import pytest

from connectors.web.standing import header_of


@pytest.mark.parametrize("length", range(190, 210))
def test_a_long_reason_is_cut_off_to_what_a_header_may_hold(length: int) -> None:
    """Wherever the cut falls, behind a word or behind a space."""
    stale = "halted: " + "a word of it " * 40
    header = header_of(stale[length:])
    assert header
    h11.Response(status_code=200, headers=[("X-Flumina-Stale", header)])


@pytest.mark.parametrize("stale", [" a\nb ", "\t", "é\x00"])
def test_nothing_of_a_reason_breaks_a_header(stale: str) -> None:
    header = header_of(stale)
    h11.Response(status_code=200, headers=[("X-Flumina-Stale", header)])
