"""The master process: the scheduler API, the state endpoints, and the links to the agents.

The one thing to know: it decides nothing. Each request becomes one call of ``MasterState``, whose
outputs are carried out in order before anything else runs; journal and registry lines are on disk
before the event or message that follows them is sent.
"""

import asyncio
import functools
import uuid
from collections.abc import Callable
from pathlib import Path

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from connectors.devcluster.journal import Journal
from connectors.devcluster.master import operator_calls, views
from connectors.devcluster.master.model import (
    EndLink,
    EndStream,
    Output,
    Record,
    SaveRegistry,
    Settings,
    ToAgent,
    ToStream,
)
from connectors.devcluster.master.scheduler_calls import Answer
from connectors.devcluster.master.state import MasterState
from connectors.devcluster.node import (
    TOKEN_HEADER,
    Clock,
    ClusterConfig,
    end_if_failed,
    end_with_supervisor,
    log,
    main_arguments,
    serve,
    write_atomically,
)
from connectors.devcluster.wire.calls import CallError, parse_call
from connectors.devcluster.wire.event_stream import EventStream
from connectors.devcluster.words import VERSION, Json

View = Callable[[Request], Json | None]

BODY_BYTES_MAX = 16 * 1024 * 1024
# Time's own work (pings, filters, heartbeats) is looked at this often.
TICK_SECONDS = 0.05


class Master:
    """The master's outside: HTTP in, streams, journal and registry out."""

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config
        self._clock = Clock()
        self._home = config.root / "master"
        self._home.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(config.root / "journal.jsonl")
        settings = Settings(
            config.host,
            config.port,
            config.ping_timeout_seconds,
            config.missed_pings_max,
            config.reregister_timeout_seconds,
        )
        self.state = MasterState(
            settings, _read_registry(self._registry_path), new_uuid, self._clock.now()
        )
        self._streams: dict[str, EventStream] = {}
        self._links: dict[str, EventStream] = {}
        self._carry_out()

    @property
    def _registry_path(self) -> Path:
        return self._home / "registry.json"

    def app(self) -> ASGIApp:
        """The HTTP application."""
        scheduler = ["/api/v1/scheduler", "/master/api/v1/scheduler"]
        routes = [Route(path, self._scheduler, methods=["POST"]) for path in scheduler]
        operator = ["/api/v1", "/master/api/v1"]
        routes += [Route(path, self._operator, methods=["POST"]) for path in operator]
        for name, view in self._views().items():
            handler = functools.partial(_show, view)
            routes += [Route(f"/{name}", handler), Route(f"/master/{name}", handler)]
        routes += [
            Route("/redirect", self._redirect),
            Route("/master/redirect", self._redirect),
            Route("/inner/agents", self._agent_link, methods=["POST"]),
            Route("/inner/links/{link_id}", self._agent_messages, methods=["POST"]),
        ]
        return Starlette(routes=routes)

    def _views(self) -> dict[str, View]:
        cluster = self.state.cluster
        return {
            "health": lambda _request: None,
            "version": lambda _request: {"version": VERSION, "flavour": "flumina dev-cluster"},
            "state": lambda _request: views.state_view(cluster),
            "slaves": lambda _request: views.slaves_view(cluster),
            "frameworks": lambda _request: views.frameworks_view(cluster),
            "tasks": lambda request: views.tasks_view(
                cluster, _count(request, "limit", 100), _count(request, "offset", 0)
            ),
        }

    async def run(self) -> None:
        """Serve until the process is ended."""
        end_with_supervisor()
        ticking = asyncio.create_task(self._tick())
        ticking.add_done_callback(end_if_failed)
        await serve(
            self.app(),
            self._config.host,
            self._config.port,
            lambda: log("master is listening", url=self._config.master_url),
        )

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.state.tick(self._clock.now())
            self._carry_out()

    def _carry_out(self) -> None:
        for output in self.state.take():
            self._carry_out_one(output)

    def _carry_out_one(self, output: Output) -> None:
        match output:
            case ToStream():
                if stream := self._streams.get(output.stream_id):
                    stream.write(orjson.dumps(output.event))
            case EndStream():
                if stream := self._streams.get(output.stream_id):
                    stream.end()
            case ToAgent():
                if link := self._links.get(output.link_id):
                    link.write(orjson.dumps(output.message))
            case EndLink():
                if link := self._links.get(output.link_id):
                    link.end()
            case Record():
                self._journal.write(output.what, **output.facts)
            case SaveRegistry():
                write_atomically(self._registry_path, orjson.dumps(output.registry))

    async def _scheduler(self, request: Request) -> Response | EventStream:
        body = await _body(request)
        if isinstance(body, Response):
            return body
        try:
            call = parse_call(body)
        except CallError as error:
            return _text(400, str(error))
        stream_id = request.headers.get("mesos-stream-id")
        if call["type"] == "SUBSCRIBE":
            return self._subscribe(request, call, stream_id)
        return self._answered(self.state.call(call, stream_id, self._clock.now()))

    async def _operator(self, request: Request) -> Response:
        body = await _body(request)
        if isinstance(body, Response):
            return body
        return self._answered(operator_calls.answer(self.state, body, self._clock.now()))

    def _answered(self, answer: Answer) -> Response:
        """Carry out what the call led to, and only then answer it."""
        self._carry_out()
        if answer.text.startswith("{"):
            return Response(answer.text, answer.status, media_type="application/json")
        if answer.text:
            return _text(answer.status, answer.text)
        return Response(status_code=answer.status)

    def _subscribe(
        self, request: Request, call: Json, sent_stream_id: str | None
    ) -> Response | EventStream:
        if not _accepts_json(request.headers.get("accept")):
            return _text(
                406, "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'"
            )
        if sent_stream_id is not None:
            return _text(400, "Subscribe calls should not include the 'Mesos-Stream-Id' header")
        stream_id = new_uuid()
        headers = {"Content-Type": "application/json", "Mesos-Stream-Id": stream_id}
        stream = EventStream(headers, functools.partial(self._stream_closed, stream_id))
        self._streams[stream_id] = stream
        self.state.subscribe(call, stream_id, self._clock.now())
        self._carry_out()
        return stream

    def _stream_closed(self, stream_id: str) -> None:
        del self._streams[stream_id]
        self.state.stream_closed(stream_id, self._clock.now())
        self._carry_out()

    async def _redirect(self, _request: Request) -> Response:
        location = f"//{self._config.host}:{self._config.port}"
        return Response(status_code=307, headers={"Location": location})

    async def _agent_link(self, request: Request) -> Response | EventStream:
        """An agent registers; the answer is the stream of what the master tells it."""
        if not self._is_ours(request):
            return _text(403, "Only agents of this cluster may register")
        message = orjson.loads(await request.body())
        link_id = new_uuid()
        headers = {"Content-Type": "application/json", "Link-Id": link_id}
        link = EventStream(headers, functools.partial(self._link_closed, link_id))
        self._links[link_id] = link
        self.state.register(link_id, message, self._clock.now())
        self._carry_out()
        log("agent registered", hostname=message["info"]["hostname"], tasks=len(message["tasks"]))
        return link

    def _link_closed(self, link_id: str) -> None:
        del self._links[link_id]
        self.state.link_closed(link_id, self._clock.now())
        self._carry_out()

    async def _agent_messages(self, request: Request) -> Response:
        if not self._is_ours(request):
            return _text(403, "Only agents of this cluster may speak here")
        messages = orjson.loads(await request.body())
        is_current = self.state.from_agent(request.path_params["link_id"], messages)
        self._carry_out()
        return Response(status_code=202 if is_current else 410)

    def _is_ours(self, request: Request) -> bool:
        return request.headers.get(TOKEN_HEADER) == self._config.token


