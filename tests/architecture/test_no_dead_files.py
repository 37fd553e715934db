"""Every file is there for a reason that can be followed: somebody imports it, or runs it."""

import ast
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from streams.cli.main import COMMANDS
from tests.architecture.tree import (
    PACKAGES,
    ROOT,
    demand_none,
    files,
    imported_names,
    module_name,
    parsed,
    place,
    python_files,
)

pytestmark = pytest.mark.integration  # It reads all of the code.

# Part of the product although only tests import it, each with its reason.
FOR_TESTS = {
    "streams/metric_names.py": "the names are published; that tests hold the code, the page and "
    "what processes serve against it is its whole use",
    "scheduler/model/schemas.py": "what is published; that a test compares it with the code is "
    "its whole use",
    "connectors/client/asynchronous.py": "a library for others; our own commands ask one by one",
    "projections/query/subscriptions.py": "measured by `flumina bench`; what will use it, live "
    "streams, is not there yet, as docs/mql.md says",
    "projections/offers.py": "two folds of one set, whose equality is a promise that tests check",
}
# Run by their path, without packages, by a keeper of the dev cluster (agent/executor.py).
LOADED_BY_PATH = {
    "connectors/devcluster/agent/executor_checks.py": "only for tasks that ask for checks",
    "connectors/devcluster/agent/executor_fetch.py": "only for tasks that have URIs",
}
# Only tests speak of what lies beside a checkout.
OUTSIDE = ("../shared", "/work/")


def _is_program(path: Path) -> bool:
    return any(
        isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
        for node in parsed(path).body
    )


def _started_by_name() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    targets = [command.target for command in COMMANDS] + list(project["scripts"].values())
    return {target.partition(":")[0] for target in targets}


def test_every_module_of_the_product_is_imported_by_it_or_started() -> None:
    """What only a test uses is not part of the product; it belongs under `tests/support`."""
    assert all((ROOT / name).exists() for name in (*FOR_TESTS, *LOADED_BY_PATH))
    keeper = (ROOT / "connectors/devcluster/agent/executor.py").read_text("utf-8")
    assert all(f'sibling("{Path(name).stem}")' in keeper for name in LOADED_BY_PATH)
    imported = {
        name
        for path in python_files(*PACKAGES)
        for name, _ in imported_names(path)
        if name != module_name(path)
    }
    dead = [
        place(path)
        for path in python_files(*PACKAGES)
        if path.name != "__init__.py"
        and place(path) not in FOR_TESTS | LOADED_BY_PATH
        and module_name(path) not in imported | _started_by_name()
        and not _is_program(path)
    ]
    demand_none(dead)


def test_every_helper_of_tests_is_used_by_a_test() -> None:
    imported = {name for path in python_files("tests") for name, _ in imported_names(path)}
    dead = [
        place(path)
        for path in python_files("tests")
        if not path.name.startswith("test_")
        and path.name not in {"__init__.py", "conftest.py"}
        and module_name(path) not in imported
        and not _is_program(path)
    ]
    demand_none(dead)


def test_every_command_is_there_and_every_command_file_is_a_command() -> None:
    names = [command.name for command in COMMANDS]
    assert len(set(names)) == len(names)
    for command in COMMANDS:
        module, _, name = command.target.partition(":")
        path = ROOT / (module.replace(".", "/") + ".py")
        assert path.exists(), f"the command {command.name} names {module}, which is not there"
        assert f"def {name}(" in path.read_text("utf-8") or f"\n{name} = " in path.read_text(
            "utf-8"
        ), f"the command {command.name} names {command.target}, which is not there"


def test_no_other_distribution_owns_one_of_our_names() -> None:
    """Ours are everyday names, and pip does not notice when two distributions share one."""
    owners = metadata.packages_distributions()
    for package in PACKAGES:
        assert set(owners.get(package, ())) <= {"flumina"}, (
            f"{package} is also in {owners[package]}"
        )


def test_nothing_but_tests_knows_what_lies_beside_the_checkout() -> None:
    texts = [*files(".py", ".toml", ".md", ".lock", ".json", ".yaml", ".sh", ".js", "")]
    telling = [
        f"{place(path)} mentions {word}"
        for path in texts
        if path.relative_to(ROOT).parts[0] != "tests"
        for word in OUTSIDE
        if word in path.read_text("utf-8", errors="replace")
    ]
    demand_none(telling)


def test_the_lock_names_no_place_to_download_from() -> None:
    """Which index is used is decided where packages are installed."""
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    assert "://" not in lock
    assert "--index" not in lock
    assert "--find-links" not in lock
