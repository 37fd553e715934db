"""The chart in `helm/flumina`, rendered by a real helm with the values of an example.

The one thing to know: without a helm every test that asks for one is skipped, and says how to
build it. `FLUMINA_HELM` names one; else it is the one on the path, or that of `helm/kube/build`.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "flumina"
BUILD = ROOT / "helm" / "kube" / "build"
EXAMPLES = ("small", "production", "hardened")
KUBERNETES = "1.34.1"
RELEASE, NAMESPACE = "cp", "flumina"
NAME = "cp-flumina"

Manifest = dict[str, Any]


@cache
def built(name: str) -> Path | None:
    """Where `helm/kube/build` puts this program; None where it has not been built."""
    said = subprocess.run(
        [BUILD, "--where", name], capture_output=True, text=True, check=True, timeout=30
    )
    path = Path(said.stdout.strip())
    return path if path.exists() else None


def helm() -> Path:
    """The helm to use; skips the test where there is none."""
    named = os.environ.get("FLUMINA_HELM")
    if named:
        return Path(named)
    found = shutil.which("helm")
    path = Path(found) if found else built("helm")
    return path if path is not None else _skip("NO HELM, so the chart is NOT checked", "helm")


def _skip(what: str, names: str) -> NoReturn:
    pytest.skip(f"{what}: run `helm/kube/build {names}` (it needs Go), or set FLUMINA_HELM")


def ran(*words: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """What helm prints for these words; fails with its complaint where it refuses."""
    done = tried(*words, environment=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tried(
    *words: str | Path, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """How helm ends with these words."""
    return subprocess.run(
        [helm(), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=None if environment is None else {**os.environ, **environment},
    )


@cache
def manifests(example: str, *options: str) -> tuple[Manifest, ...]:
    """The objects that the chart makes of an example's values, hooks and the test pod included."""
    text = ran(
        *("template", RELEASE, str(CHART), "--namespace", NAMESPACE),
        *("--kube-version", KUBERNETES, "-f", str(CHART / "examples" / f"{example}.yaml")),
        *options,
    )
    return tuple(each for each in YAML(typ="safe").load_all(text) if each)


def of_kind(found: tuple[Manifest, ...], *kinds: str) -> list[Manifest]:
    """Those of these kinds."""
    return [each for each in found if each["kind"] in kinds]


def named(found: tuple[Manifest, ...], kind: str, name: str) -> Manifest:
    """The one of this kind and name, without the release's name before it."""
    matching = [
        each for each in of_kind(found, kind) if each["metadata"]["name"] == f"{NAME}{name}"
    ]
    assert len(matching) == 1, f"{len(matching)} {kind} {name}"
    return matching[0]


def pods(found: tuple[Manifest, ...]) -> Iterator[tuple[Manifest, Manifest]]:
    """Each object that makes pods, with the spec of those pods."""
    for each in found:
        spec = each.get("spec", {})
        if each["kind"] == "Pod":
            yield each, spec
        elif each["kind"] == "CronJob":
            yield each, spec["jobTemplate"]["spec"]["template"]["spec"]
        elif "template" in spec:
            yield each, spec["template"]["spec"]


def lasting(found: tuple[Manifest, ...]) -> list[tuple[Manifest, Manifest]]:
    """As `pods`, of processes that stay: those with probes."""
    return [(owner, spec) for owner, spec in pods(found) if owner["kind"] in STAYING]


STAYING = ("Deployment", "StatefulSet")


def component(owner: Manifest) -> str:
    """Which part of the control plane an object belongs to."""
    return str(owner["metadata"]["labels"]["app.kubernetes.io/component"])
