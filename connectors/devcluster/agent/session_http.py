"""Sessions over the v1 operator API: launched by one request, given their input by another.

The one thing to know: both are streams of RecordIO, one in the answer and one in the request. A
reader that leaves is noticed at once, whether or not the command says anything.
"""

import base64
import binascii
from collections.abc import AsyncGenerator, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connectors.devcluster.agent.sessions import Session, SessionError, Sessions
from connectors.devcluster.wire import codec, recordio
from connectors.devcluster.wire.negotiation import last_header, refusal
from connectors.devcluster.words import Json
from connectors.http.while_read import while_read

RECORDIO = "application/recordio"
INPUT = "ATTACH_CONTAINER_INPUT"


class SessionStream(Response):
    """The answer to a launch: what the command says, until it is over or the reader has left."""

    def __init__(self, begin: Callable[[], AsyncGenerator[bytes, None]]) -> None:
        super().__init__(headers={"Message-Content-Type": codec.JSON}, media_type=RECORDIO)
        del self.headers["content-length"]
        self._begin = begin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the records; the session ends when this does."""
        del scope
        head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(head)
        await while_read(self._send_all(send), receive)

    async def _send_all(self, send: Send) -> None:
        records = self._begin()
        try:
            async for record in records:
                body = recordio.encode(record)
                await send({"type": "http.response.body", "body": body, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await records.aclose()


async def attach_input(sessions: Sessions, request: Request) -> Response:
    """Hand a session what the request's stream brings, until it ends."""
    if last_header(request, "message-content-type") != codec.JSON:
        return refusal(415, f"Expecting 'Message-Content-Type' of {codec.JSON}")
    decoder = recordio.Decoder()
    session: Session | None = None
    try:
        async for piece in request.stream():
            for record in decoder.feed(piece):
                body = _input_of(record)
                if session is None:
                    if body.get("type") != "CONTAINER_ID" or "container_id" not in body:
                        raise SessionError(400, "Expecting 'CONTAINER_ID' as the first message")
                    session = sessions.attached(body["container_id"])
                else:
                    await _take(session, body)
    except (codec.CallError, recordio.FramingError) as error:
        return refusal(400, str(error))
    except SessionError as error:
        return refusal(error.status, str(error))
    except ClientDisconnect:
        pass
    finally:
        if session is not None:
            session.has_input = False
    return Response()


def _input_of(record: bytes) -> Json:
    call = codec.parse("agent.Call", codec.JSON, record)
    body = call.get("attach_container_input")
    if call.get("type") != INPUT or not isinstance(body, dict):
        raise SessionError(400, f"Expecting messages of type '{INPUT}' alone")
    return body


async def _take(session: Session, body: Json) -> None:
    process_io = body.get("process_io", {})
    match process_io.get("type"):
        case "DATA":
            data = process_io.get("data", {})
            if data.get("type") != "STDIN":
                raise SessionError(400, "Expecting data of type 'STDIN'")
            try:
                await session.write(base64.b64decode(data.get("data", ""), validate=True))
            except binascii.Error as error:
                raise SessionError(400, f"The data is no base64: {error}") from error
        case "CONTROL":
            size = process_io.get("control", {}).get("tty_info", {}).get("window_size")
            if size is not None:
                session.resize(size["rows"], size["columns"])
        case _:
            raise SessionError(400, "Expecting 'PROCESS_IO' of type 'DATA' or 'CONTROL'")
