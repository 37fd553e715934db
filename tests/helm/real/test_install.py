"""The chart on a real API server: installed, upgraded and rolled back under PodSecurity restricted.

How: helm does all of it with --wait, so that each step ends when every pod is ready; the server
itself is asked what is there. Not shown: images, probes and traffic, for the hosts are kwok's.
"""

import copy
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.processes import wait_until
from tests.support.chart import CHART, Manifest, lasting, manifests
from tests.support.kubernetes import Cluster, is_ready, volume

pytestmark = [pytest.mark.soak, pytest.mark.integration]

NAMESPACE: Final = "flumina"
PODS: Final = f"/api/v1/namespaces/{NAMESPACE}/pods"
CLAIMS: Final = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims"
NEXT_DIGEST: Final = "sha256:" + "9" * 64
WAIT: Final = ("--wait", "--timeout", "180s")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with a namespace that takes only hardened pods, and room for claims."""
    with Cluster(tmp_path_factory.mktemp("kubernetes")) as found:
        began_s = time.monotonic()
        restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
        for name in (NAMESPACE, "production"):
            metadata = {"name": name, "labels": restricted}
            found.create("/api/v1/namespaces", {"metadata": metadata})
        for number in range(8):
            found.create("/api/v1/persistentvolumes", volume(number))
        print(f"cluster: {found.resident_mib()} MiB, {time.monotonic() - began_s:.1f} s for rooms")
        yield found


def done(cluster: Cluster, *words: str | Path) -> str:
    began_s = time.monotonic()
    ended = cluster.helm(*words, "--namespace", NAMESPACE)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    print(f"helm {words[0]}: {time.monotonic() - began_s:.1f} s")
    return ended.stdout


def staying(cluster: Cluster) -> list[Manifest]:
    """The pods of the release, without that of the hook."""
    pods = [each for each in cluster.listed(PODS) if not each["metadata"].get("deletionTimestamp")]
    return [each for each in pods if each["status"]["phase"] != "Succeeded"]


def running(cluster: Cluster) -> list[Manifest]:
    """The same; all of them are ready, as they are when helm has waited for it."""
    found = staying(cluster)
    assert all(is_ready(each) for each in found)
    return found


def digests(pods: list[Manifest]) -> set[str]:
    return {each["spec"]["containers"][0]["image"].partition("@")[2] for each in pods}


def of_part(pods: list[Manifest], part: str) -> list[Manifest]:
    name = "app.kubernetes.io/component"
    return [each for each in pods if each["metadata"]["labels"][name] == part]


def test_install_upgrade_and_rollback(cluster: Cluster, tmp_path: Path) -> None:
    values = CHART / "examples" / "small.yaml"
    done(cluster, "install", "cp", CHART, "-f", values, *WAIT)
    first = running(cluster)
    assert len(of_part(first, "cell")) == 2
    jobs = cluster.listed(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs")
    assert [each["metadata"]["name"] for each in jobs] == ["cp-flumina-topics"]
    assert jobs[0]["status"]["succeeded"] == 1, "the hook ran to its end before the rest was made"
    claims = {each["metadata"]["name"]: each["metadata"]["uid"] for each in cluster.listed(CLAIMS)}
    assert len(claims) == 3

    newer = tmp_path / "chart"
    shutil.copytree(CHART, newer)
    about = (newer / "Chart.yaml").read_text("utf-8")
    (newer / "Chart.yaml").write_text(about.replace("ersion: 0.1.0", "ersion: 0.2.0"), "utf-8")
    changes = ("--set", f"image.digest={NEXT_DIGEST},parts.cell.replicas=3")
    done(cluster, "upgrade", "cp", newer, "-f", values, *changes, *WAIT)
    second = running(cluster)
    assert digests(second) == {NEXT_DIGEST}
    assert len(of_part(second, "cell")) == 3
    uids = {each["metadata"]["uid"] for each in first}
    assert not uids & {each["metadata"]["uid"] for each in second}, "every pod was made anew"

    done(cluster, "rollback", "cp", "1", *WAIT)
    third = running(cluster)
    assert digests(third) == digests(first)
    assert {each["metadata"]["name"] for each in of_part(third, "cell")} == {
        each["metadata"]["name"] for each in of_part(first, "cell")
    }
    kept = {each["metadata"]["name"]: each["metadata"]["uid"] for each in cluster.listed(CLAIMS)}
    assert claims.items() <= kept.items(), "what a worker had written down is there still"
    history = json.loads(done(cluster, "history", "cp", "--output", "json"))
    assert [(each["status"], each["chart"]) for each in history] == [
        ("superseded", "flumina-0.1.0"),
        ("superseded", "flumina-0.2.0"),
        ("deployed", "flumina-0.1.0"),
    ]
    print(f"{len(third)} pods; cluster: {cluster.resident_mib()} MiB")


def test_the_server_takes_every_object_of_the_other_examples(cluster: Cluster) -> None:
    """Of the Prometheus operator's kinds the server knows nothing, so they are switched off."""
    for example in ("production", "hardened"):
        off = ["serviceMonitor", "prometheusRule"]
        ended = cluster.helm(
            *("install", example, CHART, "-f", CHART / "examples" / f"{example}.yaml"),
            *("--namespace", "production", "--no-hooks"),
            *[f"--set=monitoring.{each}.isEnabled=false" for each in off],
            # Which priorities there are is the cluster's own affair.
            "--set=priorityClassName=",
        )
        assert ended.returncode == 0, ended.stderr
        assert "would violate PodSecurity" not in ended.stderr
    kinds = cluster.listed("/apis/autoscaling/v2/namespaces/production/horizontalpodautoscalers")
    assert len(kinds) == 1


