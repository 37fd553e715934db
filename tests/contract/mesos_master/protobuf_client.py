"""The framework of the contract tests, speaking protobuf.

The one thing to know: it uses the product's codec. That is no circle, because every test that uses
it runs on the real Mesos too, which would not understand a codec that only understands itself.
"""

from connectors.devcluster.wire import codec
from tests.contract.mesos_master.master_client import Framework, Json, Stream

PROTOBUF_HEADERS = {"Content-Type": codec.PROTOBUF, "Accept": codec.PROTOBUF}


def call_bytes(call: Json) -> bytes:
    """A scheduler call as protobuf."""
    return codec.encode("scheduler.Call", codec.PROTOBUF, call)


def event_of(record: bytes) -> Json:
    """The scheduler event in a record."""
    return codec.parse("scheduler.Event", codec.PROTOBUF, record)


class ProtobufFramework(Framework):
    """A framework whose calls and events are protobuf."""

    def open(self) -> Stream:
        """Send SUBSCRIBE; the stream may carry an ERROR only."""
        return Stream(self.port, call_bytes(self.subscription()), PROTOBUF_HEADERS, event_of)

    def encode(self, message: Json, headers: dict[str, str]) -> bytes:
        """The body of a call, and its type among the headers."""
        headers["Content-Type"] = codec.PROTOBUF
        return call_bytes(message)
