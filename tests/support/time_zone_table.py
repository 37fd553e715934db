"""Writes `scheduler/model/time_zone_table.py` from the tzdata of this environment.

The one thing to know: ``python -m tests.support.time_zone_table`` writes the file anew; a test
compares the two. What is already in a log keeps the rule that it was submitted with.
"""

import textwrap
from importlib.resources import files
from pathlib import Path

TABLE = Path(__file__).parents[2] / "scheduler" / "model" / "time_zone_table.py"
_HEAD = '''"""Time zones by the rule that they follow, as POSIX writes such rules; a made file.

The one thing to know: this is the last line of each zone's file in tzdata, so it holds for times
from now on and not for the past. ``python -m tests.support.time_zone_table`` makes it anew.
"""

from typing import Final

ZONES: Final[tuple[tuple[str, str], ...]] = (
'''


def zone_file(name: str) -> bytes:
    """A zone as the locked tzdata has it, and not as the computer has it."""
    return (files("tzdata") / "zoneinfo" / name).read_bytes()


def rules_of_tzdata() -> dict[str, str]:
    """The rule of each zone that tzdata names."""
    found = {}
    for name in (files("tzdata") / "zones").read_text().split():
        data = zone_file(name)
        if data.startswith(b"TZif"):
            found[name] = data.rstrip(b"\n").rsplit(b"\n", 1)[1].decode("ascii")
    return found


def table() -> str:
    """The module's text."""
    by_rule: dict[str, list[str]] = {}
    for name, rule in sorted(rules_of_tzdata().items()):
        by_rule.setdefault(rule, []).append(name)
    lines = [_HEAD]
    for rule, names in sorted(by_rule.items()):
        words = "\n".join(textwrap.wrap(" ".join(names), 98, break_on_hyphens=False))
        if len(rule) + len(words) < 84:
            lines.append(f'    ("{rule}", "{words}"),\n')
        else:
            lines.append(f'    (\n        "{rule}",\n        """\n{words}\n""",\n    ),\n')
    lines += [")\n", '"""A rule, and the names of the zones that follow it."""\n']
    return "".join(lines)


if __name__ == "__main__":
    TABLE.write_text(table())