def _as_root(spec: Manifest) -> None:
    spec["securityContext"]["runAsNonRoot"] = False


def _escalating(spec: Manifest) -> None:
    spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True


def _privileged(spec: Manifest) -> None:
    spec["containers"][0]["securityContext"] |= {
        "privileged": True,
        "allowPrivilegeEscalation": True,
    }


def _capable(spec: Manifest) -> None:
    spec["containers"][0]["securityContext"]["capabilities"] = {"add": ["NET_ADMIN"]}


def _unconfined(spec: Manifest) -> None:
    del spec["securityContext"]["seccompProfile"]


def _on_the_host(spec: Manifest) -> None:
    spec["hostNetwork"] = True


def _reading_the_host(spec: Manifest) -> None:
    spec["volumes"].append({"name": "host", "hostPath": {"path": "/"}})


BREACHES = (
    _as_root,
    _escalating,
    _privileged,
    _capable,
    _unconfined,
    _on_the_host,
    _reading_the_host,
)


def pod_of(example: str) -> Manifest:
    """A pod as the chart makes it, by itself; its claim is a folder, for there is no set."""
    (spec,) = [
        spec
        for owner, spec in lasting(manifests(example))
        if owner["metadata"]["name"] == "cp-flumina-cell"
    ]
    own = copy.deepcopy(spec)
    own["volumes"].append({"name": "data", "emptyDir": {}})
    own["serviceAccountName"] = "default"
    metadata = {"generateName": "tried-", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": own}


@pytest.mark.parametrize("breach", BREACHES, ids=lambda each: each.__name__.strip("_"))
def test_a_pod_that_breaks_the_contract_is_refused(
    cluster: Cluster, breach: Callable[[Manifest], None]
) -> None:
    good = pod_of("small")
    assert cluster.http.post(PODS, json=good, params={"dryRun": "All"}).status_code == 201
    breach(good["spec"])
    answer = cluster.http.post(PODS, json=good, params={"dryRun": "All"})
    assert answer.status_code == 403, answer.text
    assert 'violates PodSecurity "restricted' in answer.json()["message"]


def test_a_chart_that_breaks_it_gets_no_pod_and_is_taken_back(
    cluster: Cluster, tmp_path: Path
) -> None:
    """An upgrade whose pods the server refuses changes nothing of what runs, with --atomic.

    A longer time-out would be worse: Kubernetes waits ever longer before it makes a refused pod.
    """
    worse = tmp_path / "chart"
    shutil.copytree(CHART, worse)
    pod = worse / "templates" / "_pod.tpl"
    text = pod.read_text("utf-8")
    assert "runAsNonRoot: true" in text
    pod.write_text(text.replace("runAsNonRoot: true", "runAsNonRoot: false"), "utf-8")
    before = of_part(running(cluster), "api")
    ended = cluster.helm(
        *("upgrade", "cp", worse, "-f", CHART / "examples" / "small.yaml", "--no-hooks"),
        *("--namespace", NAMESPACE, "--atomic", "--timeout", "20s"),
    )
    assert ended.returncode != 0
    assert "would violate PodSecurity" in ended.stderr
    assert "has been rolled back due to atomic being set" in ended.stderr
    # Rolling parts kept what they had; of the workers one was away, and is made anew.
    found = staying(cluster)
    uids = [each["metadata"]["uid"] for each in of_part(found, "api")]
    assert uids == [each["metadata"]["uid"] for each in before]

    def is_whole() -> bool:
        cells = of_part(staying(cluster), "cell")
        return len(cells) == 2 and all(is_ready(each) for each in cells)

    # Kubernetes waits ever longer between attempts to make a pod that was refused.
    wait_until(is_whole, "both workers are ready again", 180)