def new_uuid() -> str:
    """A fresh random id."""
    return str(uuid.uuid4())


def _read_registry(path: Path) -> Json:
    return dict(orjson.loads(path.read_bytes())) if path.exists() else {}


def _text(status: int, text: str) -> Response:
    return PlainTextResponse(text, status)


async def _body(request: Request) -> bytes | Response:
    """The JSON body of a call, or the refusal of what is none or is too large."""
    content_type = request.headers.get("content-type")
    if content_type is None:
        return _text(400, "Expecting 'Content-Type' to be present")
    if content_type == "application/x-protobuf":
        return _text(
            415, "This development cluster speaks application/json; it has no protobuf yet"
        )
    if content_type != "application/json":
        return _text(415, "Expecting 'Content-Type' of application/json or application/x-protobuf")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_BYTES_MAX:
            return _text(413, f"The call is larger than {BODY_BYTES_MAX} bytes")
        parts.append(part)
    return b"".join(parts)


def _accepts_json(accept: str | None) -> bool:
    if accept is None:
        return True
    for item in accept.split(","):
        media_type, *parameters = (p.strip() for p in item.split(";"))
        refused = any(p.replace(" ", "") in ("q=0", "q=0.0") for p in parameters)
        if media_type in ("application/json", "application/*", "*/*") and not refused:
            return True
    return False


def _count(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else default


async def _show(view: View, request: Request) -> Response:
    body = view(request)
    if body is None:
        return Response()
    return Response(orjson.dumps(body), media_type="application/json")


def main() -> None:
    """Run the master that the command line names."""
    config, _ = main_arguments()
    asyncio.run(Master(config).run())


if __name__ == "__main__":
    main()
