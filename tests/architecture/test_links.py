"""Every link of a document leads somewhere: to a file, and to a heading that is in it."""

import re
from pathlib import Path

from tests.architecture.tree import demand_none, files, place

LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _anchors(path: Path) -> set[str]:
    """The headings of a document as the names that links to them have."""
    headings = HEADING.findall(FENCED.sub("", path.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def _leads_nowhere(path: Path, link: str) -> bool:
    if "://" in link or link.startswith("mailto:"):
        return False
    name, _, anchor = link.partition("#")
    target = path.parent / name if name else path
    if not target.exists():
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in _anchors(target)


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    demand_none(
        [
            f"{place(path)}: {link}"
            for path in files(".md")
            for link in LINK.findall(FENCED.sub("", path.read_text("utf-8")))
            if _leads_nowhere(path, link)
        ]
    )
