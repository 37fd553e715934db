"""What a registry says of the health of tasks, told to the cell whose budgets ask for it.

The one thing to know: changes are told at once and everything again once a minute, for the cell
takes a word for three minutes only. What the registry does not know is not told.
"""

from collections import defaultdict
from typing import Final

import structlog

from connectors.discovery.asking import Asking
from connectors.ports import HealthRegistry, RegistrationFailed
from scheduler.model.registry_health import TASKS_MAX
from streams.registrar.endpoints import Told

logger = structlog.get_logger(__name__)

PATH: Final = "/api/flumina/commands/registry-health"
ACTOR: Final = "flumina-registrar"
LOOK_MS: Final = 5_000
"""Eureka itself serves from a cache of 30 s."""
AGAIN_MS: Final = 60_000


class HealthTeller:
    """Asks one registry about the tasks whose budgets name it; `look` asks and tells."""

    def __init__(self, registry: HealthRegistry, api: Asking) -> None:
        self._registry = registry
        self._api = api
        self._told: dict[str, bool] = {}
        self._looked_ms = 0
        self._told_all_ms = 0
        self._failed = ""

    async def look(self, told: Told, now_ms: int) -> None:
        """Tell what has changed, or all of it where that is due."""
        if now_ms < self._looked_ms + LOOK_MS:
            return
        self._looked_ms = now_ms
        name = self._registry.health_provider
        asked: defaultdict[str, set[str]] = defaultdict(set)
        for each in told.items:
            if name in each.health_providers:
                asked[each.service].add(each.task_id)
        try:
            found = await self._found(asked)
            is_all = now_ms >= self._told_all_ms + AGAIN_MS
            news = found if is_all else dict(found.items() - self._told.items())
            await self._tell(news)
        except RegistrationFailed as error:
            if str(error) != self._failed:
                logger.warning("health is not told", registry=name, why=str(error))
            self._failed = str(error)
            return
        self._failed, self._told = "", found
        if is_all:
            self._told_all_ms = now_ms

    async def _found(self, asked: dict[str, set[str]]) -> dict[str, bool]:
        found: dict[str, bool] = {}
        for service in sorted(asked):
            said = await self._registry.health(service)
            found |= {task: said[task] for task in asked[service] if task in said}
        return found

    async def _tell(self, news: dict[str, bool]) -> None:
        names = sorted(news)
        for first in range(0, len(names), TASKS_MAX):
            some = names[first : first + TASKS_MAX]
            body = {
                "registry": self._registry.health_provider,
                "healthy": [each for each in some if news[each]],
                "unhealthy": [each for each in some if not news[each]],
                "why": "as the registry says",
            }
            await self._api("POST", PATH, body, headers={"X-Flumina-Actor": ACTOR})
