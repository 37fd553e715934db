"""Words for people: times, numbers, and one sentence for each line of a history.

The one thing to know: a sentence names what is in the log and nothing else. Times are UTC, so that
two people who look at the same address read the same words.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from projections.history import Line, Refused
from scheduler.model.resources import Resources


def instant(at_ms: int) -> str:
    """The time as ``2026-01-31 12:00:00.000 UTC``."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}.{at_ms % 1000:03d} UTC"


def duration(span_ms: int) -> str:
    """The span in the unit that suits it: ``250 ms``, ``3.2 s``, ``12 min 5 s``, ``3 h 10 min``."""
    if span_ms < 1_000:
        return f"{max(span_ms, 0)} ms"
    if span_ms < 60_000:
        return f"{span_ms / 1000:.1f} s"
    minutes, seconds = divmod(span_ms // 1000, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} days {hours % 24} h"


def counted(number: int, word: str, words: str = "") -> str:
    """The number and the word, in the plural (``words``, or with an s) where it is not one."""
    return f"{number} {word if number == 1 else words or word + 's'}"


def amounts(resources: Resources) -> str:
    """The resources as ``4 cpus, 8192 MiB of memory, 10000 MiB of disk``."""
    cpus = f"{resources.cpu_milli / 1000:g}"
    return (
        f"{cpus} cpu{'' if cpus == '1' else 's'}, {resources.memory_mib} MiB of memory, "
        f"{resources.disk_mib} MiB of disk"
    )


def parts_text(parts: tuple[tuple[str, int], ...]) -> str:
    """Parts of a fitness as ``packing 812, image 10``."""
    return ", ".join(f"{name} {value}" for name, value in parts) or "no part counts"


def refusals_text(refusals: tuple[Refused, ...]) -> str:
    """What the rules of a round refused, and what was missing where it was least."""
    return "; ".join(map(_refused, refusals)) or "the round's record names no rule"


def _refused(refused: Refused) -> str:
    if not refused.hosts:
        return refused.missing or f"rule {refused.rule}"
    nearest = refused.nearest_hostname or refused.nearest_host_id
    text = f"rule {refused.rule} refused {counted(refused.hosts, 'host')}"
    if not nearest:
        return f"{text} ({refused.missing})" if refused.missing else text
    return f"{text}, of which {nearest} came nearest ({refused.missing})"


def line_text(line: Line) -> str:
    """The line as a sentence, without its address and time."""
    said = _SAID.get(line.what, _other)
    text = said if isinstance(said, str) else said(line)
    if line.message and line.message not in text:
        text = f"{text}: {line.message}"
    if line.count > 1:
        text = f"{text} ({line.count} times, last at {line.last_address})"
    return text


def _other(line: Line) -> str:
    return f"{line.what}{_by(line)}{_led_to(line)}"


def _submitted(line: Line) -> str:
    return f"submitted{_by(line)}{_with(line)}"


def _round_refused(line: Line) -> str:
    return f"found no place: {refusals_text(line.refusals)}"


def _launch_proposed(line: Line) -> str:
    made = f" by the round at {line.cause}" if line.cause else ""
    return f"launch on {line.hostname or line.host_id} proposed{made} and accepted"


def _effect_started(line: Line) -> str:
    what = "launch" if line.state else "kill"
    return f"the {what} proposed at {line.cause} is carried out"


def _effect_ended(line: Line) -> str:
    how = _led_to(line) if line.state == "Finished" else f": {line.reason}"
    return f"the call for the proposal at {line.cause} ended{how}"


def _status(line: Line) -> str:
    reason = f" ({line.mesos_reason.removeprefix('REASON_')})" if line.mesos_reason else ""
    return f"Mesos said {line.mesos_state}{reason}{_with(line)}{_led_to(line)}"


def _kill_asked(line: Line) -> str:
    return f"its end was asked for{_by(line)}{_with(line)}{_led_to(line)}"


def _kill_proposed(line: Line) -> str:
    decided = f", because of {line.cause}" if line.cause else ""
    return f"kill proposed{decided} and accepted"


def _deadline(line: Line) -> str:
    return f"a time-out ran out{_led_to(line)}"


_SAID: Final[Mapping[str, str | Callable[[Line], str]]] = {
    "submitted": _submitted,
    "queued": "began to wait for a host",
    "requeued": "went back to the queue: its launch had not left the cell",
    "round refused": _round_refused,
    "launch proposed": _launch_proposed,
    "launch refused": "its launch was refused by the fold",
    "effect started": _effect_started,
    "effect ended": _effect_ended,
    "status": _status,
    "kill asked": _kill_asked,
    "kill proposed": _kill_proposed,
    "kill refused": "its kill was refused by the fold",
    "deadline": _deadline,
    "asked of Mesos": "Mesos was asked for its state",
}
"""What is said of a line, by what it is; any other says its own name."""


def _by(line: Line) -> str:
    return f" by {line.actor}" if line.actor else ""


def _with(line: Line) -> str:
    return f" with record {line.source}" if line.source else ""


def _led_to(line: Line) -> str:
    if not line.state:
        return ""
    return f", now {line.state}{f' ({line.reason})' if line.reason else ''}"
