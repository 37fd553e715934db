"""`flumina job attributes` says what was removed, what was not there, and what cannot be set.

How: the real command against the real application over a cell in memory, by a socket on loopback.
"""

from tests.support.cell import service
from tests.support.web_cell import WebCell
from tests.unit.cli.test_policy import Run, run, web  # noqa: F401 - fixtures


def test_what_was_not_there_is_not_said_to_be_removed(web: WebCell, run: Run) -> None:  # noqa: F811
    web.cell.submit(service(1))
    assert run("job", "attributes", "job", "--set", "a=1", "--set", "b=2")[0] == 0
    remove = ("job", "attributes", "job", "--remove")
    assert run(*remove, "a", "--remove", "c") == (0, "job: a removed; c was not there\n", "")
    assert run(*remove, "a", "--remove", "c")[1] == "job: a, c were not there\n"
    assert run(*remove, "b")[1] == "job: b removed\n"
    assert run("job", "attributes", "none", "--remove", "a")[0] == 4


def test_what_the_cell_writes_itself_cannot_be_set(web: WebCell, run: Run) -> None:  # noqa: F811
    web.cell.submit(service(1))
    code, _, said = run("job", "attributes", "job", "--set", "titus.createdBy=eve")
    assert code == 1
    assert "titus.createdBy" in said
    assert "written by the cell itself" in said
