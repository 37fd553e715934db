"""What the cell's history says of hosts that fell ill, and of what was newly placed: for suspects.

The one thing to know: all of it is asked in SQL of archive and Kafka alike, so it works for today
and for last year. Verdicts count when they say suspect or sick; what is new is a task's job and
image on its host, and a policy on all hosts. Versions of agents are not in the log.
"""

from typing import Any, Final

import orjson

from connectors.archive.archive import Archive
from connectors.archive.sql import SqlLimits
from projections.health.suspects import Anomaly, Placed
from scheduler.model.address import Address
from scheduler.model.ids import CellName
from streams.errors import OperatorError
from streams.history.asking import ask
from streams.settings import Settings

ROWS_MAX: Final = 200_000
_HOSTS: Final = "SELECT DISTINCT host_id FROM changes WHERE host_id IS NOT NULL"
_VERDICTS: Final = (
    "SELECT partition, log_offset, at_ms, body FROM verdicts "
    "WHERE at_ms BETWEEN {first} AND {last} AND body LIKE '%\"HostJudged\"%' ORDER BY at_ms"
)
_PLACED: Final = (
    "SELECT generation, log_offset, at_ms, job_id, host_id FROM changes "
    "WHERE kind = 'TaskChanged' AND host_id IS NOT NULL AND at_ms BETWEEN {first} AND {last} "
    "AND body->>'$.step' = 'launch accepted' ORDER BY at_ms"
)
_IMAGES: Final = (
    "SELECT body->>'$.body.job_id', body->>'$.body.spec.container.image', "
    "body->>'$.body.spec.container.image_tag', body->>'$.body.spec.container.image_digest' "
    "FROM events WHERE kind = 'Copied:JobSubmitted'"
)
_POLICIES: Final = (
    "SELECT generation, log_offset, at_ms FROM events "
    "WHERE kind = 'PolicySet' AND at_ms BETWEEN {first} AND {last} ORDER BY at_ms"
)
DIGEST_SHOWN: Final = 19
"""``sha256:`` and twelve digits, by which people know an image."""


async def hosts_of(settings: Settings, archive: Archive) -> list[str]:
    """Every host that a task was ever on."""
    return [host_id for (host_id,) in await _rows(settings, archive, _HOSTS)]


async def anomalies_between(
    settings: Settings, archive: Archive, first_ms: int, last_ms: int
) -> list[Anomaly]:
    """Hosts that a verdict said to be suspect or sick."""
    found = []
    for partition, offset, at_ms, body in await _rows(
        settings, archive, _VERDICTS.format(first=first_ms, last=last_ms)
    ):
        verdict = orjson.loads(body)
        if verdict.get("standing") in {"suspect", "sick"}:
            source = f"verdicts:{partition}:{offset}"
            found.append(Anomaly(verdict["host_id"], at_ms, source))
    return found


async def placed_between(
    settings: Settings, archive: Archive, first_ms: int, last_ms: int
) -> list[Placed]:
    """What became new on hosts: jobs and their images where tasks were launched, policies."""
    span = {"first": first_ms, "last": last_ms}
    images = {
        job_id: _image(image, tag, digest)
        for job_id, image, tag, digest in await _rows(settings, archive, _IMAGES)
    }
    found = []
    for generation, offset, at_ms, job_id, host_id in await _rows(
        settings, archive, _PLACED.format(**span)
    ):
        source = str(Address(CellName(settings.cell), generation, offset, 0))
        found.append(Placed("job", job_id, at_ms, source, host_id))
        if images.get(job_id):
            found.append(Placed("image", images[job_id], at_ms, source, host_id))
    for generation, offset, at_ms in await _rows(settings, archive, _POLICIES.format(**span)):
        source = str(Address(CellName(settings.cell), generation, offset, 0))
        found.append(Placed("policy", source, at_ms, source))
    return found


def _image(image: str | None, tag: str | None, digest: str | None) -> str:
    """An image as people know it."""
    if digest:
        return f"{image}@{digest[:DIGEST_SHOWN]}"
    return f"{image or ''}{f':{tag}' if tag else ''}"


async def _rows(settings: Settings, archive: Archive, question: str) -> tuple[Any, ...]:
    found = await ask(settings, archive, question, SqlLimits(rows_max=ROWS_MAX))
    if found.is_cut:
        raise OperatorError(
            f"There are more than {ROWS_MAX} rows to count.",
            "The span is too long for a cell this busy.",
            "Name a later --from.",
        )
    return found.rows
