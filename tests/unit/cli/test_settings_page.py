"""docs/settings.md lists every setting, in the words of the code that reads it."""

import re
from pathlib import Path

from streams.settings import SETTINGS

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"
ROW = re.compile(r"^\| `([A-Z_]+)` \| (.*) \|$", re.MULTILINE)


def test_the_page_has_every_setting_and_no_other() -> None:
    links = re.compile(r"\bdocs/(\w+)\.md")
    meant = [(each.variable, links.sub(r"[\1](\1.md)", each.meaning)) for each in SETTINGS]
    assert ROW.findall(PAGE.read_text("utf-8")) == meant
