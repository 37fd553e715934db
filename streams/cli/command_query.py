"""`flumina query`: a question in MQL over events.

The one thing to know: with ``--input`` it works on that file alone and needs nothing to run. A row
is one JSON object on a line; a line that is no event is told and counted, and the others go on.
"""

import errno
import gzip
import math
import random
import re
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from heapq import merge
from io import BufferedReader
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, Protocol

import orjson
import typer

from projections.query.engine import Mode, Running
from projections.query.parser import parse
from projections.query.sampling import Draw
from projections.query.scanner import QueryError
from projections.query.syntax import Query
from projections.query.values import descended
from streams.cli.common import DataDirOption
from streams.cli.query_options import (
    ConsoleOption,
    DeliveryOption,
    FromOption,
    LiveOption,
    SampleOption,
    Span,
    ToOption,
    asked_here,
)
from streams.cli.query_output import Bars, JsonLines, Output
from streams.cli.render import errors
from streams.clock import now_ms
from streams.errors import OperatorError
from streams.query.depth import is_too_deep

LINE_BYTES_MAX: Final = 4 * 1024 * 1024
TOLD_MAX: Final = 5
"""Lines that are no events are told so many times one by one, and then counted."""
GZIP_BEGINS: Final = b"\x1f\x8b"
PARQUET: Final = b"PAR1"
SECONDS_BELOW: Final = 1e11
"""A time below this is in seconds, above in milliseconds (1973 in ms, the year 5138 in s)."""
EXIT_BAD_LINES: Final = 1
OF_OUTPUT: Final = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT})
"""Of where rows go, and of no input: `head` has seen enough, or the file system is full."""
NAMED_INPUT: Final = re.compile(r"(?P<name>[^=/,\s]+)=(?P<path>.+)")


class Readable(Protocol):
    """Bytes, a line at a time."""

    def readline(self, size: int = -1, /) -> bytes:
        """The next line, or as much of it as the size allows; empty at the end."""
        ...


class Source(NamedTuple):
    """One input: the name of its stream, if it has one, and its file."""

    name: str | None
    path: str


class Line(NamedTuple):
    """One event of the input, or what is wrong with it."""

    number: int
    event: dict[str, Any] | None
    fault: str = ""


