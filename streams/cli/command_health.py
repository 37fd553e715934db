"""`health`: what log lines and series tell of hosts; templates, odd lines, rules, suspects.

The one thing to know: commands with a FILE work on that file alone and print one JSON object for
each line, each made from that line and earlier ones only; nothing needs to run.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import orjson
import typer

from projections.health.lines import LineScorer
from projections.health.suspects import Suspect
from projections.health.suspects import suspects as suspects_of
from projections.health.templates import TemplateMiner
from projections.travel.instants import AtTime, InstantUnclear, Newest, parse_instant
from scheduler.model.health import HostJudged
from streams.cli.command_health_series import peers, series
from streams.cli.common import DataDirOption, JsonOption, installation_here, settings_here
from streams.cli.quiet import speak_by_errors
from streams.cli.render import clock, out, plain, print_json, show, table
from streams.clock import now_ms
from streams.errors import OperatorError
from streams.health.log_files import Columns, lines_of
from streams.health.rule_file import DEFAULT, rules_of
from streams.logs import configure_logging
from streams.metrics_server import MetricsPortOption

app = typer.Typer(
    help="Find templates and odd lines in logs, try rules, and see what made hosts ill.\n\n"
    "Example: flumina health templates app.log",
    no_args_is_help=True,
)
app.command()(series)
app.command()(peers)
SCORE_DIGITS: Final = 4
INSTANT: Final = "A time: -1h, now, or 2026-01-31T10:00Z."
FileArgument = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="Text with a line each, or CSV; plain or gzipped; or -."),
]
ColumnOption = Annotated[
    str | None,
    typer.Option("--column", metavar="NAME", help="FILE is CSV; the column of the lines."),
]
HostColumnOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The column of the hosts.")
]
LevelColumnOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The column of the levels; else as lines name them."),
]
TimeColumnOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The column of the times: s, ms, µs, ns or ISO 8601."),
]


@app.command()
def templates(file: FileArgument, column: ColumnOption = None) -> None:
    """Print the template of each line: what it has in common with lines of its kind.

    One JSON object for each line: line (its number from 1; of CSV the row's, without the header),
    template_id and template. An id stands once it is printed, and is the same in every run. There
    are no settings: one form of masking serves all logs.

    Example: flumina health templates app_structured.csv.gz --column Content
    """
    miner = TemplateMiner()
    for each in lines_of(file, Columns(column)):
        found = miner.template(each.text)
        _print(
            {"line": each.number, "template_id": found.template_id, "template": found.text},
        )


@app.command()
def lines(
    file: FileArgument,
    column: ColumnOption = None,
    host_column: HostColumnOption = None,
    level_column: LevelColumnOption = None,
    time_column: TimeColumnOption = None,
) -> None:
    """Print how much each line deserves a look, made from it and earlier lines only.

    One JSON object for each line: line (its number from 1; of CSV the row's, without the header),
    host, score in [0, 1], and alert, which is a score of a half or more.

    Example: flumina health lines BGL.csv --column Content --host-column Node --level-column Level
    """
    scorer = LineScorer()
    for each in lines_of(file, Columns(column, host_column, level_column, time_column)):
        found = scorer.score(each.text, each.host, each.level, each.at_ms)
        score = round(found.score, SCORE_DIGITS)
        _print({"line": each.number, "host": each.host, "score": score, "alert": found.is_alert})


@app.command()
def run(
    partitions: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="Of topic host-logs; default all, in one process."),
    ] = None,
    dev_cluster: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Ship the logs of this dev cluster's agents as well."),
    ] = None,
    metrics_port: MetricsPortOption = None,
) -> None:
    """Judge hosts by their log lines, in the foreground, as `up` does.

    Rules are those of health/rules.yaml in the data directory, else the usual ones; they are read
    anew when the file changes. Wants KAFKA_BROKERS.

    Example: KAFKA_BROKERS=kafka:9092 flumina health run --partitions 0,1,2,3
    """
    # Kafka's client and Hyperscan: the other commands need neither.
    from streams.health.main import PARTITIONS, judge_hosts  # noqa: PLC0415

    words = partitions.split(",") if partitions else [str(each) for each in range(PARTITIONS)]
    if not all(each.isdecimal() and int(each) < PARTITIONS for each in words):
        raise OperatorError(
            f"{partitions!r} names no partitions.",
            f"Topic host-logs has partitions 0 to {PARTITIONS - 1}.",
            "Write numbers with commas between, such as 0,1,2.",
        )
    configure_logging("health")
    numbers = sorted({int(each) for each in words})
    asyncio.run(judge_hosts(settings_here(), numbers, dev_cluster, metrics_port))


@app.command()
def tail(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Files or patterns, such as '/var/log/*.log'."),
    ],
    host_id: Annotated[
        str | None, typer.Option(metavar="ID", help="The host's id, as the cell knows it.")
    ] = None,
    work_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Work directory of the Mesos agent, which knows its id."),
    ] = None,
    from_start: Annotated[
        bool,
        typer.Option("--from-start", help="At the very first start, also what is there already."),
    ] = False,
) -> None:
    """Ship the lines of this host's log files to topic host-logs, in the foreground.

    It goes on where it stopped, through rotation and restarts; health/marks.json in the data
    directory remembers. Wants KAFKA_BROKERS.

    Example: KAFKA_BROKERS=kafka:9092 flumina health tail '/var/log/*.log' --work-dir /var/lib/mesos
    """
    from streams.health.shipping import MARKS, id_of_work_dir, tail_until_signal  # noqa: PLC0415
    from streams.health.tail import Source  # noqa: PLC0415

    if (host_id is None) == (work_dir is None):
        raise OperatorError(
            "It is not clear whose lines these are.",
            "Either --host-id or --work-dir names the host, and not both.",
            "Name one of them.",
        )
    configure_logging("tail")
    named = id_of_work_dir(work_dir) if work_dir is not None else lambda: host_id
    settings = settings_here()
    sources = [Source(each, named) for each in files]
    marks = settings.data_dir / MARKS
    asyncio.run(tail_until_signal(settings, sources, marks, is_from_start=from_start))


@app.command(context_settings={"ignore_unknown_options": True})
def backtest(  # noqa: PLR0917 - options, all by name
    rules_file: Annotated[Path, typer.Argument(metavar="RULES", help="A file of rules.")],
    first: Annotated[
        str | None, typer.Option("--from", metavar="FROM", help=f"{INSTANT} Default -1h.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="TO", help=f"{INSTANT} Default now.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--input", metavar="FILE", help="Lines of this file, and not of host-logs."),
    ] = None,
    column: ColumnOption = None,
    host_column: HostColumnOption = None,
    level_column: LevelColumnOption = None,
    time_column: TimeColumnOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Try rules on past lines: what they would have said of which host, and when.

    One JSON object for each verdict, and a last one that counts lines, hosts and each rule's
    matches. Lines are those of topic host-logs and its archive, by when they were written to it.
    Those of a file are taken whole, or with --from or --to by the times in its column of times.

    Example: flumina health backtest my-rules.yaml --from -1d
    """
    # DuckDB and the archive are some 60 MB: the other commands need neither.
    from streams.cli.store_words import told_by_sentences  # noqa: PLC0415
    from streams.health.backtest import (  # noqa: PLC0415
        Backtest,
        lines_between,
        records_between,
        records_of,
    )
    from streams.history.opening import open_archive  # noqa: PLC0415

    test = Backtest(rules_of(rules_file))
    if file is not None:
        lines = lines_of(file, Columns(column, host_column, level_column, time_column))
        if first is not None or last is not None:
            lines = lines_between(lines, *_between(first, last or "now"))
        for records in records_of(lines, file.name):
            _print_verdicts(test.take(records))
        _print(test.summary())
        return
    begins_ms, ends_ms = _between(first or "-1h", last or "now")
    settings = installation_here(settings_here(), data_dir)
    speak_by_errors()

    async def follow() -> None:
        pages = records_between(settings, open_archive(settings), begins_ms, ends_ms, test)
        async for page in pages:
            _print_verdicts(test.take(page))

    with told_by_sentences():
        asyncio.run(follow())
    _print(test.summary())


def _between(first: str | None, last: str) -> tuple[int, int]:
    """The two times; without a first one from the beginning."""
    begins_ms, ends_ms = 0 if first is None else _time_ms(first), _time_ms(last)
    if begins_ms > ends_ms:
        raise OperatorError(
            f"Nothing lies between {first} and {last}.",
            "The end is before the beginning.",
            "Name the earlier time with --from.",
        )
    return begins_ms, ends_ms


def _time_ms(text: str) -> int:
    try:
        found = parse_instant(text, now_ms())
    except InstantUnclear as error:
        remedy = "Write -1h, or 2026-01-31T10:00Z."
        raise OperatorError(f"{error}.", "It names no time.", remedy) from error
    if isinstance(found, Newest):
        return now_ms()
    if not isinstance(found, AtTime):
        raise OperatorError(
            f"{text!r} is a place in the cell's log.",
            "Host logs are in a topic of their own, which has other offsets.",
            "Name a time: -1h, or 2026-01-31T10:00Z.",
        )
    return found.at_ms


def _print_verdicts(verdicts: Sequence[HostJudged]) -> None:
    for each in verdicts:
        told = msgspec.to_builtins(each)
        told.pop("type", None)
        _print({"at": clock(each.observed_at_ms), **told})


@app.command(context_settings={"ignore_unknown_options": True})
def suspects(
    first: Annotated[str, typer.Option("--from", metavar="FROM", help=INSTANT)] = "-1h",
    last: Annotated[str, typer.Option("--to", metavar="TO", help=INSTANT)] = "now",
    window: Annotated[
        int, typer.Option(metavar="MINUTES", min=1, max=1_440, help="So long before is new.")
    ] = 30,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Rank what was newly placed on hosts shortly before they fell ill, by lift.

    A host fell ill when a verdict said suspect or sick. What is new is a task's job and image on
    its host, and a policy on all hosts. Lift is how many times more frequent it was on these
    hosts than on the others; one host alone proves nothing.

    Example: flumina health suspects --from -6h
    """
    # DuckDB and the archive are some 60 MB: the other commands need neither.
    from streams.cli.store_words import told_by_sentences  # noqa: PLC0415
    from streams.health.suspecting import (  # noqa: PLC0415
        anomalies_between,
        hosts_of,
        placed_between,
    )
    from streams.history.opening import open_archive  # noqa: PLC0415

    (begins_ms, ends_ms), window_ms = _between(first, last), window * 60_000
    settings = installation_here(settings_here(), data_dir)
    speak_by_errors()

    async def ranked() -> list[Suspect]:
        archive = open_archive(settings)
        anomalies = await anomalies_between(settings, archive, begins_ms, ends_ms)
        placed = await placed_between(settings, archive, begins_ms - window_ms, ends_ms)
        hosts = await hosts_of(settings, archive)
        return suspects_of(anomalies, placed, hosts, window_ms=window_ms)

    with told_by_sentences():
        found = asyncio.run(ranked())
    if as_json:
        print_json([msgspec.to_builtins(each) for each in found])
        return
    if not found:
        out().print("No host fell ill in that time, or nothing was newly placed before one did.")
        return
    columns = ("kind", "what", "lift#", "ill hosts#", "other hosts#", "where")
    rows = [
        (
            *(each.kind, each.name, each.lift, f"{each.ill} of {each.ill_total}"),
            *(f"{each.others} of {each.others_total}", each.sources[0]),
        )
        for each in found
    ]
    show(out(), table("suspects", columns, rows))


@app.command()
def rules(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A file of rules; else the usual ones.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a file of rules, and print them; every fault is told with its place.

    Example: flumina health rules my-rules.yaml
    """
    found = rules_of(file or DEFAULT)
    if as_json:
        print_json([msgspec.to_builtins(each) for each in found.rules])
        return
    if file is None:
        print(DEFAULT.read_text("utf-8"), end="")
        return
    for each in found.rules:
        span = f"{each.threshold} in {each.window_ms // 1_000} s"
        print(plain(f"{each.rule_id}: {each.standing} from {span}: {each.pattern}"))


def _print(found: dict[str, object]) -> None:
    print(orjson.dumps(found).decode())
