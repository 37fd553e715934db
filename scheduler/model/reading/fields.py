"""One JSON object, read field by field; what nobody asked for is refused at the end.

The one thing to know: every question answers with a usable value even where the field is wrong,
and remembers the fault. So one pass finds everything that is wrong, and the values count only if
no fault was found. ``null`` is the same as leaving a field out, as in proto3's JSON.
"""

import math
from collections.abc import Iterable
from typing import Any, TypeVar

from scheduler.model.reading.checks import Check, bytes_of
from scheduler.model.reading.faults import Faults, nearest_name, path_below, shown
from scheduler.model.reading.json_text import DoubledObject

T = TypeVar("T")


class Fields:
    """Reads one object. An object that is missing or wrong answers defaults without more faults."""

    def __init__(self, raw: object, path: str, faults: Faults) -> None:
        self.path = path
        self._faults = faults
        self._asked: dict[str, None] = {}
        self._raw: dict[str, Any] = raw if isinstance(raw, dict) else {}
        self._is_object = isinstance(raw, dict)
        if not self._is_object:
            faults.add(path, f"is {shown(raw)}; an object is needed", "write {...}")
        if isinstance(raw, DoubledObject):
            for name in raw.doubled:
                faults.add(path_below(path, name), "is given twice", "keep one of them")

    @property
    def is_faulty(self) -> bool:
        """Whether anything was found wrong so far, here or elsewhere in the document."""
        return bool(self._faults)

    @property
    def faults(self) -> Faults:
        """Where faults go, for objects that stand inside a list of this one."""
        return self._faults

    def path_of(self, name: str) -> str:
        """The whole path of a field of this object."""
        return path_below(self.path, name)

    def fault(self, name: str, text: str, hint: str = "") -> None:
        """Add a fault of field ``name``."""
        if self._is_object:
            self._faults.add(self.path_of(name), text, hint)

    def fault_below(self, name: str, key: str, text: str, hint: str) -> None:
        """Add a fault of entry ``key`` of the map in field ``name``."""
        if self._is_object:
            self._faults.add(path_below(self.path_of(name), key), text, hint)

    def fault_at(self, path: str, text: str, hint: str) -> None:
        """Add a fault of a document inside, whose paths are its own."""
        if self._is_object:
            self._faults.add(path, text, hint)

    def fault_here(self, text: str, hint: str = "") -> None:
        """Add a fault of the object itself."""
        if self._is_object:
            self._faults.add(self.path, text, hint)

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._value(name) is not None

    def text(self, name: str, check: Check, default: str | None = None) -> str:
        """The field's text; without ``default`` it must be there. An empty text is as none."""
        value = self._value(name)
        if default is not None and value == "":
            return default
        if value is None:
            return self._absent(name, default, "")
        if not isinstance(value, str):
            self.fault(name, f"is {shown(value)}; a text is needed", "put it in double quotes")
            return default or ""
        complaint = check(value)
        if complaint is not None:
            self.fault(name, *complaint)
        return value

    def whole(
        self, name: str, minimum: int, maximum: int, default: int | None = None, unit: str = ""
    ) -> int:
        """The field's whole number within both bounds; without ``default`` it must be there."""
        value = self._value(name)
        if value is None:
            return self._absent(name, default, minimum)
        if not isinstance(value, int) or isinstance(value, bool):
            self.fault(name, f"is {shown(value)}; a whole number is needed", _number_hint(value))
            return minimum
        if not minimum <= value <= maximum:
            bounds = f"from {minimum} to {maximum}{unit}"
            self.fault(name, f"is {shown(value)}; it must be {bounds}", f"give {bounds}")
            return minimum
        return value

    def whole_given(self, name: str) -> int | None:
        """The field's whole number as it came, or None; for comparing fields with each other."""
        value = self._value(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def thousandths(self, name: str, minimum: int, maximum: int) -> int:
        """The field's number in thousandths, within both bounds; it must be there."""
        value = self._value(name)
        if value is None:
            return self._absent(name, None, minimum)
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.fault(name, f"is {shown(value)}; a number is needed", _number_hint(value))
            return minimum
        bounds = f"from {_decimal(minimum)} to {_decimal(maximum)}"
        if not minimum <= value * 1000 <= maximum:  # False for NaN, too
            self.fault(name, f"is {shown(value)}; it must be {bounds}", f"give a number {bounds}")
            return minimum
        nearest = round(value * 1000)
        if not math.isclose(value * 1000, nearest, rel_tol=1e-9):
            text = f"is {shown(value)}, with more than three decimals"
            self.fault(name, text, f"Mesos counts in thousandths: write {_decimal(nearest)}")
        return nearest

    def truth(self, name: str, default: bool) -> bool:
        """The field's true or false."""
        value = self._value(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.fault(name, f"is {shown(value)}; true or false is needed", "without quotes")
            return default
        return value

    def inner(self, name: str, path: str | None = None) -> "Fields":
        """The object in the field, which must be there; ``path`` is what its fields begin with."""
        value = self._value(name)
        if path is not None and isinstance(value, dict):
            return Fields(value, path, self._faults)
        if value is not None:
            return Fields(value, self.path_of(name), self._faults)
        self.fault(name, "is missing", "it is required, an object")
        return Fields(None, self.path_of(name), Faults())

    def inner_if_given(self, name: str) -> "Fields | None":
        """The object in the field, or None where it is left out."""
        return self.inner(name) if self.has(name) else None

    def below(self, name: str, place: int, raw: object) -> "Fields":
        """The object at a place of the list in field ``name``."""
        return Fields(raw, f"{self.path_of(name)}[{place}]", self._faults)

    def objects(self, name: str, count_max: int) -> tuple["Fields", ...]:
        """The objects in the field's list, each to be read; empty where it is left out."""
        value = self._value(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.fault(name, f"is {shown(value)}; a list of objects is needed", "write [{...}]")
            return ()
        if len(value) > count_max:
            text = f"has {len(value)} entries; at most {count_max} are allowed"
            self.fault(name, text, "shorten it")
            return ()
        path = self.path_of(name)
        return tuple(
            Fields(each, f"{path}[{place}]", self._faults) for place, each in enumerate(value)
        )

    def raw(self, name: str) -> object:
        """The field's JSON value as it came; None where it is left out."""
        return self._value(name)

    def texts(self, name: str, check: Check, count_max: int, bytes_max: int) -> tuple[str, ...]:
        """The field's list of texts; empty where it is left out."""
        value = self._value(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.fault(name, f"is {shown(value)}; a list of texts is needed", "write [...]")
            return ()
        if len(value) > count_max:
            text = f"has {len(value)} entries; at most {count_max} are allowed"
            self.fault(name, text, "shorten it")
            return ()
        found: list[str] = []
        for place, each in enumerate(value):
            path = f"{self.path_of(name)}[{place}]"
            if not isinstance(each, str):
                hint = "put it in double quotes"
                self._faults.add(path, f"is {shown(each)}; a text is needed", hint)
                continue
            complaint = check(each)
            if complaint is not None:
                self._faults.add(path, *complaint)
            found.append(each)
        total = sum(map(bytes_of, found))
        if total > bytes_max:
            text = f"is {total} bytes in all; at most {bytes_max} are allowed"
            self.fault(name, text, "shorten it, or let the task fetch it")
        return tuple(found)

    def pairs(
        self,
        name: str,
        key_check: Check,
        value_check: Check,
        *,
        count_max: int,
        bytes_max: int,
        entry_overhead: int = 0,
    ) -> tuple[tuple[str, str], ...]:
        """The field's map of texts, sorted by name; empty where it is left out."""
        value = self._value(name)
        if value is None:
            return ()
        inside = Fields(value, self.path_of(name), self._faults)
        if len(inside._raw) > count_max:
            text = f"has {len(inside._raw)} entries; at most {count_max} are allowed"
            self.fault(name, text, "keep fewer")
            return ()
        found: list[tuple[str, str]] = []
        for key, each in inside._raw.items():
            complaint = key_check(key)
            if complaint is not None:
                inside.fault(key, f"has a name that {complaint[0]}", complaint[1])
            if not isinstance(each, str):
                text = f"is {shown(each)}; a text is needed"
                inside.fault(key, text, "put it in double quotes")
                continue
            complaint = value_check(each)
            if complaint is not None:
                inside.fault(key, *complaint)
            found.append((key, each))
        total = sum(bytes_of(key) + bytes_of(each) + entry_overhead for key, each in found)
        if total > bytes_max:
            counted = f", counting {entry_overhead} more for each entry" if entry_overhead else ""
            text = f"is {total} bytes in all{counted}; at most {bytes_max} are allowed"
            self.fault(name, text, "shorten it, or let the task fetch it")
        return tuple(sorted(found))

    def items(self, count_max: int) -> tuple[tuple[str, Any], ...]:
        """All names with their raw values, sorted; for objects whose names are data."""
        if len(self._raw) > count_max:
            self.fault_here(f"has {len(self._raw)} entries; at most {count_max} are allowed")
            return ()
        return tuple(sorted(self._raw.items()))

    def refuse_known(self, names: Iterable[str]) -> None:
        """Refuse fields that Titus has and we do not; an empty value says nothing, and passes."""
        for name in names:
            if self._value(name):
                self.fault(
                    name,
                    "is known to Titus and not supported by this version",
                    "leave it out; it would have no effect here",
                )

    def close(self) -> None:
        """Refuse every field that nobody asked for."""
        for name in self._raw:
            if name in self._asked:
                continue
            hint = "" if self._faults.is_full else nearest_name(name, self._asked)
            self.fault(name, "is an unknown field", hint)

    def _value(self, name: str) -> object:
        self._asked[name] = None
        return self._raw.get(name)

    def _absent(self, name: str, default: T | None, placeholder: T) -> T:
        if default is not None:
            return default
        self.fault(name, "is missing", "it is required")
        return placeholder


def _decimal(thousandths: int) -> str:
    whole, rest = divmod(thousandths, 1000)
    return f"{whole}.{rest:03}".rstrip("0").rstrip(".")


def _number_hint(value: object) -> str:
    if isinstance(value, str):
        return "write the number without quotes"
    if isinstance(value, float) and math.isfinite(value):
        return f"write {round(value)}" if abs(value) < 1e15 else "write a smaller whole number"
    return "write a number such as 5"
