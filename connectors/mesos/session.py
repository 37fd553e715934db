"""One stream to the leading master: opened once, read to its end, and the calls that belong to it.

The one thing to know: a session never comes back. Whatever makes the fate of a call unknown ends
the stream as well, because only a new stream keeps the old call from being carried out later:
the master refuses calls that name an older stream.

Calls go out one after the other, each after the answer to the one before it, so that a KILL
cannot overtake the ACCEPT it follows. Two kinds do not wait for each other: ACCEPTs, written in
their order on one connection, for each is about offers of its own, and a launch for each round
trip would be all that a cell does; and acknowledgements, on another connection: they are many,
and the same however often they are sent.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Final

import aiohttp
import msgspec
import orjson
import structlog
from yarl import URL

from connectors.mesos.calls import Verdict, subscribe_call, verdict
from connectors.mesos.pipeline import Answer, LaneBrokenError, Pipeline, open_pipeline
from connectors.mesos.recordio import RecordIoError, RecordReader
from connectors.mesos.refusals import is_about_us
from connectors.mesos.reserved import Json, Part
from connectors.mesos.settings import MesosSettings
from connectors.mesos.translate import MalformedRecordError, StreamIdentity, heard
from scheduler.model.effects import Called
from scheduler.model.ids import OfferId, StreamId
from scheduler.model.mesos import MesosRecord, OfferRescinded, StreamEnded, Subscribed

PATH: Final = "/api/v1/scheduler"
STREAM_HEADER: Final = "Mesos-Stream-Id"
REDIRECTS_MAX: Final = 3
SAID_BYTES_MAX: Final = 4096
"""Of what a master says with a refusal."""
KEEP_ALIVE_S: Final = 2.0
"""An idle connection is closed by us before any usual server closes it (uvicorn: 5 s): a call
written into a closing connection has an unknown fate, and that would cost the stream."""

FAULT_CHARACTERS_MAX: Final = 500
"""Of what a network fault says of itself; it may quote the other side at length."""

_STREAM_ID: Final = re.compile(r"[!-~]{1,256}")
"""Mesos' own are uuids. Ours to echo in a header and to write into the log, so nothing odd."""
_LOG: Final = structlog.get_logger("flumina.mesos")
_NETWORK_FAULTS: Final = (aiohttp.ClientError, OSError, TimeoutError)


class NoStreamError(Exception):
    """No master gave us a stream; the text says what each of them answered."""

    def __init__(self, text: str, *, is_about_us: bool = False) -> None:
        """``is_about_us``: a master leads and does not want this framework."""
        super().__init__(text)
        self.is_about_us = is_about_us


class _NextMaster(msgspec.Struct, frozen=True):
    """A master that does not lead names another one."""

    address: str


async def open_session(settings: MesosSettings, epoch: int, last_leader: str) -> "Session":
    """A session with the leading master: the last known one is tried first, then each in turn.

    Raises NoStreamError when none of them gives a stream.
    """
    faults: list[str] = []
    is_refused = False
    candidates = [each for each in (last_leader, *settings.addresses) if each]
    for address in dict.fromkeys(candidates):
        at = address
        for _ in range(REDIRECTS_MAX + 1):
            try:
                answer = await _subscribe(settings, epoch, at)
            except NoStreamError as fault:
                faults.append(f"{at} {fault}")
                is_refused = is_refused or fault.is_about_us
                break
            if isinstance(answer, Session):
                _LOG.info("mesos_stream_opened", master=at, stream_id=answer.stream_id, epoch=epoch)
                return answer
            _LOG.info("mesos_redirected", master=at, leader=answer.address)
            at = answer.address
        else:
            faults.append(f"{address} sent us on more than {REDIRECTS_MAX} times, last to {at}")
    text = f"no Mesos master gave a stream: {'; '.join(faults)}"
    raise NoStreamError(text, is_about_us=is_refused)


