"""Forecasts: whole numbers, bounded memory, margins that learn, and a season that is expected."""

import gzip
import json
from pathlib import Path

import pytest

from scheduler.autoscaling.backtest import BASELINE, backtest
from scheduler.autoscaling.forecast import Forecast, Shape, after, base_of
from streams.autoscale.recorded import read_series
from streams.cli.main import main
from streams.errors import OperatorError

SHARED = Path(__file__).parents[3].parent / "shared" / "data" / "requests"
SERIES = SHARED / "worldcup98_per_minute.csv.gz"


def test_memory_is_bounded_and_a_season_is_expected() -> None:
    shape = Shape(horizon=3, season=24, quantile_milli=900)
    day = [100] * 12 + [400] * 6 + [100] * 6
    known = Forecast()
    for load in day * 4:
        known = after(known, load * 1_000, shape)
    assert len(known.loads) == shape.kept
    assert len(known.bases) == shape.horizon
    # Two slots before the peak of the fifth day: more than now, because of the days before.
    for load in day[:10]:
        known = after(known, load * 1_000, shape)
    base = base_of(known.loads, shape)
    assert base is not None
    assert base > 130_000


def test_too_little_is_no_forecast() -> None:
    shape = Shape(horizon=5, season=10, quantile_milli=900)
    known = Forecast()
    for _ in range(4):
        known = after(known, 1_000, shape)
    assert known.expected is None


@pytest.mark.parametrize("quantile", [800, 950])
def test_the_margin_covers_what_was_asked_for(quantile: int) -> None:
    shape = Shape(horizon=2, season=50, quantile_milli=quantile)
    known, covered, counted, state = Forecast(), 0, 0, 7
    expected: list[int | None] = [None, None]
    for at in range(6_000):
        state = state * 1_103_515_245 + 12_345 & 0x7FFFFFFF
        load = 100_000 + (state >> 16) % 50_000
        due = expected.pop(0)
        if due is not None and at > 1_000:
            counted += 1
            covered += load <= due
        known = after(known, load, shape)
        expected.append(known.expected)
    assert abs(1_000 * covered / counted - quantile) < 40


@pytest.mark.slow
@pytest.mark.skipif(not SERIES.exists(), reason="the recorded requests are not beside the checkout")
def test_a_real_load_is_forecast_better_than_by_linear_regression() -> None:
    """At fewer short minutes we buy less; the whole series is what docs/autoscaling.md tells of."""
    loads = read_series(SERIES, "count").loads[-12_000:]
    found = {
        (each.method, each.figure): each.value for each in backtest(loads, Shape(15, 1_440, 900))
    }
    for figure in ("error", "short", "bought"):
        assert found["seasonal", figure] < found[BASELINE, figure], figure


def test_the_command_prints_a_line_for_each_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["timestamp,value"]
    lines += [
        f"2024-01-{1 + at // 24:02}T{at % 24:02}:00:00,{10 + at % 24}" for at in range(24 * 20)
    ]
    path = tmp_path / "load.csv.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    with pytest.raises(SystemExit) as left:
        main(["autoscale", "backtest", str(path), "--horizon", "2", "--quantile", "0.9"])
    assert left.value.code == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(told) == 4 * 4 + 1
    assert {each["method"] for each in told[:-1]} == {
        "last value", "maximum of the horizon", "linear regression", "seasonal",
    }  # fmt: skip
    assert told[-1] == {
        "rows": 480, "counted": 430, "horizon": 2, "season": 24, "quantile": 0.9,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "value\nx\n", "value\nnan\n"])
def test_a_file_without_numbers_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "load.csv"
    path.write_text(text)
    with pytest.raises(OperatorError):
        read_series(path, "value")
