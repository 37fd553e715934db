"""Requests that ask for something: published like everybody's, answered when the fold has passed.

The one thing to know: nothing is changed here. A request is checked by the very reader that the
leader's ingest uses, published to its topic, and its answer is what the fold says to that record.
If the fold has not passed it after two seconds, the answer is 202 and a token, which reads take
as "at least".
"""

from http import HTTPStatus

import msgspec
from starlette.responses import Response

from connectors.web.api import Api
from connectors.web.cell import NotWritten, Token, Topic
from connectors.web.gate import demand_job, demand_task
from connectors.web.problems import json_response, refused, unavailable
from connectors.web.standing import demand_leader
from projections.answers import AnswerChange
from scheduler.model.foreign import decode_commands_record, decode_jobs_record
from scheduler.model.ids import JobId, TaskId
from scheduler.model.inbound import InboundRejected

TOKEN: str = "X-Flumina-Token"  # noqa: S105 - a place in a log, no secret

Answer = AnswerChange
"""What the fold says to a record of ``jobs`` or ``commands``."""


class Written(msgspec.Struct, frozen=True):
    """A request that is in its topic, and what the fold answered, if it did in time."""

    token: Token
    answer: Answer | None


def check_readable(topic: Topic, key: str, value: bytes) -> None:
    """Return if the leader could read this record; raises a 400 `Problem` with every fault."""
    decode = decode_jobs_record if topic == "jobs" else decode_commands_record
    body = decode(key.encode(), value)
    if isinstance(body, InboundRejected):
        raise refused(body.faults)


async def write(
    api: Api,
    topic: Topic,
    key: str,
    value: bytes,
    *,
    subject: str,
    actor: str = "",
    is_leader_needed: bool = True,
    is_read: bool = False,
    is_new: bool = False,
) -> Written:
    """Publish a request, and wait for the fold's answer for as long as a caller should.

    ``subject`` is the id that the request is about, told where its fate is unknown. What an
    ``actor`` asks of jobs is on the books until the fold has passed it; operators' commands are
    not, for they are the way out. Raises `Problem` where the record cannot be read, nobody leads,
    the cell is behind, or Kafka does not take it. ``is_read``: `check_readable` has been done, or
    what it would find is known.
    ``is_new``: the job is made by it, and who asks may have one like it.
    """
    if topic == "jobs" and not is_new:
        demand_job(api, JobId(key))
        if api.cell.view.task(TaskId(subject)) is not None:
            demand_task(api, TaskId(subject))
    if not is_read:
        check_readable(topic, key, value)
    if is_leader_needed:
        demand_leader(api.cell)
    # Offsets begin again at 0 where a topic is made anew: an answer that the fold gave before we
    # asked was to an older record of the same number.
    since = api.cell.view.next_offset
    try:
        token = await _published(api, topic, key, value, actor)
    except NotWritten as error:
        raise unavailable(
            f"Kafka did not acknowledge the request: {error}",
            "It may have been written all the same. Sending it again under the same id or "
            "Idempotency-Key is safe.",
            also={"id": subject},
        ) from error
    api.metrics.published(topic)
    lane = (token.topic, token.partition)
    with api.metrics.waiting():
        is_passed = await api.cell.passing.until(lane, token.offset, api.wait_s)
    if not is_passed:
        return Written(token, None)
    found = api.cell.view.answer_to(*lane, token.offset)
    if found is None or found.place.offset < since:
        raise unavailable(
            f"The cell passed {token} without an answer",
            "Kafka lost the record before it was copied, or the topic was made anew. Sending it "
            "again under the same id or Idempotency-Key is safe.",
            also={"id": subject, "token": str(token)},
        )
    return Written(token, found.change)


async def _published(api: Api, topic: Topic, key: str, value: bytes, actor: str) -> Token:
    if topic != "jobs":
        return await api.cell.publish(topic, key, value)
    with api.admission.admitted(api.asking.name if api.asking else actor) as ticket:
        ticket.token = await api.cell.publish(topic, key, value)
        return ticket.token


def written_response(
    written: Written,
    subject: str,
    status: HTTPStatus = HTTPStatus.OK,
    headers: dict[str, str] | None = None,
) -> Response:
    """The answer to a request that the fold took, or has not passed yet."""
    headers = {TOKEN: str(written.token), **(headers or {})}
    if written.answer is None:
        body = {"id": subject, "token": str(written.token)}
        return json_response(body, HTTPStatus.ACCEPTED, headers)
    return json_response({"id": subject}, status, headers)
