"""The project's own files, as the architecture tests look at them."""

import ast
import gc
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("streams", "connectors", "projections", "scheduler")
PURE = ("scheduler", "projections")
# Made by tools or by running; never written by us.
NOT_OURS = {"vendor", ".git", ".venv", ".flumina", "__pycache__", ".hypothesis", "dist"}
_TEXT = re.compile(r'(["\'])\1\1.*?\1{3}', re.DOTALL)
"""A text of several lines."""
_FUNCTION = re.compile(r"^(?:async )?def (\w+)", re.MULTILINE)


def files(*suffixes: str, under: str = ".") -> Iterator[Path]:
    """All files of ours with one of these suffixes, caches and environments left out."""
    folder = ROOT / under
    yield from (
        path for path in _all_files() if path.suffix in suffixes and path.is_relative_to(folder)
    )


@cache
def _all_files() -> list[Path]:
    """All files of ours; what is not is not even gone into, for it is a hundred times as much."""
    found = []
    for folder, below, names in os.walk(ROOT):
        below[:] = [each for each in below if each not in NOT_OURS and not each.endswith("_cache")]
        found += [Path(folder, name) for name in names]
    return sorted(found)


def python_files(*folders: str) -> list[Path]:
    """The Python files under these folders, or of the whole project."""
    return [
        path for folder in folders or (*PACKAGES, "tests") for path in files(".py", under=folder)
    ]


def demand_none(found: list[str]) -> None:
    """Fail with the whole list, a line each, unless it is empty."""
    assert not found, "\n" + "\n".join(found)


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    # The collector would look through every tree again and again: they are large, and all stay.
    gc.disable()
    try:
        return ast.parse(path.read_text("utf-8"), str(path))
    finally:
        gc.enable()


def statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Every statement of a file, those in the bodies of others too; expressions are not looked at.

    That is a tenth of what `ast.walk` goes through.
    """
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        for field in ("body", "handlers", "cases", "orelse", "finalbody"):
            within: list[ast.AST] = getattr(node, field, [])
            waiting += within
            yield from (each for each in within if isinstance(each, ast.stmt))


def module_name(path: Path) -> str:
    """The name by which a file is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def place(path: Path, line: int | None = None) -> str:
    """A file, and a line if given, as a person finds it."""
    return f"{path.relative_to(ROOT)}" + (f":{line}" if line else "")


def imported_names(path: Path) -> Iterator[tuple[str, int]]:
    """Everything that a file imports, anywhere in it, by full name, with its line.

    `from a import b` gives `a` and `a.b`, for `b` may be a module.
    """
    own = module_name(path).split(".")
    package = own if path.name == "__init__.py" else own[:-1]
    for node in statements(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base, node.lineno
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


@cache
def functions_of(path: Path) -> frozenset[str]:
    """The functions that a file defines, none of a class or another function among them.

    What begins a line outside of texts is a statement of the file: to see that, it need not be
    parsed, which takes sixty times as long.
    """
    return frozenset(_FUNCTION.findall(_TEXT.sub("", path.read_text("utf-8"))))
