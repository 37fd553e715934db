"""One round of the black-box prober: a tiny job, from its submission to its task's output.

The one thing to know: it knows nothing of the cell but its public API, and believes nothing but
what a user would see: the word that its own task has written. Each step is timed and has an end;
whatever happened, the job is gone behind it, at the latest by its own runtime limit.
"""

import os
import time
import uuid
from collections.abc import Callable
from typing import Final

import httpx
import msgspec
import structlog

from connectors.client.errors import ClientError, NotFound
from connectors.client.sync import Client
from streams.access.opening import credentials_of
from streams.settings import settings_of

logger = structlog.get_logger(__name__)

OWNER: Final = "blackbox@flumina.invalid"
"""Its own, so that accounting can tell its tasks apart; RFC 2606 keeps the name for nobody."""
APPLICATION: Final = "flumina-blackbox"
ACTOR: Final = "flumina-blackbox"
POLL_S: Final = 0.1
RUNTIME_LIMIT_S: Final = 60
STEPS: Final = ("status", "submit", "start", "finish", "output", "cleanup")


class Step(msgspec.Struct, frozen=True):
    """One step, and how long it took."""

    name: str
    seconds: float


class Round(msgspec.Struct, frozen=True):
    """How one round went."""

    steps: tuple[Step, ...]
    """Those that were done, in order."""
    failed_step: str = ""
    """The first that was not; empty where all were."""
    why: str = ""
    job_id: str = ""
    cell: str = ""

    @property
    def seconds(self) -> float:
        """Of all steps that were done, but for the cleaning up."""
        return sum(each.seconds for each in self.steps if each.name != "cleanup")


class StepFailed(Exception):
    """A step did not do what it should within its time; the text says what was seen last."""


class Probing:
    """Tries one API; `round` may be called again and again."""

    def __init__(self, url: str, step_s_max: float, capacity_group: str = "DEFAULT") -> None:
        self._url, self._step_s_max, self._group = url, step_s_max, capacity_group

    def round(self) -> Round:
        """How a round went; never raises for what the API does."""
        word = uuid.uuid4().hex
        job_id = f"blackbox-{word[:12]}"
        steps: list[Step] = []
        cells: list[str] = []
        name, why = "", ""
        with Client(
            self._url,
            ACTOR,
            patience_s=self._step_s_max,
            connect_patience_s=0.0,
            credentials=credentials_of(settings_of(os.environ)),
        ) as client:
            acts: tuple[tuple[str, Callable[[], str]], ...] = (
                ("status", lambda: _standing(client, cells)),
                ("submit", lambda: self._submit(client, job_id, word)),
                ("start", lambda: _started(client, job_id)),
                ("finish", lambda: _finished(client, job_id)),
                ("output", lambda: _written(client, job_id, word)),
            )
            for name, act in acts:
                try:
                    steps.append(self._timed(name, act))
                except (StepFailed, ClientError, httpx.HTTPError) as error:
                    why = str(error) or type(error).__name__
                    break
            self._clean(client, job_id, steps)
        return Round(tuple(steps), name if why else "", why, job_id, "".join(cells[-1:]))

    def _timed(self, name: str, act: Callable[[], str]) -> Step:
        """Repeat an act until it says that it is done."""
        began_s = time.monotonic()
        while (seen := act()) != "done":
            if time.monotonic() > began_s + self._step_s_max:
                raise StepFailed(f"not within {self._step_s_max:g} s: {seen}")
            time.sleep(POLL_S)
        seconds = time.monotonic() - began_s
        if seconds > self._step_s_max:
            raise StepFailed(f"took {seconds:.1f} s, longer than {self._step_s_max:g} s")
        return Step(name, seconds)

    def _submit(self, client: Client, job_id: str, word: str) -> str:
        client.submit(descriptor_of(word, self._group), job_id, why="black-box probe")
        return "done"

    def _clean(self, client: Client, job_id: str, steps: list[Step]) -> None:
        """End the job where it has not ended by itself."""
        if not any(each.name == "submit" for each in steps):
            return  # What was sent and not answered ends by its own limit.
        began_s = time.monotonic()
        try:
            if client.job(job_id).status.state == "Accepted":
                client.kill_job(job_id, why="the black-box probe is over")
        except NotFound:
            logger.debug("the probe's job is gone already", job=job_id)
        except (ClientError, httpx.HTTPError) as error:
            # It ends by its own limit; what matters was told.
            logger.warning("the probe's job could not be ended", job=job_id, why=str(error))
            return
        steps.append(Step("cleanup", time.monotonic() - began_s))


def descriptor_of(word: str, capacity_group: str = "DEFAULT") -> dict[str, object]:
    """The job of a round: it writes a word that nobody can know, and ends."""
    return {
        "owner": {"teamEmail": OWNER},
        "applicationName": APPLICATION,
        "capacityGroup": capacity_group,
        "container": {
            "resources": {"cpu": 0.1, "memoryMB": 32, "diskMB": 10},
            "entryPoint": ["/bin/echo"],
            "command": [word],
        },
        "batch": {"size": 1, "runtimeLimitSec": RUNTIME_LIMIT_S},
    }


def _standing(client: Client, cells: list[str]) -> str:
    cells.append(client.standing().cell)
    return "done"


def _started(client: Client, job_id: str) -> str:
    for task in client.tasks({"jobIds": job_id, "taskStates": "Any"}):
        if task.status.state in {"Started", "KillInitiated", "Finished"}:
            return "done"
        return f"task {task.id} is {task.status.state}"
    return "there is no task"


def _finished(client: Client, job_id: str) -> str:
    for task in client.tasks({"jobIds": job_id, "taskStates": "Any"}):
        if task.status.state != "Finished":
            return f"task {task.id} is {task.status.state}"
        if task.status.reason_code != "normal":
            text = f"task {task.id} ended as {task.status.reason_code}"
            raise StepFailed(f"{text}: {task.status.reason_message}")
        return "done"
    return "there is no task"


def _written(client: Client, job_id: str, word: str) -> str:
    for task in client.tasks({"jobIds": job_id, "taskStates": "Any"}):
        try:
            if word.encode() in client.log(task.id).data:
                return "done"
        except NotFound as error:
            return str(error)
        return f"the output of {task.id} is not what it wrote"
    return "there is no task"