async def _subscribe(settings: MesosSettings, epoch: int, address: str) -> "Session | _NextMaster":
    """The session that ``address`` opens, or the master it names instead."""
    http = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(keepalive_timeout=KEEP_ALIVE_S),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.timeouts.connect_s),
        # A stream that is compressed would be held back until a block is full.
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
    )
    session: Session | None = None
    answer: aiohttp.ClientResponse | None = None
    try:
        async with asyncio.timeout(settings.timeouts.connect_s + settings.timeouts.answer_s):
            answer = await http.post(
                f"http://{address}{PATH}",
                data=orjson.dumps(subscribe_call(settings)),
                headers={"Content-Type": "application/json"},
                allow_redirects=False,
            )
            stream_id = answer.headers.get(STREAM_HEADER, "")
            if answer.status != 200 or not _STREAM_ID.fullmatch(stream_id):
                return await _no_stream(answer)
    except _NETWORK_FAULTS as fault:
        raise NoStreamError(_reason(fault)) from fault
    else:
        identity = StreamIdentity(StreamId(stream_id), epoch, address)
        session = Session(http, answer, settings, identity)
        return session
    finally:
        if session is None:
            if answer is not None:
                answer.close()  # Its text may not have come to its end.
            await http.close()


async def _no_stream(answer: aiohttp.ClientResponse) -> _NextMaster:
    """The master that a redirect names; NoStreamError for any other answer."""
    location = answer.headers.get("Location", "")
    if answer.status in {301, 302, 307, 308} and location:
        return _leader(answer.url, location)
    if answer.status == 200:
        raise NoStreamError(f"answered 200 without {STREAM_HEADER}; is it a Mesos master?")
    said = (await answer.content.read(SAID_BYTES_MAX)).decode("utf-8", errors="replace").strip()
    hint = {
        401: " (it wants us to log in, which flumina does not do yet)",
        403: " (it does not allow this principal or role)",
        404: " (no Mesos master, or one that is just starting)",
        503: " (no leader, or the leader is still recovering; try again)",
    }.get(answer.status, "")
    text = f"answered {answer.status}: {said or 'nothing more'}{hint}"
    raise NoStreamError(text, is_about_us=answer.status in {401, 403})


def _leader(asked: URL, location: str) -> _NextMaster:
    """The master that ``Location`` names; NoStreamError where it names none that we can ask."""
    try:
        # Mesos writes "//host:port/path": the scheme is that of the question.
        leader = asked.join(URL(location))
        host, port = leader.host_subcomponent, leader.port
    except ValueError as fault:
        raise NoStreamError(f"sends us to {location[:200]!a}, which is no address") from fault
    if leader.scheme != "http":
        raise NoStreamError(f"sends us to {leader}; flumina speaks plain HTTP to Mesos as yet")
    if not host or not port:
        raise NoStreamError(f"sends us to {location[:200]!a}, which is no address")
    return _NextMaster(f"{host}:{port}")


def _reason(fault: Exception) -> str:
    """A network fault as words; time-outs have none of their own."""
    if isinstance(fault, aiohttp.ClientConnectorError):
        return f"cannot be reached: {fault.os_error.strerror or fault.os_error}"
    if isinstance(fault, aiohttp.ConnectionTimeoutError):
        return "cannot be reached: no connection in time"
    if isinstance(fault, TimeoutError):
        return "did not answer in time"
    # It may quote bytes that are no text, and the log takes nothing but text.
    said = str(fault).encode("utf-8", errors="replace").decode()
    return f"broke off: {type(fault).__name__}: {said[:FAULT_CHARACTERS_MAX]}"


