"""The page of the matrix, drawn from the tables that decide, so that they cannot disagree.

Run: ``.venv/bin/python -m tests.support.access_page`` writes it.
"""

from pathlib import Path
from typing import Final

from connectors.access.principals import ACTIONS_OF, ROLES
from connectors.access.table import API, FEDERATION, METRICS, QUERY, Table

PAGE: Final = Path(__file__).parents[2] / "docs" / "access-matrix.md"
_HEAD: Final = """# The matrix: which path needs what

Drawn from `connectors/access/table.py` by `python -m tests.support.access_page`; a test compares.
Roles and scopes: [access](access.md).

| about | means for who has some jobs only |
| --- | --- |
| open | needs nobody |
| cell | the cell, its hosts, its rules: he may look, and change nothing |
| job, task | his own; others are 404 |
| list | shows what is his |
| named | a body or parameter names the job: his own; others are 404 |
| all | refused to him, with a word |
"""
_TABLES: Final = (
    ("The API", API, ""),
    (
        "The query process",
        QUERY,
        (
            "Every other path below `/api/` is passed on: it needs somebody here, and the API "
            "decides. The console's files are open."
        ),
    ),
    (
        "The federation's front",
        FEDERATION,
        (
            "Every other path needs somebody here, and is asked of each cell as the same one; the "
            "cell decides."
        ),
    ),
    ("Pages of metrics", METRICS, "Of processes that serve nothing else."),
)


def matrix_page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for title, table, words in _TABLES:
        parts.append(f"## {title}\n")
        if words:
            parts.append(f"{words}\n")
        parts.append(_table(table))
    return "\n".join(parts)


def _table(table: Table) -> str:
    lines = ["| path | methods | action | about | " + " | ".join(ROLES) + " |"]
    lines.append("| --- | --- | --- | --- |" + " --- |" * len(ROLES))
    rows: dict[tuple[str, str, str], list[str]] = {}
    for (method, path), rule in table.items():
        rows.setdefault((path, rule.action, rule.reach), []).append(method)
    for (path, action, reach), methods in sorted(rows.items()):
        is_open = reach == "open"
        may = ["yes" if is_open or action in ACTIONS_OF[role] else "" for role in ROLES]
        shown = "" if is_open else action
        cells = [f"`{path}`", " ".join(sorted(methods)), shown, reach, *may]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(matrix_page(), "utf-8")
