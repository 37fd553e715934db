"""`health series`, `health peers`, `scale backtest`: files as they come, lines as they are read.

Each command is run in this process on a file of its own.
"""

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli.command_health import app
from streams.cli.command_scale_backtest import minutes_in
from streams.cli.main import app_for
from streams.errors import OperatorError
from tests.support.sick_hosts import METRICS, hosts_of, samples

RUN = CliRunner()


def lines(*words: object) -> list[dict[str, object]]:
    done = RUN.invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def scaled(*words: object) -> list[dict[str, float]]:
    found = app_for(["scale backtest"])
    done = RUN.invoke(found, ["scale backtest", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_series_has_a_score_for_every_row_packed_or_not(tmp_path: Path) -> None:
    text = "timestamp,value\n" + "".join(
        f"2026-01-01 {at // 12:02}:{at % 12 * 5:02}:00,{at % 7 if at != 250 else 900}\n"
        for at in range(280)
    )
    plain, packed = tmp_path / "a.csv", tmp_path / "b.csv.gz"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    found = lines("series", plain)
    assert found == lines("series", packed)
    assert len(found) == 280
    assert found[0] == {"timestamp": "2026-01-01 00:00:00", "score": 0.0}
    assert [at for at, row in enumerate(found) if float(str(row["score"])) >= 0.5] == [250]


def test_columns_are_found_or_named_and_rows_without_a_number_are_said(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("at,cpu,disk\n1700000000,1,5\n1700000060,,6\n1700000120,x,7\n1700000180,2,8\n")
    with pytest.raises(OperatorError, match="not clear which column"):
        lines("series", file)
    done = RUN.invoke(app, ["series", str(file), "--column", "cpu"], catch_exceptions=False)
    assert len(done.stdout.splitlines()) == 4
    assert "2 of 4 rows have no number; the first is line 3" in done.stderr
    with pytest.raises(OperatorError, match="no column 'memory'"):
        lines("series", file, "--column", "memory")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no columns"),
        ("timestamp,value\n", "no row with a number"),
        ("timestamp,value\nyesterday,1\n", "Line 2 of .* has 'yesterday'"),
        ("timestamp,value\n2026-01-01,a\n", "no row with a number"),
    ],
)
def test_files_that_hold_no_series_are_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(text)
    with pytest.raises(OperatorError, match=said):
        lines("series", file)
    with pytest.raises(OperatorError, match="cannot be read"):
        lines("series", tmp_path / "missing.csv")


def test_peers_have_a_line_for_each_host_and_round(tmp_path: Path) -> None:
    known = hosts_of(900, hosts=120, sick_share=0.02)
    rows = samples(900, known, rounds=40, groups=2)
    file = tmp_path / "hosts.csv"
    file.write_text(
        f"timestamp,host,group,{','.join(METRICS)}\n"
        + "".join(
            f"{1_700_000_000 + 60 * each.at},{each.host},{each.group},"
            f"{','.join(f'{value:.3f}' for value in each.values)}\n"
            for each in rows
        )
    )
    found = lines("peers", file)
    assert len(found) == len(rows)
    assert set(found[0]) == {"timestamp", "host", "group", "score", "sick"}
    sick = {row["host"] for row in found if row["sick"]}
    assert sick
    assert sick <= {host for host, kind in known.items() if kind}
    assert all("usual distances" in str(row["why"]) for row in found if row["sick"])


def test_a_backtest_has_a_line_a_minute_and_the_figures_last(tmp_path: Path) -> None:
    file = tmp_path / "load.csv"
    minutes = [at for at in range(3 * 1_440) if at not in range(2_000, 2_010)]
    file.write_text(
        "period,count\n" + "".join(f"{1_700_000_000 + 60 * at},{100 + at % 60}\n" for at in minutes)
    )
    *rows, last = scaled(file, "--horizon", "15m")
    assert len(rows) == len(minutes)
    assert set(rows[0]) == {"timestamp", "actual", "provisioned"}
    assert rows[0]["provisioned"] == 0.0
    counted = [row for row in rows if float(row["timestamp"]) >= 1_700_000_000 + 2_880 * 60]
    short = sum(row["actual"] > 1.2 * row["provisioned"] for row in counted) / len(counted)
    bought = sum(row["provisioned"] for row in counted) / sum(row["actual"] for row in counted)
    assert last["short"] == pytest.approx(short, abs=1e-5)
    assert last["bought"] == pytest.approx(bought, abs=1e-4)
    assert last["minutes"] == len(counted) == 1_440


def test_horizons_are_whole_minutes() -> None:
    assert [minutes_in(each) for each in ("15m", "15", "1h", "900s", "90min")] == [
        15,
        15,
        60,
        15,
        90,
    ]
    for each in ("", "0m", "61s", "-5m", "13h", "soon"):
        with pytest.raises(OperatorError, match="no horizon"):
            minutes_in(each)


def test_a_record_of_two_days_is_too_short(tmp_path: Path) -> None:
    file = tmp_path / "load.csv"
    file.write_text("time,value\n" + "".join(f"{60 * at},1\n" for at in range(1_000)))
    with pytest.raises(OperatorError, match="third day"):
        scaled(file)
