"""Questions of strangers: what they may ask, what they may not touch, and how they end."""

from pathlib import Path

import pytest

from connectors.archive.archive import Archive
from connectors.archive.columns import arrow_table
from connectors.archive.ranges import Kind
from connectors.archive.rows import ArchivedMessage, ArchivedRecord
from connectors.archive.sql import Source, SqlAnswer, SqlFault, SqlLimits, answer, csv_text
from streams.history.asking import named_tables
from tests.support.kept_log import MemoryStore

BEGAN_AT_MS = 1_700_000_000_000
RECORDS = [
    ArchivedRecord(
        n,
        1_700_000_000_000 + n,
        1_700_000_000_000 + n,
        1,
        ("Tick",),
        b'{"events":[{"type":"Tick"}]}',
    )
    for n in range(50)
]
JOBS = [
    ArchivedMessage(0, 1_700_000_000_000, b"k", b'{"a":1}', (("h", b"v"),)),
    ArchivedMessage(1, 1_700_000_000_001, None, b"\xff\xfe", ()),
    ArchivedMessage(2, 1_700_000_000_002, b"=1+1", None, ()),
]


def ask(sql: str, **limits: float) -> SqlAnswer:
    tables: dict[str, tuple[Kind, list[Source]]] = {
        "records": ("records", [Source("records", "g", 0, table=arrow_table("records", RECORDS))]),
        "jobs": ("messages", [Source("messages", "g", 0, table=arrow_table("messages", JOBS))]),
        "changes": ("changes", []),
    }
    given = SqlLimits(**{"memory_mib": 128, **limits})  # type: ignore[arg-type] # by name
    return answer(Archive(MemoryStore()), sql, tables, given)


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT count(*) FROM records", ((50,),)),
        ("SELECT count(*) FROM changes", ((0,),)),
        ("SELECT kind, count(*) FROM events GROUP BY kind", (("Tick", 50),)),
        (
            "SELECT body, key FROM jobs ORDER BY log_offset",
            (('{"a":1}', "k"), (None, None), (None, "=1+1")),
        ),
        ("SELECT body->>'a' FROM jobs WHERE key = 'k'", (("1",),)),
        (
            "SELECT log_offset FROM records WHERE at_time >= '2023-11-14 22:13:20.048'",
            ((48,), (49,)),
        ),
        ("WITH a AS (SELECT 1 AS x) SELECT x FROM a;", ((1,),)),
    ],
)
def test_a_question_is_answered(sql: str, rows: tuple[object, ...]) -> None:
    assert ask(sql).rows == rows


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM read_parquet('{file}')",
        "SELECT * FROM '{file}'",
        "SELECT * FROM glob('/*')",
        "COPY (SELECT 1) TO '{file}2'",
        "COPY records FROM '{file}'",
        "ATTACH '{file}2'",
        "CREATE TABLE t AS SELECT 1",
        "DROP VIEW records",
        "INSERT INTO records VALUES (1)",
        "SET memory_limit='8GB'",
        "RESET memory_limit",
        "PRAGMA enable_profiling",
        "INSTALL httpfs",
        "LOAD httpfs",
        "CALL pragma_version()",
        "EXPORT DATABASE '{file}2'",
        "SELECT 1; SELECT 2",
        "EXPLAIN ANALYZE SELECT 1",
        "SELECT * FROM query('DROP VIEW records')",
        "SELECT * FROM RECORDS_IN_PYTHON",
        "",
    ],
)
def test_a_question_touches_nothing_else(sql: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("a,b\n1,2\n")
    records_in_python = arrow_table("records", RECORDS)
    assert records_in_python.num_rows == 50
    with pytest.raises(SqlFault):
        ask(sql.format(file=file))
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize(
    ("sql", "line", "column"),
    [
        ("SELECT nope FROM records", 1, 8),
        ("SELECT count(*)\nFROM records\nWHERE  nope = 1", 3, 8),
        ("SELEC 1", 1, 1),
        ("SELECT *\nFROM records WHERE\nGROUP BY 1", 3, 1),
        ("SELECT * FROM nowhere", 1, 15),
        ("SELECT cast('x' AS INTEGER)", 1, 8),
        ("SELECT 'é',\n'é', nope", 2, 6),
        ("SELECT " + "1 + " * 100 + ", 2", 1, 408),
    ],
)
def test_a_fault_says_where_it_is(sql: str, line: int, column: int) -> None:
    with pytest.raises(SqlFault) as fault:
        ask(sql)
    assert (fault.value.line, fault.value.column) == (line, column)


def test_a_question_ends_at_its_limits() -> None:
    found = ask("SELECT * FROM records", rows_max=7)
    assert (len(found.rows), found.is_cut) == (7, True)
    assert not ask("SELECT * FROM records", rows_max=50).is_cut
    with pytest.raises(SqlFault, match="time"):
        ask("SELECT count(*) FROM range(1000000000) a, range(1000) b", seconds_max=0.2)
    with pytest.raises(SqlFault, match="Memory"):
        ask("SELECT list(range) FROM range(100000000)", memory_mib=64)


def test_csv_is_no_formula_to_a_spreadsheet() -> None:
    assert csv_text(ask("SELECT key FROM jobs ORDER BY log_offset")) == 'key\nk\n""\n\'=1+1\n'


def test_only_tables_that_are_named_are_looked_for() -> None:
    assert named_tables("SELECT * FROM Host_Logs h JOIN metrics USING (key)") == [
        "host_logs",
        "metrics",
    ]
    assert named_tables("select kind from events") == ["events", "records"]
    assert named_tables("SELECT 1") == []
