"""What Mesos' JSON shows of a message although nobody set it: fields that have a default.

The one thing to know: only JSON shows them, and not those that are deprecated. So an operator reads
``"checkpoint": false`` of every framework, but ``"role": "*"`` only where it was said. Protobuf
bytes do not hold them; whoever reads those fills them in.
"""

import functools

from connectors.devcluster.wire.schema import Field, schema
from connectors.devcluster.words import Json


def with_defaults(name: str, value: Json) -> Json:
    """A copy of the message with the defaults in it, at every depth."""
    result = dict(value)
    for field in schema().messages[name].values():
        if field.name in result:
            if field.kind in schema().messages:
                result[field.name] = _filled(field, result[field.name])
        elif field.default is not None and not field.is_deprecated:
            result[field.name] = _default(field)
    return result


def _filled(field: Field, value: object) -> object:
    if isinstance(value, list):
        return [with_defaults(field.kind, one) for one in value]
    assert isinstance(value, dict)
    if field.label == "map":
        return {key: with_defaults(field.kind, one) for key, one in value.items()}
    return with_defaults(field.kind, value)


@functools.cache
def _default(field: Field) -> object:
    assert field.default is not None
    match field.kind:
        case "bool":
            return field.default == "true"
        case "double":
            return float(field.default)
        case "uint32" | "int32" | "uint64" | "int64":
            return int(field.default)
        case _:
            return field.default
