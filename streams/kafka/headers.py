"""Headers of records that anybody may have written: a header may have no value at all.

The one thing to know: Kafka lets a header be null, and aiokafka then gives None in place of bytes,
whatever its types say. Who reads a topic that others write to, reads its headers by these.
"""

from collections.abc import Iterable


def header_values(headers: Iterable[tuple[str, bytes | None]]) -> tuple[tuple[str, bytes], ...]:
    """All of them, in their order; one without a value has an empty one."""
    return tuple((name, b"" if value is None else bytes(value)) for name, value in headers)


def header_texts(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """The last value of each name as text; what is no UTF-8 is replaced."""
    return {name: value.decode("utf-8", "replace") for name, value in header_values(headers)}
