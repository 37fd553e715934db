"""The runner of steps in docs/examples: which steps may begin, and which files it refuses."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ruamel.yaml import YAML

from connectors.client.shapes import Job, Status

FOLDER = Path("docs/examples/dag")


def loaded() -> ModuleType:
    """The example as a module; it is no part of the product, and so of no package."""
    spec = spec_from_file_location("dag_example", FOLDER / "dag.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


DAG: Any = loaded()


def job(step: str, state: str = "Accepted", reason: str = "") -> Job:
    return Job(id=f"nightly-r-{step}", status=Status(state=state, reason_code=reason))


def nightly() -> Any:
    return DAG.dag_of(YAML(typ="safe").load(FOLDER / "pipeline.yaml"), "r")


def test_a_step_begins_when_all_before_it_have_succeeded() -> None:
    dag = nightly()
    done, running = "Finished", "Accepted"
    assert DAG.ready(dag, {}) == ["extract"]
    jobs = {"extract": job("extract", running)}
    assert DAG.ready(dag, jobs) == []
    jobs["extract"] = job("extract", done, "normal")
    assert DAG.ready(dag, jobs) == ["clean", "index"]
    jobs |= {"clean": job("clean", done, "normal"), "index": job("index", done, "failed")}
    assert DAG.ready(dag, jobs) == [], "a failure stops what depends on it"
    jobs["index"] = job("index", done, "normal")
    assert DAG.ready(dag, jobs) == ["publish"]


def test_a_step_is_its_defaults_and_its_own() -> None:
    dag = nightly()
    clean = dag.steps["clean"].descriptor
    assert clean["batch"]["size"] == 2
    assert clean["batch"]["runtimeLimitSec"] == 600
    assert clean["container"]["resources"]["memoryMB"] == 32
    assert dag.job_id("clean") == "nightly-r-clean"


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ({"a": {"after": ["b"], "job": {}}}, "after b, and there is no such step"),
        ({"a": {"after": ["b"], "job": {}}, "b": {"after": ["a"], "job": {}}}, "wait for each"),
        ({"a/b": {"job": {}}}, "letters"),
    ],
)
def test_a_file_that_cannot_be_run_is_refused(steps: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        DAG.dag_of({"name": "n", "steps": steps}, "r")
