"""What a parser under fuzzing is, and what one input may do to it."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal, NamedTuple

from scheduler.model.reading.faults import Faults

SECONDS_MAX: Final = 1.0
"""Of processor time for one input: fault row 35's promise, whatever else the computer does."""

Kind = Literal["json", "yaml", "text", "binary"]


class Refused(Exception):
    """The parser answered with faults in place of raising."""


class Parser(NamedTuple):
    """One reader of foreign bytes."""

    name: str
    kind: Kind
    """Which planted inputs and which mutations make sense for it."""
    parse: Callable[[bytes], object]
    refuses: tuple[type[BaseException], ...]
    """The errors by which it says no; every other one is a bug."""
    samples: tuple[bytes, ...]
    """What it accepts."""
    has_made: bool = True
    """Whether mutated samples are given to it as well, and not only planted and found ones."""
    tolerant: bool = False
    """It refuses (nearly) nothing: what it cannot read it passes over, leaves out or counts."""


class Failure(Exception):
    """A bug of the product: which parser, what happened, and the input."""

    def __init__(self, parser: str, why: str, data: bytes) -> None:
        super().__init__(f"{parser}: {why}; input of {len(data)} bytes: {data[:300]!r}")
        self.parser = parser
        self.why = why
        self.data = data


class Tried(NamedTuple):
    """What became of one input."""

    is_refused: bool
    elapsed_ms: float
    """Of processor time."""


def tried(parser: Parser, data: bytes) -> Tried:
    """Give the parser the input; raises `Failure` where it does what it may not."""
    refusals: tuple[type[BaseException], ...] = (Refused, *parser.refuses)
    is_refused = False
    with _nothing_collected():
        began = time.thread_time()
        try:
            parser.parse(data)
        except refusals:
            is_refused = True
        except Exception as error:
            why = f"{type(error).__name__} is none of its errors: {str(error)[:200]}"
            raise Failure(parser.name, why, data) from error
        elapsed_s = time.thread_time() - began
    if elapsed_s > SECONDS_MAX:
        raise Failure(parser.name, f"it took {elapsed_s:.2f} s of processor time", data)
    return Tried(is_refused, elapsed_s * 1_000)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Keep the collector away: what thousands of tests left in a process takes it a second."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def text_of(data: bytes) -> str:
    """The bytes as a text, in which what is no UTF-8 became lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def unless(faults: Faults) -> None:
    """Raise `Refused` where faults were found."""
    if faults:
        raise Refused(str(faults.all()[0]))


def answered(answer: object) -> None:
    """Raise `Refused` where the answer is a tuple of faults."""
    if isinstance(answer, tuple):
        raise Refused(str(answer[0]))