def query(  # noqa: PLR0917 - options, all by name
    question: Annotated[str, typer.Argument(metavar="MQL", help="The query, quoted.")],
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="[NAME=]FILE",
            help="JSON, an event a line; plain, gzip, or - (the default); or Parquet. "
            "Several with the names of their streams for a join.",
        ),
    ] = None,
    mode: Annotated[
        str,
        typer.Option(help="full; server: what a publisher does; client: what is left to do."),
    ] = "full",
    compat: Annotated[
        bool, typer.Option("--compat", help="Name columns as Mantis' engine does.")
    ] = False,
    time_field: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Where events have their time; else it is now."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="For random samples that can be repeated.")] = (
        None
    ),
    is_live: LiveOption = False,
    begin: FromOption = None,
    end: ToOption = None,
    delivery: DeliveryOption = "all",
    sample_ms: SampleOption = 0,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a row.")] = False,
    is_chart: Annotated[bool, typer.Option("--chart", help="A bar a row.")] = False,
    console: ConsoleOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Ask a stream of events in MQL: a file, or what runs here, live or from any time on.

    Of a file a row is a JSON object, or a bar (--chart). Of what runs it is a line of a table, or
    --json, or --chart; it goes on by itself when the server goes and comes back.

    Example: flumina query "select host, count(*) as 'n' from stream group by host order by n desc"
    --input events.jsonl

    Example: flumina query "select task_id, state from tasks where reason != ''" --from -1h --live
    """
    if is_live or begin is not None or end is not None:
        asked = asked_here(question, inputs, Span(is_live=is_live, begin=begin, end=end))
        asked |= {"delivery": delivery, "sample": str(sample_ms)}
        # What runs is asked over HTTP: a query of a file need not import that.
        from streams.cli.query_live import ask, console_of  # noqa: PLC0415

        name = "json" if as_json else "chart" if is_chart else "table"
        ask(console_of(console, data_dir), asked, name)
        return
    if mode not in {"full", "client", "server"}:
        raise OperatorError(
            f"--mode {mode} is not known.",
            "A query is asked whole, or in the two parts of a publisher and its client.",
            "Take full, client or server.",
        )
    chosen: Mode = "server" if mode == "server" else "client" if mode == "client" else "full"
    draw = random.Random(seed).random  # noqa: S311 - samples are no secrets
    running = _running(question, chosen, draw, is_compat=compat)
    _ask_files(running, inputs or ["-"], time_field, Bars() if is_chart else JsonLines())


def _running(question: str, mode: Mode, draw: Draw, *, is_compat: bool) -> Running:
    """The query at work; raises `OperatorError` where it cannot be asked."""
    try:
        return Running(parse(question), draw, mode, is_compat=is_compat)
    except QueryError as error:
        raise OperatorError(
            f"{error}\n{error.caret()}",
            "The query does not read as MQL there, or cannot be asked.",
            "docs/mql.md has the grammar, with an example of each part.",
        ) from error


def _ask_files(
    running: Running, inputs: Sequence[str], time_field: str | None, output: Output
) -> None:
    """Print the rows of all events of these files."""
    sources = [_source_of(each) for each in inputs]
    _check(sources)
    _check_names(sources, running.query)
    with ExitStack() as stack:
        opened = [(each, _lines_of(each, stack, running.query, time_field)) for each in sources]
        events = _events(opened, time_field)
        is_live = any(each.path == "-" for each in sources)
        bad = _answer(running, events, output, is_live=is_live)
    _tell(running, bad)


def _source_of(words: str) -> Source:
    """The input that ``NAME=FILE`` or ``FILE`` stands for; a file that is called so goes first."""
    named = NAMED_INPUT.fullmatch(words)
    if named is None or Path(words).exists():
        return Source(None, words)
    return Source(named["name"], named["path"])


def _check(sources: Sequence[Source]) -> None:
    if len(sources) > 1 and any(each.name is None for each in sources):
        raise OperatorError(
            "Several inputs need the names of their streams.",
            "A query tells streams apart by name.",
            "Write --input NAME=FILE for each, with the names that FROM and JOIN have.",
        )
    if sum(each.path == "-" for each in sources) > 1:
        raise OperatorError(
            "Standard input can be read once.",
            "More than one --input is -.",
            "Name a file for all but one.",
        )


def _check_names(sources: Sequence[Source], query: Query) -> None:
    """Refuse inputs that can give no row, for the query asks streams that none of them is."""
    joined = [name for each in query.joins for name in each.streams]
    streams = list(dict.fromkeys([*query.streams, *joined]))
    given = {each.name for each in sources}
    missing = [each for each in streams if each not in given]
    if not missing or (not joined and (None in given or len(missing) < len(streams))):
        return
    raise OperatorError(
        f"The query asks {' and '.join(streams)}, and no input is {missing[0]}.",
        "A stream's input is told by the name that FROM and JOIN have.",
        f"Write --input {missing[0]}=FILE, and so for each stream.",
    )


def _lines_of(
    source: Source, stack: ExitStack, query: Query, time_field: str | None
) -> Iterator[Line]:
    """The events of an input, whatever it is written as."""
    file = stack.enter_context(_opened(source.path))
    if not isinstance(file, BufferedReader) or source.path == "-" or not _begins(file, PARQUET):
        return _lines(file)
    return _rows(source.path, query, time_field)


def _rows(path: str, query: Query, time_field: str | None) -> Iterator[Line]:
    """The rows of a Parquet file that the query may want."""
    # Columns are some 40 MiB: who asks lines of text has no need of them.
    from streams.query.parquet_files import ParquetEvents  # noqa: PLC0415
    from streams.query.parquet_statistics import ParquetFault  # noqa: PLC0415

    try:
        for number, event in enumerate(ParquetEvents(Path(path), query, time_field), 1):
            yield Line(number, event)
    except ParquetFault as fault:
        raise OperatorError(
            f"{path} cannot be read as Parquet: {fault}.",
            "It is damaged, or was not written whole.",
            "`flumina archive verify` proves files of the archive.",
        ) from fault


def _begins(file: BufferedReader, with_bytes: bytes) -> bool:
    return file.peek(len(with_bytes))[: len(with_bytes)] == with_bytes


def _events(
    opened: Sequence[tuple[Source, Iterator[Line]]], time_field: str | None
) -> Iterator[tuple[Source, Line, int]]:
    """The lines of all inputs with their times: by time where they have one, else in turn."""
    timed = [_timed(source, lines, time_field) for source, lines in opened]
    if time_field is None:
        return chain(*timed)
    return merge(*timed, key=itemgetter(2))


def _timed(
    source: Source, lines: Iterator[Line], time_field: str | None
) -> Iterator[tuple[Source, Line, int]]:
    before_ms = 0
    for line in lines:
        if line.event is None:
            yield source, line, before_ms
            continue
        at_ms = now_ms() if time_field is None else _time_of(line.event, time_field)
        if at_ms is None:
            yield source, Line(line.number, None, f"it has no time in {time_field}"), before_ms
            continue
        before_ms = at_ms
        yield source, line, at_ms


def _answer(
    running: Running, events: Iterator[tuple[Source, Line, int]], output: Output, *, is_live: bool
) -> int:
    """Print the rows of all events; how many lines were none."""
    bad = 0
    for source, line, at_ms in events:
        if line.event is None:
            bad += 1
            if bad <= TOLD_MAX:
                where = f"Line {line.number}" + (f" of {source.name}" if source.name else "")
                errors().print(f"{where} is no event: {line.fault}", markup=False)
            continue
        _show(output, running.push(line.event, at_ms, source.name))
        if is_live:
            output.flush()
        if running.is_over:
            break
    _show(output, running.close())
    output.flush()
    return bad


def _show(output: Output, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        output.show(row)


def _tell(running: Running, bad: int) -> None:
    if running.dropped:
        errors().print(f"{running.dropped} events had no room in a window or its groups.")
    if bad:
        errors().print(f"{bad} lines were passed over.")
        raise typer.Exit(EXIT_BAD_LINES)


@contextmanager
def _opened(source: str) -> Iterator[Readable]:
    """The bytes of a file, unpacked if it is gzipped, or of standard input."""
    if source == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(source).open("rb") as file:
            if _begins(file, GZIP_BEGINS):
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield unpacked
            else:
                yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise OperatorError(
            f"{source} cannot be unpacked to its end.",
            f"{error}. It is damaged, or was not written whole.",
            "The rows above are those of what could be read; get the file anew.",
        ) from error
    except OSError as error:
        if error.errno in OF_OUTPUT:
            raise
        raise OperatorError(
            f"{source} cannot be read.", f"{error.strerror or error}.", "Check the path."
        ) from error


def _lines(file: Readable) -> Iterator[Line]:
    """The events of a file; a line that is too long is passed over as far as it goes."""
    number = 0
    while data := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(data) > LINE_BYTES_MAX:
            while data and not data.endswith(b"\n"):
                data = file.readline(LINE_BYTES_MAX)
            yield Line(number, None, f"it is longer than {LINE_BYTES_MAX} bytes")
            continue
        if not data.strip():
            continue
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            yield Line(number, None, str(error))
            continue
        fault = "" if isinstance(event, dict) else "it is no object"
        if is_too_deep(data, event):
            fault = "it is nested too deeply"
        yield Line(number, None if fault else event, fault)


def _time_of(event: dict[str, Any], field: str) -> int | None:
    """The event's time in milliseconds since 1970; None if it has none that can be read."""
    found = event.get(field)
    if found is None:
        found = descended(event, tuple(field.split(".")))
    if isinstance(found, str):
        try:
            return round(datetime.fromisoformat(found).timestamp() * 1_000)
        except ValueError:
            return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        return None
    return round(found * 1_000 if abs(found) < SECONDS_BELOW else found)
