"""One kind of place (load balancers, or a registry) kept as the cell's endpoints want it.

The one thing to know: what has to be done is the difference of what is wanted and what is held, so
a call that failed, or a process that died, is made up for by the next look. Only what is held is
ever deregistered, and never because a place does not answer.
"""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Iterable
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from connectors.ports import (
    Endpoint,
    LoadBalancerProvider,
    PlaceUnknown,
    RegistrationFailed,
    ServiceRegistry,
)
from streams.registrar.endpoints import Wanted
from streams.registrar.memory import Held, Memory

logger = structlog.get_logger(__name__)

CALLS_BURST: Final = 4
CALLS_PER_S: Final = 20
"""Titus' limits: batches of changes begin at this rate."""
RECONCILE_MS: Final = 30_000
COOLDOWN_MS: Final = 120_000
"""What was touched so lately is not reconciled: places know of a change late. Titus' numbers."""
PAUSE_MS_MIN: Final = 1_000
PAUSE_MS_MAX: Final = 60_000
PAGED_AFTER_MS: Final = 300_000
AT_ONCE_MAX: Final = 8

Key = tuple[str, str]


class Failing(msgspec.Struct):
    """A place that does not do what it is asked: since when, and until when it is left alone."""

    since_ms: int
    count: int = 0
    until_ms: int = 0
    is_paged: bool = False


class Plan(NamedTuple):
    """What one place has to be asked for."""

    place: str
    register: list[Key]
    deregister: list[Key]


