"""Parquet files as events: the same answers as of the same events line by line, with less read."""

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from projections.query.bounds import NOTHING, Bounds, may_hold
from projections.query.engine import Running
from projections.query.parser import parse
from streams.cli.main import main
from streams.query.parquet_files import ParquetEvents
from streams.query.parquet_statistics import ParquetFault

AT_MS = 1_763_800_000_000
QUERIES = [
    "select id, state where state == 'Started' and id > 2990",
    "select id where load > 0.99 or state == 'none'",
    "select state, count(*) as 'n', max(id) as 'last' from q window |500| group by state",
    "select id where e['where']['zone'] == 'a' and id < 20",
    "select * where id == 17",
    "select id where body ==+ 'disk 7 '",
    "select id where at_ms >= 1763800002990",
    "select id where odd == null and id <= 5",
    "select id where missing == null limit 3",
    "select id where missing == 'x'",
    "select id where ok == true and id > 2900 limit 4 order by id desc",
    "select id sample {'strategy':'RPS','threshold':2}",
    "select e[^'sta'] where id < 3",
    "select id where tick() > 5 limit 2",
    "select a, id from q where id == 3.0 or state ==~ /.*rt.*d/ limit 2",
]


def events() -> list[dict[str, Any]]:
    chance = random.Random(5)
    return [
        {
            "id": number,
            "state": chance.choice(("Started", "Finished", "Launched")),
            "load": chance.random(),
            "ok": chance.random() < 0.5,
            "where": {"zone": chance.choice("abc")},
            "body": f"disk {number % 100} is full",
            "at_ms": AT_MS + number,
            "odd": None if number % 2 else "odd",
        }
        for number in range(3_000)
    ]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parquet") / "events.parquet"
    rows = events()
    kinds = {
        "id": pa.int32(),
        "state": pa.dictionary(pa.int32(), pa.string()),
        "body": pa.binary(),
        "at_ms": pa.timestamp("ms"),
    }
    columns = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name == "body":
            values = [each.encode() for each in values]
        columns[name] = pa.array(values, type=kinds.get(name))
    pq.write_table(pa.table(columns), path, row_group_size=500)
    return path


def answered(mql: str, found: Any) -> list[dict[str, Any]]:
    running = Running(parse(mql), lambda: 0.5)
    rows = [row for event in found for row in running.push(event, AT_MS)]
    return rows + running.close()


@pytest.mark.parametrize("mql", QUERIES)
def test_a_file_answers_as_its_events_do(file: Path, mql: str) -> None:
    expected = answered(mql, [{k: v for k, v in row.items() if v is not None} for row in events()])
    assert answered(mql, ParquetEvents(file, parse(mql))) == expected


def test_row_groups_that_statistics_rule_out_are_not_read(file: Path) -> None:
    for mql, groups in (
        ("select id where id > 2990", 1),
        ("select id where id == 700 or id == 2100", 2),
        ("select id where state == 'Zzz' and id > 0", 6),  # Of dictionaries nothing is known.
        ("select id where load > 2", 0),
        ("select id where missing == 'x'", 0),
        ("select id where not (id > 2990)", 6),
        ("select id", 6),
    ):
        found = ParquetEvents(file, parse(mql))
        list(found)
        assert (mql, found.groups_read, found.groups_passed) == (mql, groups, 6 - groups)


@pytest.mark.parametrize(
    ("where", "answer"),
    [
        ("n == 5", True),
        ("n == 11", False),
        ("n < 0", False),
        ("n <= 0", True),
        ("n > 10", False),
        ("n >= 10", True),
        ("n == 'x'", True),
        ("n != 5", True),
        ("s == 'b'", True),
        ("s == 'z'", False),
        ("s ==+ 'z'", True),
        ("none == 'z'", False),
        ("none != 'z'", True),
        ("none == null", True),
        ("unknown == 'z'", True),
        ("n == 11 or s == 'b'", True),
        ("n == 11 and s == 'b'", False),
        ("false", False),
    ],
)
def test_bounds_say_no_only_where_nothing_can_hold(where: str, answer: bool) -> None:
    known = {"n": Bounds(0, 10), "s": Bounds("a", "c"), "none": NOTHING}
    assert may_hold(parse(f"select * where {where}").where, known.get) == answer


def test_the_command_takes_a_file_and_says_what_is_wrong_with_one(
    file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mql = "select count(*) as 'n' from q window 1 where state == 'Started'"
    with pytest.raises(SystemExit) as ended:
        main(["query", mql, "--input", str(file), "--time-field", "at_ms"])
    rows = [json.loads(line)["n"] for line in capfd.readouterr().out.splitlines()]
    assert (ended.value.code, len(rows)) == (0, 3)
    assert sum(rows) == sum(each["state"] == "Started" for each in events())
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(file.read_bytes()[:5_000])
    with pytest.raises(ParquetFault):
        ParquetEvents(damaged, parse("select *"))
    with pytest.raises(SystemExit) as ended:
        main(["query", "select *", "--input", str(damaged)])
    assert ended.value.code == 1
    assert "cannot be read as Parquet" in capfd.readouterr().err
