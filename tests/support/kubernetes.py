"""A Kubernetes control plane on loopback: etcd, API server, controller manager, scheduler, kwok.

The one thing to know: all is real but the hosts. kwok says of every pod that is bound to its node
that it runs and is ready, so what a kubelet does is not shown: images, probes, mounts, traffic.
"""

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from streams.kafka.ports import free_ports
from tests.processes import wait_until
from tests.support.chart import Manifest, built, helm

PROGRAMS: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
TOKEN: Final = "of-this-test-only"
START_S: Final = 120.0


class Cluster:
    """Everything that runs, below one directory; ends with the block that it is made in."""

    def __init__(self, home: Path) -> None:
        missing = [each for each in PROGRAMS if built(each) is None]
        if missing:
            pytest.skip(
                f"NO KUBERNETES, so the chart is NOT installed: {', '.join(missing)} missing; "
                "run `helm/kube/build` (it needs Go, about 15 minutes)"
            )
        self.home = home
        self._processes: list[subprocess.Popen[bytes]] = []
        self._etcd, self._peer, self.port = free_ports(3)
        self.url = f"https://127.0.0.1:{self.port}"
        # The certificate is the server's own, made anew for each test; the token is ours.
        self.http = httpx.Client(
            base_url=self.url,
            verify=False,  # noqa: S501 - as said above, and on loopback
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=60.0,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _start(self) -> None:
        home = self.home
        self._keys()
        etcd, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd, self._peer))
        self._run(
            "etcd",
            *("--data-dir", str(home / "etcd"), "--unsafe-no-fsync"),
            *("--listen-client-urls", etcd, "--advertise-client-urls", etcd),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"default={peer}"),
        )
        self._run(
            "kube-apiserver",
            *("--etcd-servers", etcd, "--bind-address", "127.0.0.1"),
            *("--secure-port", str(self.port), "--cert-dir", str(home / "certificates")),
            *("--token-auth-file", str(home / "tokens.csv"), "--authorization-mode", "RBAC"),
            *("--service-account-issuer", self.url),
            *("--service-account-key-file", str(home / "accounts.pub")),
            *("--service-account-signing-key-file", str(home / "accounts.key")),
            *("--service-cluster-ip-range", "10.96.0.0/16"),
            # So that PodSecurity is who refuses what is privileged.
            "--allow-privileged=true",
            # It would publish its own address, and refuses that of loopback.
            *("--endpoint-reconciler-type", "none"),
        )
        wait_until(self._is_ready, "the API server is ready", START_S)
        config = str(self.kubeconfig)
        self._run(
            "kube-controller-manager",
            *("--kubeconfig", config, "--leader-elect=false", "--secure-port=0"),
            *("--service-account-private-key-file", str(home / "accounts.key")),
            # Otherwise it makes a folder of its own in the system.
            *("--flex-volume-plugin-dir", str(home / "flex")),
        )
        self._run(
            "kube-scheduler",
            *("--kubeconfig", config, "--leader-elect=false", "--secure-port=0"),
        )
        stages = built("kwok")
        assert stages is not None
        self._run(
            "kwok",
            *("--kubeconfig", config, "--manage-all-nodes=true"),
            *("--config", str(stages.parent / "node.yaml")),
            *("--config", str(stages.parent / "pod.yaml")),
        )
        for number in range(3):
            self.create("/api/v1/nodes", _node(number))
        wait_until(self._has_nodes, "the nodes are ready", START_S)

    def _keys(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        (self.home / "accounts.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        (self.home / "accounts.pub").write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        (self.home / "tokens.csv").write_text(f'{TOKEN},test,test,"system:masters"\n', "utf-8")
        named: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "c", "cluster": {"server": self.url, "insecure-skip-tls-verify": True}}
            ],
            "users": [{"name": "u", "user": {"token": TOKEN}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        self.kubeconfig.write_text(json.dumps(named), "utf-8")

    @property
    def kubeconfig(self) -> Path:
        """What clients are told by where it is."""
        return self.home / "kubeconfig.json"

    def _run(self, name: str, *words: str) -> None:
        program = built(name)
        assert program is not None
        with (self.home / f"{name}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    [program, *words],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self.home,
                    env={"PATH": os.defpath, "HOME": str(self.home)},
                )
            )

    def _demand_alive(self) -> None:
        for process in self._processes:
            if process.poll() is not None:
                assert isinstance(process.args, list)
                name = Path(process.args[0]).name
                words = (self.home / f"{name}.log").read_text("utf-8", "replace")[-2_000:]
                raise AssertionError(f"{name} ended with {process.returncode}: {words}")

    def _is_ready(self) -> bool:
        self._demand_alive()
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def _has_nodes(self) -> bool:
        self._demand_alive()
        nodes = self.listed("/api/v1/nodes")
        return len(nodes) == 3 and all(is_ready(each) for each in nodes)

    def _end(self) -> None:
        self.http.close()
        # Who asks first, and the store last.
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def resident_mib(self) -> int:
        """What all of it holds of memory now."""
        kib = 0
        for process in self._processes:
            status = Path(f"/proc/{process.pid}/status").read_text("utf-8")
            kib += int(status.partition("VmRSS:")[2].split()[0])
        return kib // 1_024

    def create(self, path: str, body: Manifest) -> Manifest:
        """Make an object; fails where it is refused."""
        answer = self.http.post(path, json=body)
        assert answer.status_code == 201, answer.text
        made: Manifest = answer.json()
        return made

    def listed(self, path: str) -> list[Manifest]:
        """The objects of a kind."""
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        items: list[Manifest] = answer.json()["items"]
        return items

    def helm(self, *words: str | Path) -> "subprocess.CompletedProcess[str]":
        """How helm ends that works on this cluster."""
        homes = {f"HELM_{each}_HOME": str(self.home / "helm") for each in _HOMES}
        return subprocess.run(
            [helm(), *words, "--kubeconfig", self.kubeconfig],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env={**os.environ, **homes},
        )


_HOMES: Final = ("CACHE", "CONFIG", "DATA")


def is_ready(thing: Manifest) -> bool:
    """Whether a node or a pod says of itself that it is ready."""
    conditions = thing.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _node(number: int) -> Manifest:
    room = {"cpu": "32", "memory": "256Gi", "pods": "110", "ephemeral-storage": "1Ti"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": f"node-{number}",
            "labels": {
                "kubernetes.io/hostname": f"node-{number}",
                "topology.kubernetes.io/zone": f"zone-{number}",
            },
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "status": {"allocatable": room, "capacity": room},
    }


def volume(number: int) -> Manifest:
    """Room for a claim: there is no one here who would make it when it is asked for."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"volume-{number}"},
        "spec": {
            "capacity": {"storage": "100Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": f"/volumes/{number}"},
        },
    }
