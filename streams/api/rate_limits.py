"""The file of rate rules (FLUMINA_RATE_LIMITS), read once when the api process starts.

The one thing to know: a file that is wrong stops the start. An API that ran without the limits that
somebody wrote down would look well until the day on which they were needed.
"""

from pathlib import Path

from connectors.web.limits.rules import RateLimits, read_rate_rules
from scheduler.model.reading.faults import Faults
from streams.errors import OperatorError
from streams.policy_file.reading import read_yaml


def rate_limits_of(path: Path | None) -> RateLimits:
    """The limits that the file sets, none without a file; raises `OperatorError`."""
    if path is None:
        return RateLimits()
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(
            f"The rate rules in {path} cannot be read: {error}.",
            "FLUMINA_RATE_LIMITS names a file that is not there, or is no text.",
            "Correct the path, or unset it for an API without rate limits.",
        ) from error
    faults = Faults()
    found = read_yaml(text, faults)
    rules = () if faults else read_rate_rules(found.document, faults)
    if not faults:
        return RateLimits(rules)
    lines = []
    for fault in faults.all():
        place = found.place_of(fault.field)
        where = f"line {place.line}: " if place else ""
        lines.append(f"{where}{fault.field} {fault.text} ({fault.hint})")
    raise OperatorError(
        f"The rate rules in {path} are not taken: {'; '.join(lines)}.",
        "docs/rest.md has the form of the file, and an example.",
        "Correct what is named.",
    )
