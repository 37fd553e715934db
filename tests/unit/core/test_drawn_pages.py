"""The documentation's pages that are drawn from code are as they would be drawn now."""

from scheduler.task_table import COLUMNS, Input
from tests.support.draw import TASK_STATES, task_states_page


def test_the_page_of_task_states_is_what_the_table_says() -> None:
    assert TASK_STATES.read_text("utf-8") == task_states_page(), (
        "docs/task-states.md differs from scheduler/task_table.py: look at the difference, and if "
        "it is meant, run `python -m tests.support.draw`"
    )


def test_every_state_and_every_input_is_on_the_page() -> None:
    rows = [line.split(" | ") for line in task_states_page().splitlines() if line.startswith("| ")]
    names = {row[0].removeprefix("| ") for row in rows}
    assert {each.value for each in Input} <= names
    assert {f"`{column.__name__}`" for column in COLUMNS} <= names
