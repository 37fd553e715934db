"""The master process: the scheduler API, the state endpoints, and the links to the agents.

The one thing to know: it decides nothing. Each request becomes one call of ``MasterState``, whose
outputs are carried out in order before anything else runs; journal and registry lines are on disk
before the event, message or answer that follows them is sent, which is when the loop goes on.
"""

import asyncio
import functools
import uuid
from pathlib import Path

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from connectors.devcluster.journal import Journal
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
from connectors.devcluster.master.operator_http import OperatorHttp
from connectors.devcluster.master.scheduler_calls import Answer
from connectors.devcluster.master.standby import Leading, run_master
from connectors.devcluster.master.state import MasterState
from connectors.devcluster.node import (
    TOKEN_HEADER,
    Clock,
    ClusterConfig,
    end_if_failed,
    log,
    main_arguments,
    write_atomically,
)
from connectors.devcluster.wire.calls import parse_call, parse_frequent_call
from connectors.devcluster.wire.codec import CallError
from connectors.devcluster.wire.event_stream import EventStream
from connectors.devcluster.wire.negotiation import (
    HTTP_ERRORS,
    NOT_ACCEPTABLE,
    accepted,
    last_header,
    read_body,
    refusal,
)
from connectors.devcluster.words import Json

# Time's own work (pings, filters, heartbeats) is looked at this often.
TICK_SECONDS = 0.05


class Master:
    """The master's outside: HTTP in, streams, journal and registry out."""

    def __init__(self, config: ClusterConfig, node: str) -> None:
        self._config = config
        self._port = config.port_of(node)
        self._clock = Clock()
        self._home = config.root / "master"
        self._home.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(config.root / "journal.jsonl")
        settings = Settings(
            config.host,
            self._port,
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
        operators = OperatorHttp(
            self.state, self._clock.now, self._carry_out, self._streams, new_uuid
        )
        routes += operators.routes()
        routes += [
            Route("/redirect", self._redirect, methods=["GET", "POST"]),
            Route("/master/redirect", self._redirect, methods=["GET", "POST"]),
            Route("/inner/agents", self._agent_link, methods=["POST"]),
            Route("/inner/links/{link_id}", self._agent_messages, methods=["POST"]),
        ]
        return Starlette(routes=routes, exception_handlers=HTTP_ERRORS)

    def begin(self) -> Leading:
        """Let time pass from now on, and give what is to be served."""
        self._ticking = asyncio.create_task(self._tick())
        self._ticking.add_done_callback(end_if_failed)
        return Leading(self.app(), self.quick, self.settle)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.state.tick(self._clock.now())
            self._carry_out()

    def _carry_out(self) -> None:
        self._carry_out_all()
        self.settle()

    def _carry_out_all(self) -> None:
        for output in self.state.take():
            self._carry_out_one(output)

    def settle(self) -> None:
        """Have the journal's lines on disk: streams and links send only when the loop goes on."""
        self._journal.flush()

    def _carry_out_one(self, output: Output) -> None:
        match output:
            case ToStream():
                if stream := self._streams.get(output.stream_id):
                    stream.send(output.event)
            case Record():
                self._journal.add(output.what, output.facts)
            case ToAgent():
                if link := self._links.get(output.link_id):
                    link.write(orjson.dumps(output.message))
            case EndStream():
                if stream := self._streams.get(output.stream_id):
                    stream.end()
            case EndLink():
                if link := self._links.get(output.link_id):
                    link.end()
            case SaveRegistry():
                self._journal.flush()
                write_atomically(self._registry_path, orjson.dumps(output.registry))

    async def _scheduler(self, request: Request) -> Response | EventStream:
        body = await read_body(request)
        if isinstance(body, Response):
            return body
        content_type, data = body
        try:
            call = parse_call(data, content_type)
        except CallError as error:
            return refusal(400, str(error))
        stream_id = last_header(request, "mesos-stream-id")
        if call["type"] == "SUBSCRIBE":
            return self._subscribe(request, call, stream_id)
        return self._answered(self.state.call(call, stream_id, self._clock.now()))

    def quick(self, stream_id: str | None, body: bytes) -> Answer | None:
        """The answer to a call that comes often, if it is well formed; None for all others.

        It must not be sent before ``settle``, which one may do for several.
        """
        call = parse_frequent_call(body)
        if call is None:
            return None
        answer = self.state.call(call, stream_id, self._clock.now())
        self._carry_out_all()
        return answer

    def _answered(self, answer: Answer) -> Response:
        """Carry out what the call led to, and only then answer it."""
        self._carry_out()
        if answer.text:
            return refusal(answer.status, answer.text)
        return Response(status_code=answer.status)

    def _subscribe(
        self, request: Request, call: Json, sent_stream_id: str | None
    ) -> Response | EventStream:
        content_type = accepted(request)
        if content_type is None:
            return refusal(406, NOT_ACCEPTABLE)
        if sent_stream_id is not None:
            return refusal(400, "Subscribe calls should not include the 'Mesos-Stream-Id' header")
        stream_id = new_uuid()
        stream = EventStream(
            {"Mesos-Stream-Id": stream_id},
            functools.partial(self._stream_closed, stream_id),
            "scheduler.Event",
            content_type,
        )
        self._streams[stream_id] = stream
        self.state.subscribe(call, stream_id, self._clock.now())
        self._carry_out()
        return stream

    def _stream_closed(self, stream_id: str) -> None:
        del self._streams[stream_id]
        self.state.stream_closed(stream_id, self._clock.now())
        self._carry_out()

    async def _redirect(self, _request: Request) -> Response:
        location = f"//{self._config.host}:{self._port}"
        return Response(status_code=307, headers={"Location": location})

    async def _agent_link(self, request: Request) -> Response | EventStream:
        """An agent registers; the answer is the stream of what the master tells it."""
        if not self._is_ours(request):
            return refusal(403, "Only agents of this cluster may register")
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
            return refusal(403, "Only agents of this cluster may speak here")
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


def main() -> None:
    """Run the master that the command line names."""
    config, node = main_arguments()
    asyncio.run(run_master(config, node, lambda: Master(config, node).begin()))


if __name__ == "__main__":
    main()
