"""What the console's tests look at: a cell with a history, its api, and the query process.

The one thing to know: a browser's driver keeps an event loop running in the tests' own thread, so
everything of the `World`, which has a loop too, happens in a thread of its own (`do`).
"""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from scheduler.model.task import Finished, Started
from tests.support.api_process import Answer, ApiProcess, asked
from tests.support.world import World, batch_of, service_of

Result = TypeVar("Result")
MARKUP: Final = "<img src=x onerror='window.hurt=1'><script>window.hurt=1</script>"
"""What somebody's text may hold; it runs where a page takes it for markup."""
ACTOR: Final = "ada@example.org"
READY_S_MAX: Final = 60.0


class ConsoleWorld:
    """Real parts, and where the console is."""

    def __init__(self, kafka: str, home: Path, ports: int) -> None:
        """``ports``: the first of five that are free."""
        self.home, self.kafka, self.ports = home, kafka, ports
        self.prefix = f"console-{home.name}."
        self._thread = ThreadPoolExecutor(1)
        self._world: World | None = None
        self._api: ApiProcess | None = None
        self._query: subprocess.Popen[str] | None = None
        self.url = f"http://127.0.0.1:{ports + 4}"

    def do(self, work: Callable[[World], Result]) -> Result:
        """What the work on the world comes to."""

        def run() -> Result:
            if self._world is None:
                self._world = World(self.kafka, self.prefix, self.home)
            return work(self._world)

        return self._thread.submit(run).result()

    def start(self) -> None:
        """Start everything, and let something happen."""
        self.do(lambda world: world.start_cluster(self.ports, agents=2))
        self.do(lambda world: world.start_cell("cell-1"))
        self._api = ApiProcess(self.kafka, self.prefix, self.home)
        self._api.until_ready().until_healthy()
        self.start_query()
        self.do(_some_history)
        self.caught_up()

    def start_query(self) -> None:
        """Start the query process, which serves the console, where it was."""
        assert self._api is not None
        environment = os.environ | {
            "KAFKA_BROKERS": self.kafka,
            "FLUMINA_TOPIC_PREFIX": self.prefix,
            "FLUMINA_API": f"http://{self._api.address}",
            "FLUMINA_DATA": str(self.home / "query"),
            "PYTHONPATH": str(Path.cwd()),
        }
        port = str(self.ports + 4)
        self._query = subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", "query", "serve", "--port", port],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._query.stdout is not None
        assert self._query.stdout.readline().startswith("ready "), "the query process has ended"

    def kill_query(self) -> None:
        """End the query process as a crash would."""
        assert self._query is not None
        assert self._query.stdout is not None
        self._query.kill()
        self._query.wait()
        self._query.stdout.close()

    def ask(self, method: str, target: str, body: Any = None) -> Answer:
        """The answer of the console's server to a request."""
        address = self.url.removeprefix("http://")
        return asked(address, method, target, body, {"X-Flumina-Actor": ACTOR})

    def caught_up(self) -> None:
        """Return when the api has folded all that the log has now."""
        assert self._api is not None
        last = self.do(_last_offset)
        self._api.until(
            "/api/v3/status", lambda answer: answer.json["offset"] >= last, "the api has folded all"
        )

    def close(self) -> None:
        """End everything."""
        if self._query is not None and self._query.poll() is None:
            self.kill_query()
        if self._api is not None:
            self._api.close()
        if self._world is not None:
            self.do(World.close)
        self._thread.shutdown()


def _last_offset(world: World) -> int:
    world.read()
    return len(world.log) - 1


def _some_history(world: World) -> None:
    """A batch job that ended, a service that runs, a job that waits, and texts that hurt."""
    world.submit("work", batch_of(3, "echo done"))
    world.until(lambda: world.is_normal("work"), "the batch job ends")
    world.submit("web", service_of(3, f'echo started; echo "{MARKUP}"; sleep 900'))
    world.until(lambda: world.are("web", Started, 3), "the service runs")
    waits = batch_of(2, "true", cpu=60)
    waits["attributes"] = {"note": MARKUP}
    world.submit("waits", waits)
    world.until(lambda: len(world.tasks("waits")) == 2, "the job waits")
    assert not any(isinstance(each.state, Finished) for each in world.tasks("waits"))
