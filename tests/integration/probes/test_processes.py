"""Every process that the chart runs answers its three probes, and lives on while Kafka is away.

How: all of them at once on a broker of their own, as real processes, with a Mesos and a cloud that
are not there; then the broker is ended.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from streams.cell.main import EXIT_LEADERSHIP_LOST
from streams.kafka.embedded import EmbeddedKafka
from streams.kafka.ports import free_ports
from tests.processes import wait_until

pytestmark = pytest.mark.integration

WORDS = {
    "cell": ("cell",),
    "api": ("api", "--port", "{api}"),
    "query": ("query", "serve", "--port", "0"),
    "history": ("history",),
    "health": ("health", "run"),
    "usage": ("usage",),
    "prober": ("prober", "--interval", "0.2"),
    "autoscale": ("autoscale", "run"),
    "webhooks": ("webhook", "run"),
    "registrar": ("registrar",),
    "fleet": ("fleet", "run"),
    "federation": ("federation", "serve", "--port", "0", "--cell-api", "main=http://{host}"),
    "blackbox": ("blackbox", "run", "--step-max", "1"),
}
NOT_READY = {
    "usage": "127.0.0.1",
    "prober": "no Mesos master answers",
    "fleet": "cluster.json",
}
START_S = 180.0


class Running:
    """One process and where it is probed."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.process = process
        self._log = log
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20)

    def status(self, path: str) -> int:
        """What it answers; 0 where nobody does. Fails where the process has ended."""
        assert self.process.poll() is None, self._log.read_text("utf-8")[-2_000:]
        try:
            return self._http.get(path).status_code
        except httpx.TransportError:
            return 0

    def says(self, path: str, status: int) -> bool:
        """Whether it answers so."""
        return self.status(path) == status

    def why(self) -> str:
        """Why it is not ready; empty where it is."""
        return str(self._http.get("/ready").json()["why"])

    def close(self) -> None:
        """End it."""
        self._http.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def all_running(kafka: str, home: Path) -> Iterator[dict[str, Running]]:
    api, nobody, *probes = free_ports(2 + len(WORDS))
    host = f"127.0.0.1:{api}"
    shared = {
        "KAFKA_BROKERS": kafka,
        "MESOS_MASTER": f"127.0.0.1:{nobody}",
        "FLUMINA_API": f"http://{host}",
        "FLUMINA_STORE": str(home / "store"),
        "FLUMINA_DISCOVERY": (home / "registry").as_uri(),
        "FLUMINA_CLOUD": f"devcloud:{home / 'none'}",
        "PYTHONPATH": str(Path.cwd()),
    }
    (home / "registry").mkdir()
    with ExitStack() as stack:
        found = {}
        for (name, words), port in zip(WORDS.items(), probes, strict=True):
            own = {"FLUMINA_PROBES": f"127.0.0.1:{port}", "FLUMINA_DATA": str(home / name)}
            texts = [each.format(api=api, host=host) for each in words]
            log = home / f"{name}.log"
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "streams.cli.main", *texts],
                    env={**os.environ, **shared, **own},
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            found[name] = Running(process, port, log)
            stack.callback(found[name].close)
        yield found


def test_each_process_answers_and_outlives_kafka(own_kafka: EmbeddedKafka, tmp_path: Path) -> None:
    own_kafka.start()
    with all_running(own_kafka.bootstrap, tmp_path) as found:
        for name, each in found.items():
            wait_until(partial(each.says, "/started", 200), f"{name} starts", START_S)
            assert each.status("/live") == 200
        for name, each in found.items():
            wanted = 503 if name in NOT_READY else 200
            wait_until(partial(each.says, "/ready", wanted), f"/ready of {name} is {wanted}")
            assert NOT_READY.get(name, "") in each.why()
        own_kafka.stop()
        unready = partial(found["api"].says, "/ready", 503)
        wait_until(unready, "the api knows that Kafka is away")
        for name, each in found.items():
            if name == "cell" and each.process.poll() == EXIT_LEADERSHIP_LOST:
                continue  # It led and cannot tell whether it does: its own end, and no probe's.
            assert each.status("/live") == 200, name
            assert each.status("/started") == 200, name
