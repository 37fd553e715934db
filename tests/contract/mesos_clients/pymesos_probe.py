"""A scheduler written with pymesos, run by the Python of its own environment.

Usage: pymesos_probe.py HOST:PORT implicit|explicit
It subscribes, launches a task that ends well, one that ends badly and one that it kills, asks about
an unknown one, and tears the framework down. It prints one JSON line for each thing it saw.
"""

import json
import sys
import threading
from typing import Any

from pymesos import (  # type: ignore[import-not-found]  # only its own environment has it
    MesosSchedulerDriver,
    Scheduler,
)

TASKS = {"good": "exit 0", "bad": "exit 7", "endless": "exec sleep 600"}
LAST = {"good": "TASK_FINISHED", "bad": "TASK_FAILED", "endless": "TASK_KILLED"}
DEADLINE_S = 60.0


def say(what: str, **facts: object) -> None:
    """Print one line for the test that reads it."""
    print(json.dumps({"what": what, **facts}), flush=True)


class Probe(Scheduler):  # type: ignore[misc]
    """Launches its three tasks on the first offer, and watches them."""

    def __init__(self, explicit: bool) -> None:
        self.explicit = explicit
        self.launched = False
        self.missing = dict(LAST)
        self.asked = False
        self.done = threading.Event()

    def registered(self, _driver: Any, framework_id: Any, master_info: Any) -> None:
        say("registered", framework_id=framework_id["value"], version=master_info.get("version"))

    def resourceOffers(self, driver: Any, offers: list[Any]) -> None:  # noqa: N802 - its name
        if self.launched:
            driver.declineOffer([offer["id"] for offer in offers])
            return
        self.launched = True
        offer, rest = offers[0], offers[1:]
        say("offers", hosts=[o["hostname"] for o in offers])
        tasks = [
            {
                "task_id": {"value": name},
                "agent_id": offer["agent_id"],
                "name": name,
                "command": {"value": command},
                "resources": [
                    {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}},
                    {"name": "mem", "type": "SCALAR", "scalar": {"value": 32}},
                ],
            }
            for name, command in TASKS.items()
        ]
        driver.launchTasks(offer["id"], tasks)
        if rest:
            driver.declineOffer([o["id"] for o in rest])

    def statusUpdate(self, driver: Any, update: Any) -> None:  # noqa: N802 - its name
        name, state = update["task_id"]["value"], update["state"]
        say("update", task=name, state=state, reason=update.get("reason"))
        if self.explicit:
            driver.acknowledgeStatusUpdate(update)
        if (name, state) == ("endless", "TASK_RUNNING"):
            driver.killTask({"value": "endless"})
        if self.missing.get(name) == state:
            del self.missing[name]
        if not self.missing and not self.asked:
            self.asked = True
            driver.reconcileTasks([{"task_id": {"value": "ghost"}}])
        if name == "ghost":
            self.done.set()

    def error(self, _driver: Any, message: str) -> None:
        say("error", message=message)
        self.done.set()


def main() -> None:
    """Run the story."""
    address, acknowledgements = sys.argv[1:3]
    explicit = acknowledgements == "explicit"
    probe = Probe(explicit=explicit)
    framework = {"user": "root", "name": "pymesos", "hostname": "localhost", "checkpoint": True}
    driver = MesosSchedulerDriver(probe, framework, address, implicit_acknowledgements=not explicit)
    thread = threading.Thread(target=driver.run, daemon=True)
    thread.start()
    finished = probe.done.wait(DEADLINE_S)
    driver.stop()
    thread.join(10)
    say("end", finished=finished, missing=sorted(probe.missing), stopped=not thread.is_alive())


if __name__ == "__main__":
    main()
