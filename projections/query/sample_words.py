"""The configuration of ``SAMPLE``: a percentage, or JSON as people write it in a query.

The one thing to know: its JSON may have single quotes, as all examples of MQL do.
"""

import json
import re
from typing import Any, Final, Literal, cast

from projections.query.scanner import NUMBER, Scanner
from projections.query.syntax import Sample

NUMBER_MAX: Final = 2**63
"""Of any number of a configuration: what Java's long holds, as the engine would read it."""
STRATEGIES: Final = ("RANDOM", "STICKY", "RPS")
CONFIGURATION: Final = re.compile(r"\{.*\}", re.DOTALL)
KNOWN: Final = frozenset({"strategy", "threshold", "factor", "keys", "salt", "extrapolate"})
FACTOR: Final = 10_000


def sample_of(scanner: Scanner) -> Sample:
    """What the words after ``SAMPLE`` say; raises `QueryError`."""
    began = scanner.position
    share = scanner.match(NUMBER, "a number")
    if share is not None:
        scanner.space()
        if scanner.literal("%") is None:
            raise scanner.error()
        if not 0 <= float(share) <= 100:
            raise scanner.refused("A share is 0 to 100 %", began)
        return Sample("RANDOM", threshold=float(share) * FACTOR / 100, factor=FACTOR)
    text = scanner.match(CONFIGURATION, "{..}")
    if text is None:
        raise scanner.error()
    try:
        values = json.loads(text.replace("'", '"'))
    except (ValueError, RecursionError) as error:
        raise scanner.refused(f"The sample's configuration is no JSON: {error}", began) from None
    fault = _fault(values)
    if fault:
        raise scanner.refused(fault, began)
    return _sample(values)


def _fault(values: dict[str, Any]) -> str:
    """What is wrong with a configuration; empty if nothing."""
    unknown = sorted(values.keys() - KNOWN)
    if unknown:
        return f"The sample has no {', '.join(unknown)}; it has {', '.join(sorted(KNOWN))}"
    if values.get("strategy") not in STRATEGIES:
        return f"The sample's strategy is one of {', '.join(STRATEGIES)}"
    for name, least in (("threshold", 0), ("factor", 1)):
        value = values.get(name, FACTOR)
        if not _is_number(value) or value < least:
            return f"The sample's {name} is a number from {least}"
    if "threshold" not in values:
        return "The sample has no threshold"
    return _fault_of_keys(values)


def _fault_of_keys(values: dict[str, Any]) -> str:
    keys = values.get("keys", [])
    if not isinstance(keys, list) or not all(isinstance(each, str) for each in keys):
        return "The sample's keys are a list of names"
    if values["strategy"] == "STICKY" and not keys:
        return "A STICKY sample needs keys"
    salt = values.get("salt", 0)
    if not isinstance(salt, int) or not _is_number(salt):
        return "The sample's salt is a whole number"
    if not isinstance(values.get("extrapolate", False), bool):
        return "The sample's extrapolate is true or false"
    return ""


def _is_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return -NUMBER_MAX <= value <= NUMBER_MAX  # and so no NaN


def _sample(values: dict[str, Any]) -> Sample:
    strategy = cast("Literal['RANDOM', 'STICKY', 'RPS']", values["strategy"])
    return Sample(
        strategy,
        threshold=float(values["threshold"]),
        factor=float(values.get("factor", FACTOR)),
        keys=tuple(values.get("keys", ())),
        salt=values.get("salt", 0),
        extrapolate=values.get("extrapolate", False),
    )
