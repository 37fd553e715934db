"""W3C headers are read as they are written, drawn by the trace's id, and never an error."""

import pytest

from streams.tracing.context import (
    TraceContext,
    begun,
    read_traceparent,
    span_id_of,
    traceparent_of,
)

GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_header_is_read_and_written_as_it_was() -> None:
    found = read_traceparent(GOOD)
    assert found == TraceContext(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, True)
    assert found.traceparent == GOOD


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        GOOD.upper(),
        GOOD[:-1],
        f"{GOOD}-more",
        GOOD.replace("00-4bf", "ff-4bf"),
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        "-" * 55,
        "\x00" * 10_000,
    ],
)
def test_what_is_no_context_is_none(text: str) -> None:
    assert read_traceparent(text) is None


def test_a_later_version_may_say_more() -> None:
    assert read_traceparent(GOOD.replace("00-4bf", "01-4bf") + "-") is not None


def test_the_sampled_flag_alone_decides() -> None:
    assert read_traceparent(GOOD[:-2] + "03") == read_traceparent(GOOD)
    unsampled = read_traceparent(GOOD[:-2] + "02")
    assert unsampled is not None
    assert not unsampled.is_sampled


def test_the_header_of_a_record_is_found_among_others() -> None:
    headers = [("ce_id", b"1"), ("traceparent", GOOD.encode()), ("other", b"\xff")]
    assert traceparent_of(headers) == read_traceparent(GOOD)
    assert traceparent_of([("traceparent", b"\xff\xfe")]) is None
    assert traceparent_of([]) is None


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_the_share_of_traces_that_begin_here_is_what_was_asked_for(share: float) -> None:
    drawn = [begun(share, f"jobs/0b87e1a2:0:{number}").is_sampled for number in range(4_000)]
    assert abs(sum(drawn) / len(drawn) - share) < 0.03
    assert begun(1.0).is_sampled
    assert not begun(0.0).is_sampled


def test_ids_follow_from_the_record_and_are_the_same_wherever_it_is_read() -> None:
    assert begun(0.5, "jobs/0b87e1a2:0:7") == begun(0.5, "jobs/0b87e1a2:0:7")
    assert begun(0.5, "jobs/0b87e1a2:0:7") != begun(0.5, "jobs/0b87e1a2:0:8")
    ids = {span_id_of(1, kind, each) for kind in ("fold", "step") for each in range(500)}
    assert len(ids) == 1_000
    assert all(0 < each < 1 << 64 for each in ids)
