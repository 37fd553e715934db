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
    LoadBalancerProvider,
    PlaceUnknown,
    RegistrationFailed,
    ServiceRegistry,
)
from streams.clock import elapsed_s
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
AT_ONCE_MAX: Final = 4
PLANS_MAX: Final = 20
"""Of one round, so that what it does is of now: the rest is the next round's."""

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


class Pace:
    """So many batches at once, and so many more each second."""

    def __init__(self) -> None:
        self._left, self._filled_s = float(CALLS_BURST), elapsed_s()

    async def turn(self) -> None:
        """Return when one more may begin."""
        now_s = elapsed_s()
        gained = (now_s - self._filled_s) * CALLS_PER_S
        self._left, self._filled_s = min(float(CALLS_BURST), self._left + gained) - 1, now_s
        if self._left < 0:
            await asyncio.sleep(-self._left / CALLS_PER_S)


class Lane:
    """A provider or a registry, and what we have registered there."""

    def __init__(
        self,
        name: str,
        outlet: LoadBalancerProvider | ServiceRegistry,
        memory: Memory,
        registry: ServiceRegistry | None = None,
    ) -> None:
        """``registry``: the outlet itself where it is one, and nobody else uses its keys."""
        self.name = name
        self.outlet = outlet
        self._registry = registry
        self._memory = memory
        self._pace = Pace()
        self._failing: dict[str, Failing] = {}
        self._foreign: dict[Key, int] = {}
        """Targets of others that we want as well, and when we look again."""
        self._wanted: Wanted = {}
        self._reconciled_ms = 0
        self._renewed_ms = 0
        self._gate = asyncio.Semaphore(AT_ONCE_MAX)

    async def round(self, wanted: Wanted, now_ms: int) -> None:
        """Do what is due so that ``wanted`` is registered, and nothing else of ours."""
        self._wanted = wanted
        if now_ms >= self._reconciled_ms + RECONCILE_MS:
            self._reconciled_ms = now_ms
            there = self._by_place(now_ms).items()
            await self._each(self._reconcile(place, held, now_ms) for place, held in there)
        plans = self._plans(now_ms)[:PLANS_MAX]
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
        registry = self._registry
        if registry is None or not registry.renew_ms:
            return
        if now_ms >= self._renewed_ms + registry.renew_ms:
            self._renewed_ms = now_ms
            there = self._by_place(now_ms).items()
            await self._each(self._renew(registry, *each, now_ms) for each in there)

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

    async def _without_foreign(self, plan: Plan, now_ms: int) -> Plan | None:
        """The plan without targets that others have registered; None where that is not known."""
        new = [key for key in plan.register if key not in self._memory.held]
        if not new or self._registry is not None:
            return plan
        try:
            there = await self.outlet.registered(plan.place)
        except (PlaceUnknown, RegistrationFailed) as error:
            self._failed(plan.place, str(error), now_ms)
            return plan._replace(register=[]) if plan.deregister else None
        taken = {key for key in new if key[1] in there}
        for key in sorted(taken):
            if key not in self._foreign:
                logger.warning("registered by somebody else", place=key[0], key=key[1])
            self._foreign[key] = now_ms + RECONCILE_MS
        for key in new:
            if key not in taken:
                self._foreign.pop(key, None)
        return plan._replace(register=[each for each in plan.register if each not in taken])

    async def _carry_out(self, plan: Plan, now_ms: int) -> None:
        held = self._memory.held
        await self._pace.turn()
        try:
            if plan.deregister:
                await self._deregister(plan)
                for key in plan.deregister:
                    del held[key]
            if plan.register:
                endpoints = [held[key].endpoint for key in plan.register]
                await self.outlet.register(plan.place, endpoints)
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

    async def _reconcile(self, place: str, held: list[Held], now_ms: int) -> None:
        """Have what is missing at the place registered again."""
        try:
            there = await self.outlet.registered(place)
        except (PlaceUnknown, RegistrationFailed) as error:
            self._failed(place, str(error), now_ms)
            return
        for each in held:
            is_old = now_ms >= each.touched_ms + COOLDOWN_MS
            if is_old and each.key not in there:
                each.is_sure = False

    async def _renew(
        self, registry: ServiceRegistry, place: str, held: list[Held], now_ms: int
    ) -> None:
        sure = [each for each in held if each.is_sure]
        try:
            lost = await registry.renew(place, [each.endpoint for each in sure])
        except RegistrationFailed as error:
            self._failed(place, str(error), now_ms)
            return
        for each in sure:
            if each.key in lost:
                each.is_sure = False

    def _by_place(self, now_ms: int) -> dict[str, list[Held]]:
        """What is held, by place, of those that are not left alone."""
        found: defaultdict[str, list[Held]] = defaultdict(list)
        for (place, _), each in self._memory.held.items():
            if self._is_open(place, now_ms):
                found[place].append(each)
        return found

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
