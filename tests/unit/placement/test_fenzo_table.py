"""What Fenzo does and what it gets wrong, row by row: see `fenzo_table.txt` beside this file.

Each row gives hosts, tasks and rules in a few words and says what must come of them; every choice
is also checked against a slow copy of the hosts (`tests.support.placement_rows`).
"""

from pathlib import Path

import pytest

from tests.support.placement_rows import Row, Table, rows

ROWS = rows(Path(__file__).parent / "fenzo_table.txt")


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row) -> None:
    table = Table(row)
    for step in row.steps:
        table.run(step)
