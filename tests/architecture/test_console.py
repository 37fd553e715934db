"""The console's files: no markup from text, nothing from elsewhere, each module says what it is."""

import re
from importlib.resources import files
from pathlib import Path

STATIC = Path(str(files("connectors.web"))) / "console" / "static"
OWN = sorted(each for each in STATIC.rglob("*") if each.is_file() and "vendor" not in each.parts)
SCRIPTS = [each for each in OWN if each.suffix == ".js"]
MARKUP = re.compile(
    r"\b(innerHTML|outerHTML|insertAdjacentHTML|setHTMLUnsafe|document\.write(ln)?|"
    r"createContextualFragment|DOMParser|srcdoc|eval|new Function)\b"
)
REMOTE = re.compile(r"(https?:)?//[a-z0-9.-]+\.[a-z]{2,}", re.IGNORECASE)
LINES_MAX = 600


def _code(path: Path) -> str:
    """A file's text without comments, which may name what the code must not use."""
    text = path.read_text("utf-8")
    text = re.sub(r"/\*.*?\*/|<!--.*?-->", "", text, flags=re.DOTALL)
    return re.sub(r"(^|\s)//.*$", "", text, flags=re.MULTILINE)


def test_there_are_files() -> None:
    assert {"index.html", "app.js"} <= {each.name for each in OWN}
    assert len(SCRIPTS) > 20


def test_no_script_makes_markup_from_text() -> None:
    found = [f"{each.name}: {hit[0]}" for each in SCRIPTS for hit in MARKUP.finditer(_code(each))]
    assert found == []


def test_nothing_is_loaded_from_elsewhere() -> None:
    """But for names of namespaces, which are no addresses that anything asks."""
    allowed = "http://www.w3.org/2000/svg"
    found = [
        f"{each.name}: {hit[0]}"
        for each in OWN
        if each.suffix in {".js", ".html", ".css", ".svg"}
        for hit in REMOTE.finditer(_code(each).replace(allowed, ""))
    ]
    assert found == []


def test_no_page_has_a_script_or_style_in_itself() -> None:
    """The content security policy would not run it."""
    page = (STATIC / "index.html").read_text("utf-8")
    assert re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page) is None


def test_each_module_says_what_it_is_for() -> None:
    silent = [
        each.relative_to(STATIC).as_posix()
        for each in SCRIPTS
        if not each.read_text("utf-8").startswith("/**")
        or "The one thing to know: " not in re.sub(r"\n \* ?", " ", each.read_text("utf-8")[:2000])
    ]
    assert silent == []


def test_no_module_is_too_long() -> None:
    lengths = {each.name: len(each.read_text("utf-8").splitlines()) for each in SCRIPTS}
    assert {name: length for name, length in lengths.items() if length > LINES_MAX} == {}


def test_every_module_is_reached_from_the_page() -> None:
    """A module that nothing imports is dead."""
    reached: set[Path] = set()
    waiting = [STATIC / "app.js"]
    while waiting:
        path = waiting.pop()
        if path in reached or "vendor" in path.parts:
            continue
        assert path.is_file(), f"{path} is imported and not there"
        reached.add(path)
        names = re.findall(
            r"""(?:from|import)\s*\(?\s*["'](\.[^"']+)["']""", path.read_text("utf-8")
        )
        waiting += [(path.parent / name).resolve() for name in names]
    assert sorted(each.name for each in set(SCRIPTS) - reached) == []
