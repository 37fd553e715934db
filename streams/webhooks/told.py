"""What the cell's API tells of its webhooks, and of the application of a job.

The one thing to know: an API that is behind, or does not answer, changes nothing: what was known
of the webhooks is followed on.
"""

import asyncio
from collections import OrderedDict
from typing import Final

import msgspec

from connectors.discovery.asking import NOT_FOUND, Asking
from connectors.ports import RegistrationFailed
from scheduler.model.reading.bad_bytes import BAD_BYTES
from scheduler.model.webhooks import PAUSE_AFTER_S

PATH: Final = "/api/flumina/webhooks"
JOBS_KEPT: Final = 10_000
UNKNOWN_JOB_S: Final = 3.0
"""The API's fold may learn of a job after the leader has published of it; not for longer."""
PAUSE_S: Final = 0.2


class Filter(msgspec.Struct, frozen=True, rename="camel"):
    """Which events a receiver wants."""

    job_ids: frozenset[str] = frozenset()
    applications: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()


class Test(msgspec.Struct, frozen=True, rename="camel"):
    """A test that was asked for."""

    offset: int
    state: str


class Hook(msgspec.Struct, frozen=True, rename="camel"):
    """A webhook as the API tells it."""

    name: str
    url: str
    created_generation: str
    created_offset: int
    created_at_ms: int
    filter: Filter = Filter()
    secret: str = ""
    pause_after_s: int = PAUSE_AFTER_S
    is_paused: bool = False
    standing: str = ""
    standing_since_ms: int = 0
    detail: str = ""
    test: Test | None = None

    @property
    def identity(self) -> tuple[str, str, int]:
        """What no other webhook has, also of the same name."""
        return (self.name, self.created_generation, self.created_offset)


class Told(msgspec.Struct, frozen=True, rename="camel"):
    """All of them, and how well the API knows them."""

    cell: str
    generation: str
    is_current: bool
    items: tuple[Hook, ...]


class NotTold(Exception):
    """The webhooks are not known now; the text says why."""


async def webhooks_now(api: Asking, cell: str) -> Told:
    """What the API tells; raises `NotTold`."""
    try:
        told = msgspec.json.decode((await api("GET", PATH)).body, type=Told)
    except RegistrationFailed as error:
        raise NotTold(str(error)) from error
    except BAD_BYTES as error:
        raise NotTold(f"the API's answer cannot be read: {error}") from error
    if told.cell != cell:
        raise NotTold(f"the API tells of cell {told.cell}, and not of {cell}")
    if not told.is_current:
        raise NotTold("the API's fold is behind the log or halted")
    return told


class Applications:
    """Which application a job is of, asked once."""

    def __init__(self, api: Asking) -> None:
        self._api = api
        self._known: OrderedDict[str, str] = OrderedDict()

    async def of(self, job_id: str) -> str:
        """The application, empty where nobody knows the job; raises `RegistrationFailed`."""
        found = self._known.get(job_id)
        if found is None:
            found = await self._asked(job_id)
            self._known[job_id] = found
            while len(self._known) > JOBS_KEPT:
                self._known.popitem(last=False)
        return found

    async def _asked(self, job_id: str) -> str:
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + UNKNOWN_JOB_S
        while True:
            answer = await self._api("GET", f"/api/v3/jobs/{job_id}", is_found=False)
            if answer.status != NOT_FOUND:
                return str(answer.json()["jobDescriptor"]["applicationName"])
            if loop.time() > ends_s:
                return ""
            await asyncio.sleep(PAUSE_S)
