"""Scheduler calls made at random from the table, most of them with something wrong in them.

The one thing to know: none has an effect. They name a framework that nobody has, never subscribe,
and never have the type UNKNOWN, which would end a real master.
"""

import base64
import random
from typing import Any

from connectors.devcluster.wire.schema import Field, schema

Json = dict[str, Any]

HARMFUL = ("UNKNOWN", "SUBSCRIBE")
DEPTH = 7
ODD: tuple[Any, ...] = (
    *(None, True, False, [], {}, ["a"], {"a": 1}, [["a"]]),
    *(0, 1, -1, 1.5, 2**31, 2**32 + 5),
    *("", "x", "1", "true", " -2.5", "7 ", "[]", "aGk=", "aGk", "!!", "a\0b"),
)


class RandomCalls:
    """Calls, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._messages = schema().messages
        self._enums = schema().enums
        types = self._enums["scheduler.Call.Type"]
        self._types = sorted(t for t in types if t not in HARMFUL)

    def call(self) -> Json:
        """The next call."""
        kind = self._random.choice(self._types)
        call: Json = {"type": kind, "framework_id": {"value": "nobody"}}
        fields = self._messages["scheduler.Call"]
        bodies = [fields[kind.lower()]] if kind.lower() in fields and self._is(0.97) else []
        if self._is(0.1):
            others = [f for f in fields.values() if f.name not in ("type", "framework_id")]
            bodies.append(self._random.choice(others))
        for field in bodies:
            call[field.name] = self._value(field, DEPTH)
        return call

    def _is(self, chance: float) -> bool:
        return self._random.random() < chance

    def _message(self, name: str, depth: int) -> Json:
        fields = list(self._messages[name].values())
        few = min(2.0 / len(fields), 0.6) if fields and depth > 0 else 0.0
        value = {
            field.name: self._value(field, depth)
            for field in fields
            if self._is(0.95 if field.label == "required" else few)
        }
        if self._is(0.05):
            value["invented"] = self._random.choice(ODD)
        return value

    def _value(self, field: Field, depth: int) -> object:
        match field.label:
            case "repeated" if not self._is(0.05):
                return [self._one(field, depth) for _ in range(self._random.randint(0, 2))]
            case "map":
                keys = self._random.sample(["a", "b", "c"], self._random.randint(0, 2))
                return {key: self._one(field, depth) for key in keys}
            case _:
                return self._one(field, depth)

    def _one(self, field: Field, depth: int) -> object:
        if field.kind in self._messages:
            return (
                self._random.choice(ODD) if self._is(0.02) else self._message(field.kind, depth - 1)
            )
        if self._is(0.08):
            return self._random.choice(ODD)
        if field.kind in self._enums:
            return self._random.choice([*sorted(self._enums[field.kind]), "LATER"])
        match field.kind:
            case "string":
                return self._random.choice(["a", "é", "x" * 30])
            case "bytes":
                return base64.b64encode(self._random.randbytes(16)).decode()
            case "bool":
                return self._is(0.5)
            case "double":
                return self._random.choice([0.0, 1.5, -1, 3])
            case _:
                return self._random.choice([0, 1, 5, 2**31 - 1])