class Lane:
    """A provider or a registry, and what we have registered there."""

    def __init__(
        self, name: str, outlet: LoadBalancerProvider | ServiceRegistry, memory: Memory
    ) -> None:
        self.name = name
        self.outlet = outlet
        self._memory = memory
        self._failing: dict[str, Failing] = {}
        self._foreign: dict[Key, int] = {}
        """Targets of others that we want as well, and when we look again."""
        self._wanted: Wanted = {}
        self._tokens, self._filled_ms = float(CALLS_BURST), 0
        self._reconciled_ms = 0
        self._renewed_ms = 0
        self._gate = asyncio.Semaphore(AT_ONCE_MAX)

    async def round(self, wanted: Wanted, now_ms: int) -> None:
        """Do what is due so that ``wanted`` is registered, and nothing else of ours."""
        self._wanted = wanted
        if now_ms >= self._reconciled_ms + RECONCILE_MS:
            self._reconciled_ms = now_ms
            await self._each(self._reconcile(place, now_ms) for place in self._places(now_ms))
        plans = [each for each in self._plans(now_ms) if self._token(now_ms)]
        if not plans:
            return
        kept = await self._each(self._without_foreign(each, now_ms) for each in plans)
        plans = [each for each in kept if each is not None]
        for plan in plans:
            for key in plan.register:
                self._memory.held[key] = Held(*key, wanted[key], touched_ms=now_ms)
        self._memory.save()
        await self._each(self._carry_out(each, now_ms) for each in plans)
        self._memory.save()

    async def renew(self, now_ms: int) -> None:
        """Renew what has to be, also while nothing is known of the cell."""
        outlet = self.outlet
        period_ms = getattr(outlet, "renew_ms", 0)  # Load balancers have no such thing.
        if not period_ms or now_ms < self._renewed_ms + period_ms:
            return
        self._renewed_ms = now_ms
        await self._each(self._renew(place, now_ms) for place in self._places(now_ms))

    def _plans(self, now_ms: int) -> list[Plan]:
        """What is to be done at which place, what waits longest first."""
        plans: dict[str, Plan] = {}
        held = self._memory.held
        for key, endpoint in self._wanted.items():
            known = held.get(key)
            if known is None:
                is_due = now_ms >= self._foreign.get(key, 0)
            else:
                is_due = not known.is_sure or known.endpoint != endpoint
            if is_due:
                plans.setdefault(key[0], Plan(key[0], [], [])).register.append(key)
        for key in held:
            if key not in self._wanted:
                plans.setdefault(key[0], Plan(key[0], [], [])).deregister.append(key)
        due = [each for each in plans.values() if self._is_open(each.place, now_ms)]
        return sorted(due, key=lambda each: not each.deregister)

    def _token(self, now_ms: int) -> bool:
        gained = max(0, now_ms - self._filled_ms) * CALLS_PER_S / 1_000
        self._tokens = min(float(max(CALLS_BURST, CALLS_PER_S)), self._tokens + gained)
        self._filled_ms = now_ms
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    async def _without_foreign(self, plan: Plan, now_ms: int) -> Plan | None:
        """The plan without targets that others have registered; None where that is not known."""
        new = [key for key in plan.register if key not in self._memory.held]
        if not new or not self._has_others:
            return plan
        try:
            there = await self.outlet.registered(plan.place)
        except (PlaceUnknown, RegistrationFailed) as error:
            self._failed(plan.place, str(error), now_ms)
            return Plan(plan.place, [], plan.deregister) if plan.deregister else None
        taken = {key for key in new if key[1] in there}
        for key in sorted(taken):
            if key not in self._foreign:
                logger.warning("registered by somebody else", place=key[0], key=key[1])
            self._foreign[key] = now_ms + RECONCILE_MS
        for key in new:
            if key not in taken:
                self._foreign.pop(key, None)
        return Plan(plan.place, [each for each in plan.register if each not in taken],
                    plan.deregister)  # fmt: skip

    @property
    def _has_others(self) -> bool:
        """Whether others register under the same keys: a task's id is nobody else's."""
        return not hasattr(self.outlet, "renew_ms")

    async def _carry_out(self, plan: Plan, now_ms: int) -> None:
        held = self._memory.held
        try:
            if plan.deregister:
                await self._deregister(plan)
                for key in plan.deregister:
                    del held[key]
            if plan.register:
                await self.outlet.register(plan.place, [held[key].endpoint for key in plan.register])
                for key in plan.register:
                    held[key].is_sure, held[key].touched_ms = True, now_ms
        except (PlaceUnknown, RegistrationFailed) as error:
            self._failed(plan.place, str(error), now_ms)
            return
        if self._failing.pop(plan.place, None) is not None:
            logger.info("place answers again", kind=self.name, place=plan.place)
        logger.info(
            "registered",
            kind=self.name,
            place=plan.place,
            registered=len(plan.register),
            deregistered=len(plan.deregister),
        )

    async def _deregister(self, plan: Plan) -> None:
        endpoints = [self._memory.held[key].endpoint for key in plan.deregister]
        try:
            await self.outlet.deregister(plan.place, endpoints)
        except PlaceUnknown:
            logger.info("place is gone, and what was registered there", place=plan.place)

    async def _reconcile(self, place: str, now_ms: int) -> None:
        """Have what is missing at the place registered again."""
        try:
            there = await self.outlet.registered(place)
        except (PlaceUnknown, RegistrationFailed) as error:
            if any(key[0] == place for key in self._wanted):
                self._failed(place, str(error), now_ms)
            return
        for (name, key), held in self._memory.held.items():
            is_old = now_ms >= held.touched_ms + COOLDOWN_MS
            if name == place and held.is_sure and is_old and key not in there:
                held.is_sure = False

    async def _renew(self, place: str, now_ms: int) -> None:
        outlet = self.outlet
        sure = [each for each in self._held_at(place) if each.is_sure]
        try:
            assert hasattr(outlet, "renew")
            lost = await outlet.renew(place, [each.endpoint for each in sure])
        except RegistrationFailed as error:
            self._failed(place, str(error), now_ms)
            return
        for each in sure:
            if each.key in lost:
                each.is_sure = False

    def _held_at(self, place: str) -> list[Held]:
        return [each for key, each in self._memory.held.items() if key[0] == place]

    def _places(self, now_ms: int) -> list[str]:
        places = {key[0] for key in self._memory.held}
        return sorted(each for each in places if self._is_open(each, now_ms))

    def _is_open(self, place: str, now_ms: int) -> bool:
        failing = self._failing.get(place)
        return failing is None or now_ms >= failing.until_ms

    def _failed(self, place: str, why: str, now_ms: int) -> None:
        failing = self._failing.setdefault(place, Failing(now_ms))
        pause_ms = min(PAUSE_MS_MIN << min(failing.count, 10), PAUSE_MS_MAX)
        failing.until_ms = now_ms + pause_ms
        failing.count += 1
        if failing.count == 1:
            logger.warning("place cannot be changed", kind=self.name, place=place, why=why)
        if not failing.is_paged and now_ms >= failing.since_ms + PAGED_AFTER_MS:
            failing.is_paged = True
            logger.critical(
                "tasks cannot be registered",
                kind=self.name,
                place=place,
                why=f"{place}: {why}. What is registered there stays; see docs/discovery.md",
                page=True,
            )

    async def _each(self, calls: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
        async def gated(call: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - as it came
            async with self._gate:
                return await call

        return await asyncio.gather(*(gated(each) for each in calls))