class Session:
    """One open stream; ``records`` reads it, ``call`` sends on it, ``end`` ends both."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        answer: aiohttp.ClientResponse,
        settings: MesosSettings,
        identity: StreamIdentity,
    ) -> None:
        self._http = http
        self._answer = answer
        self._settings = settings
        self._identity = identity
        self._turn = asyncio.Lock()
        self._under_way: set[asyncio.Future[None]] = set()
        """ACCEPTs without an answer yet; any other call waits for them."""
        self._accepts: Pipeline | None = None
        self._accepted_at_s = 0.0
        """When the last ACCEPT was written, by the loop's clock."""
        self._lane: Pipeline | None = None
        self._lane_turn = asyncio.Lock()
        self._why: str | None = None
        self._reserved: dict[OfferId, tuple[Part, ...]] = {}
        self.is_refused = False
        """Whether an ERROR event ended it that refuses what we are."""

    @property
    def stream_id(self) -> StreamId:
        """The stream's id, as the master gave it."""
        return self._identity.stream_id

    @property
    def master(self) -> str:
        """``host:port`` of the leading master."""
        return self._identity.master

    def reserved_parts(self, offer_ids: tuple[OfferId, ...]) -> list[Part]:
        """The reserved parts of these offers."""
        return [part for each in offer_ids for part in self._reserved.get(each, ())]

    def forget_offers(self, offer_ids: tuple[OfferId, ...]) -> None:
        """Drop what is remembered of offers that are used or given back."""
        for each in offer_ids:
            self._reserved.pop(each, None)

    def end(self, why: str) -> None:
        """End the stream; whoever reads it gets ``StreamEnded(why)`` next."""
        if self._why is None:
            self._why = why
            self._answer.close()

    async def close(self) -> None:
        """Give back every connection; the stream is over."""
        self.end("closed by ourselves")
        for lane in (self._lane, self._accepts):
            if lane is not None:
                lane.close()
        await self._http.close()

    async def records(self) -> AsyncGenerator[MesosRecord, None]:
        """What is heard on the stream, in order; the last is ``StreamEnded``, once."""
        ended: StreamEnded | None = None
        try:
            async with aclosing(self._heard()) as records:
                async for record in records:
                    if isinstance(record, StreamEnded):
                        ended = record
                        self.is_refused = is_about_us(ended)
                        break
                    yield record
                    if self._why is not None:
                        break
        except _StreamOverError as fault:
            self.end(str(fault))
        except (RecordIoError, MalformedRecordError) as fault:
            self.end(f"the master sent what is no event stream: {fault}")
        except _NETWORK_FAULTS as fault:
            # Also how a read ends that waits while ``end`` closes the stream under it.
            self.end(f"the stream to {self.master} {_reason(fault)}")
        if ended is None:
            ended = StreamEnded(self.stream_id, self._why or "closed by ourselves")
        self.end(ended.why)
        _LOG.warning(
            "mesos_stream_ended",
            master=self.master,
            stream_id=self.stream_id,
            why=ended.why,
            is_fatal=ended.is_fatal,
        )
        yield ended

    async def call(self, body: Json) -> Called:
        """Send one call when its turn has come, once, and tell what is known of its fate."""
        try:
            payload = orjson.dumps(body)
        except orjson.JSONEncodeError as fault:
            return self._not_sent(f"no valid text for JSON ({fault})")
        async with self._turn:
            if self._under_way:
                await asyncio.wait(set(self._under_way))
            if self._why is not None:
                return self._not_sent(f"stream over ({self._why})")
            with self._fencing():
                found = await self._posted(payload)
            return self._judged(body, found)

    async def accept(self, body: Json) -> Called:
        """Send an ACCEPT once, behind those asked for before, without waiting for their answers.

        One that the connection failed under has an unknown fate, which ends the stream.
        """
        try:
            payload = orjson.dumps(body)
        except orjson.JSONEncodeError as fault:
            return self._not_sent(f"no valid text for JSON ({fault})")
        async with self._turn:
            if self._why is not None:
                return self._not_sent(f"stream over ({self._why})")
            try:
                lane = await self._accepting_lane()
                (asked,) = lane.ask((payload,), self._settings.timeouts.answer_s)
            except LaneBrokenError as fault:
                return self._not_sent(f"{self.master} {fault}")
            self._under_way.add(asked.told)
        try:
            with self._fencing():
                await asked.told
        finally:
            self._under_way.discard(asked.told)
        if isinstance(asked.found, str):
            found = Verdict("unknown", f"{self.master} {asked.found}", is_stream_over=True)
        else:
            found = _verdict_of(asked.found)
        return self._judged(body, found)

    @contextmanager
    def _fencing(self) -> Iterator[None]:
        """End the stream where a call is given up inside, whose answer has not come."""
        try:
            yield
        except asyncio.CancelledError:
            self.end("a call was given up before its answer came; only a new stream fences it")
            raise

    def _not_sent(self, why: str) -> Called:
        return self._called(Verdict("refused", f"not sent: {why}"))

    def _judged(self, body: Json, found: Verdict) -> Called:
        """What is told of a call; one that ended the stream ends it here as well."""
        if found.is_stream_over:
            self.end(f"a call of type {body['type']} ended it: {found.detail}")
        return self._called(found)

    async def _accepting_lane(self) -> Pipeline:
        """The connection of the ACCEPTs: a new one where the old could be closing by now."""
        now_s = asyncio.get_running_loop().time()
        is_idle = not self._under_way and now_s - self._accepted_at_s > KEEP_ALIVE_S
        if self._accepts is not None and (is_idle or not self._accepts.is_open):
            self._accepts.close()
            self._accepts = None
        if self._accepts is None:
            self._accepts = await self._new_lane()
        self._accepted_at_s = now_s
        return self._accepts

    async def acknowledge(self, bodies: Sequence[Json]) -> list[Called]:
        """Send acknowledgements together, beside whatever else is under way.

        One is sent a second time where the connection failed under it. One of unknown fate, lost
        or answered with a 5xx, does not end the stream: Mesos repeats the update, and that is
        acknowledged again. Only a refusal that shows another stream or another leader does.
        """
        payloads = list(map(orjson.dumps, bodies))
        said = [Verdict("unknown", "")] * len(payloads)
        left = list(range(len(payloads)))
        for _ in range(2):
            if not left:
                break
            if self._why is not None:
                why = Verdict("refused", f"not sent: stream over ({self._why})")
                for place in left:
                    said[place] = why
                break
            answers = await self._acknowledged([payloads[place] for place in left])
            lost: list[int] = []
            for place, answer in zip(left, answers, strict=True):
                if isinstance(answer, str):
                    said[place] = Verdict("unknown", f"{self.master} {answer}")
                    lost.append(place)
                else:
                    said[place] = _verdict_of(answer)
            left = lost
        for each in said:
            if each.is_stream_over and each.fate == "refused":
                self.end(f"an acknowledgement ended it: {each.detail}")
        return list(map(self._called, said))

    async def _acknowledged(self, payloads: Sequence[bytes]) -> list[Answer | str]:
        """The answer to each, or why there is none."""
        try:
            lane = await self._open_lane()
        except LaneBrokenError as fault:
            return [str(fault)] * len(payloads)
        return await lane.post_all(payloads, self._settings.timeouts.answer_s)

    async def _open_lane(self) -> Pipeline:
        """The connection of the acknowledgements, opened anew where it was closed."""
        async with self._lane_turn:
            if self._lane is None or not self._lane.is_open:
                self._lane = await self._new_lane()
            return self._lane

    async def _new_lane(self) -> Pipeline:
        """A connection for calls of this stream; raises LaneBrokenError where there is none."""
        at = URL(f"http://{self.master}")
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            STREAM_HEADER: self.stream_id,
        }
        connect_s = self._settings.timeouts.connect_s
        return await open_pipeline(at.host or "", at.port or 80, PATH, headers, connect_s)

    async def _heard(self) -> AsyncGenerator[MesosRecord, None]:
        """The records of each event; raises for whatever ends the stream but an ERROR event."""
        reader = RecordReader()
        silence_s = self._settings.timeouts.answer_s
        is_open = False
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + silence_s
        while True:
            piece = await self._piece(reader, deadline_s, silence_s)
            is_whole = False
            for event in reader.feed(piece):
                is_whole = True
                said = heard(event, self._identity)
                if not is_open:
                    silence_s = self._opening_silence_s(said.records, event)
                    is_open = True
                elif any(isinstance(each, Subscribed) for each in said.records):
                    # Nobody could tell which offers are still good.
                    raise _StreamOverError("SUBSCRIBED came a second time on the same stream")
                self._reserved.update(said.reserved)
                for record in said.records:
                    if isinstance(record, OfferRescinded):
                        self._reserved.pop(record.offer_id, None)
                    yield record
            if is_whole:  # Bytes alone are no sign of life: they may be dripping for ever.
                deadline_s = loop.time() + silence_s

    def _opening_silence_s(self, records: tuple[MesosRecord, ...], event: bytes) -> float:
        """How much silence the stream may hold that begins so; raises if it is not our stream."""
        first = records[0] if records else None
        if isinstance(first, StreamEnded):
            return self._settings.timeouts.answer_s
        if not isinstance(first, Subscribed):
            raise _StreamOverError(f"the first event is not SUBSCRIBED: {event[:80]!r}")
        if first.framework_id != self._settings.framework_id:
            raise _StreamOverError(
                f"the master calls us {first.framework_id[:128]!r}, but we are "
                f"{self._settings.framework_id!r}: our calls would be another framework's"
            )
        return self._settings.timeouts.heartbeats_missed_max * first.heartbeat_interval_ms / 1000

    async def _piece(self, reader: RecordReader, deadline_s: float, silence_s: float) -> bytes:
        """The next bytes of the stream, never none."""
        try:
            async with asyncio.timeout_at(deadline_s):
                piece = await self._answer.content.readany()
        except TimeoutError:
            what = "nothing" if reader.is_between_records else "no record to its end"
            raise _StreamOverError(
                f"{what} was heard from {self.master} for {silence_s:g} s, not even heartbeats"
            ) from None
        if not piece:
            where = "" if reader.is_between_records else " in the middle of a record"
            raise _StreamOverError(f"{self.master} closed the stream{where}")
        return piece

    async def _posted(self, payload: bytes) -> Verdict:
        """The answer to one call, or how the attempt failed."""
        timeouts = self._settings.timeouts
        status = 0
        try:
            async with asyncio.timeout(timeouts.connect_s + timeouts.answer_s):
                async with self._http.post(
                    f"http://{self.master}{PATH}",
                    data=payload,
                    headers={"Content-Type": "application/json", STREAM_HEADER: self.stream_id},
                    allow_redirects=False,
                ) as answer:
                    status = answer.status
                    said = await answer.content.read(SAID_BYTES_MAX)
                    return verdict(status, said.decode("utf-8", errors="replace"))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as fault:
            # There was no connection to write into, so the call cannot have left.
            return Verdict("refused", f"not sent: {self.master} {_reason(fault)}")
        except _NETWORK_FAULTS as fault:
            if status:
                return verdict(status, f"(the rest of the answer {_reason(fault)})")
            return Verdict("unknown", f"{self.master} {_reason(fault)}", is_stream_over=True)

    def _called(self, found: Verdict) -> Called:
        """The verdict as the port words it."""
        return Called(found.fate, self.stream_id, found.detail)


def _verdict_of(answer: Answer) -> Verdict:
    text = answer.body[:SAID_BYTES_MAX].decode("utf-8", errors="replace")
    return verdict(answer.status, text)


class _StreamOverError(Exception):
    """The stream is over, for the reason that the text says."""
