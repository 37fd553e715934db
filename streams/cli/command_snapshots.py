"""`flumina snapshots`: what there is, whether it is good, and what can be made of it.

The one thing to know: only `take` and `restore --to` write, and nothing here ever speaks to Mesos.
Every command reads the store and the log by itself; the cell goes on meanwhile.
"""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from connectors.objects.opening import open_store
from connectors.ports import NoSuchObject, ObjectStore
from projections.snapshot.format import BadSnapshot, capture, counts_of
from scheduler.machine import Machine
from streams.cli.common import (
    DataDirOption,
    JsonOption,
    installation_here,
    settings_here,
    version,
)
from streams.cli.quiet import speak_by_errors
from streams.cli.render import clock, out, print_json, show, table
from streams.cli.store_words import told_by_sentences
from streams.settings import Settings, store_url_of
from streams.snapshots.loading import CannotFold, followed_to
from streams.snapshots.names import SnapshotName
from streams.snapshots.proving import Proof, RestoreTest
from streams.snapshots.rehearsing import Rehearsal, Rehearsing
from streams.snapshots.shelf import Shelf
from streams.snapshots.taking import SnapshotTaker
from streams.snapshots.whole import history_of
from streams.store import store_of

app = typer.Typer(
    help="List, take, prove and restore snapshots.\n\nExample: flumina snapshots list",
    no_args_is_help=True,
)

EXIT_BAD = 1


@app.command("list")
def list_(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """List the snapshots of a cell, oldest first.

    Example: flumina snapshots list --json
    """
    settings = _settings(data_dir)
    with told_by_sentences():
        names = Shelf(store_of(settings), settings.cell).names()
    if as_json:
        print_json({"store": store_url_of(settings), "items": [_of_name(each) for each in names]})
        return
    columns = ("generation", "records #", "log's time", "bytes #", "digest")
    rows = [
        (each.generation, each.next_offset, clock(each.at_ms), each.bytes_total, each.digest)
        for each in names
    ]
    show(out(), table("", columns, rows))


@app.command()
def take(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """Fold the log to its end in this process, and keep the state as a snapshot.

    Example: flumina snapshots take
    """
    settings = _settings(data_dir)
    with told_by_sentences():
        document = asyncio.run(_take(settings))
    if as_json:
        print_json(document)
    else:
        out().print(
            f"{document['key']}: {document['nextOffset']} records, {document['bytesTotal']} bytes"
        )


async def _take(settings: Settings) -> dict[str, Any]:
    async with history_of(settings) as opened:
        end = (await opened.reader.bounds()).end_offset
        follower = await followed_to(opened.bases, end)
        taker = SnapshotTaker(opened.shelf, follower, build=version())
        taken = await taker.take()
        return {
            **_of_name(taken.name),
            "counts": taken.counts,
            "pauseMilliseconds": round(taken.pause_s * 1_000, 1),
            "seconds": round(taken.total_s, 3),
        }


@app.command()
def verify(
    *,
    key: Annotated[str, typer.Argument(metavar="[KEY]", help="A snapshot; else the newest.")] = "",
    is_all: Annotated[bool, typer.Option("--all", help="Every snapshot.")] = False,
    is_folded: Annotated[
        bool,
        typer.Option("--fold", help="Also fold from the snapshot before it, and compare all."),
    ] = False,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Read snapshots and prove them: checksums, header, digest; leaves with 1 if one is bad.

    Example: flumina snapshots verify --all --fold
    """
    settings = _settings(data_dir)
    with told_by_sentences():
        found = asyncio.run(_verify(settings, key, is_all=is_all, is_folded=is_folded))
    if as_json:
        print_json({"items": found})
    else:
        columns = ("snapshot", "outcome", "why")
        show(
            out(),
            table("", columns, [(each["key"], each["outcome"], each["why"]) for each in found]),
        )
    if any(each["outcome"] not in {"good", "equal"} for each in found):
        raise typer.Exit(EXIT_BAD)


async def _verify(
    settings: Settings, key: str, *, is_all: bool, is_folded: bool
) -> list[dict[str, Any]]:
    shelf = Shelf(store_of(settings), settings.cell)
    names = await asyncio.to_thread(_wanted, shelf, key, is_all=is_all)
    if not is_folded:
        return [await asyncio.to_thread(_checked, shelf, each) for each in names]
    async with history_of(settings) as opened:
        test = RestoreTest(opened.bases)
        return [_of_proof(await test.of(each)) for each in names]


def _checked(shelf: Shelf, name: SnapshotName) -> dict[str, Any]:
    try:
        restored = shelf.load(name)
    except (BadSnapshot, NoSuchObject) as error:
        return {**_of_name(name), "outcome": "bad", "why": str(error)}
    return {**_of_name(name), "outcome": "good", "why": "", "counts": restored.header.counts}


@app.command()
def restore(
    at: Annotated[
        int | None,
        typer.Option(
            "--at",
            min=0,
            metavar="OFFSET",
            help="The state before this record; else at the end of the log.",
        ),
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="STORE",
            help="Write it as a snapshot into this store (a directory or URL).",
        ),
    ] = "",
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Make the state again from the nearest good snapshot and the log behind it, and count it.

    Example: flumina snapshots restore --at 120000 --to /mnt/rescue
    """
    settings = _settings(data_dir)
    with told_by_sentences():
        document = asyncio.run(_restore(settings, at, to))
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        out().print(f"{name}: {value}")


async def _restore(settings: Settings, at: int | None, to: str) -> dict[str, Any]:
    async with history_of(settings) as opened:
        bounds = await opened.reader.bounds()
        offset = bounds.end_offset if at is None else at
        if offset > bounds.end_offset:
            raise CannotFold(f"The log ends at offset {bounds.end_offset}")
        base = await opened.bases.at_or_below(offset)
        follower = await followed_to(opened.bases, offset, base)
        machine = follower.machine
        document = {
            "origin": base.origin or "the log's beginning",
            "recordsFolded": offset - base.wanted_offset,
            "nextOffset": machine.state.next_offset,
            "generation": machine.state.generation,
            "digest": machine.digest.value(),
            "counts": counts_of(machine.state),
        }
        if to:
            name = await asyncio.to_thread(_write, settings, to, machine, follower.chain.hex)
            document |= {"store": to, "key": name.key}
        return document


def _write(settings: Settings, to: str, machine: Machine, chain: str) -> SnapshotName:
    shelf = Shelf(open_store(_url_of(to)), settings.cell)
    return shelf.put(capture(machine, chain, build=version()))


@app.command()
def rehearse(
    from_: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="PROD",
            help="Production: a cell of this store, or a store's URL or directory.",
        ),
    ],
    from_cell: Annotated[
        str,
        typer.Option(
            "--from-cell", metavar="CELL", help="Which cell of that store; else its only one."
        ),
    ] = "",
    cell: Annotated[
        str,
        typer.Option("--cell", metavar="CELL", help="The candidate's cell; else FLUMINA_CELL's."),
    ] = "",
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Let this build go on from production's newest snapshot and log, with all effects off.

    Leaves with 1 where this build would have another state: so it gates a deployment.
    Example: flumina snapshots rehearse --from s3://prod/flumina --cell staging
    """
    settings = _settings(data_dir, is_of_cell=not cell)
    with told_by_sentences():
        found = asyncio.run(_rehearse(settings, from_, from_cell, cell or settings.cell))
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        _print_rehearsal(found)
    if found.verdict != "passed":
        raise typer.Exit(EXIT_BAD)


async def _rehearse(settings: Settings, prod: str, from_cell: str, cell: str) -> Rehearsal:
    is_store = "://" in prod or "/" in prod
    url = _url_of(prod) if is_store else store_url_of(settings)
    cells = await asyncio.to_thread(_cells_in, open_store(url))
    named = from_cell or (prod if not is_store else "")
    if not named and len(cells) == 1:
        named = cells[0]
    if named not in cells:
        raise CannotFold(
            f"{url} has no snapshots of cell {named or '(none was named)'}; it has those of "
            f"{', '.join(cells) or 'no cell'}"
        )
    there = msgspec.structs.replace(_of_cell(settings, named), store_url=url)
    async with history_of(there) as opened:
        return await Rehearsing(opened.bases, cell, version()).run()


def _print_rehearsal(found: Rehearsal) -> None:
    rows = [("ok" if each.is_good else "WRONG", each.what, each.found) for each in found.checks]
    show(out(), table("", ("", "check", "found"), rows))
    out().print(
        f"{found.verdict}: build {found.candidate_build} for cell {found.cell}, from "
        f"{found.snapshot} (build {found.production_build or 'unknown'}), "
        f"{found.records_folded} records in {found.seconds:.1f} s"
    )


# What the commands have in common.


def _url_of(text: str) -> str:
    return text if "://" in text else Path(text).absolute().as_uri()


def _cells_in(store: ObjectStore) -> list[str]:
    return sorted({each.key.split("/")[1] for each in store.facts("snapshots/")})


def _settings(data_dir: Path | None, *, is_of_cell: bool = True) -> Settings:
    speak_by_errors()
    return installation_here(settings_here(), data_dir, is_of_cell=is_of_cell)


def _of_cell(settings: Settings, cell: str) -> Settings:
    """The settings of production's cell: of this installation, or the only one of its own."""
    names = settings.cell_names if cell in settings.cell_names else (cell,)
    return msgspec.structs.replace(settings, cell=cell, cell_names=names)


def _wanted(shelf: Shelf, key: str, *, is_all: bool) -> list[SnapshotName]:
    names = shelf.names()
    found = [each for each in names if not key or each.key == key]
    if not found:
        raise CannotFold(
            f"{shelf.store.url} has no snapshot {key} of cell {shelf.cell}".replace("  ", " ")
        )
    return found if is_all or key else found[-1:]


def _of_name(name: SnapshotName) -> dict[str, Any]:
    return {
        "key": name.key,
        "cell": name.cell,
        "generation": name.generation,
        "nextOffset": name.next_offset,
        "atMs": name.at_ms,
        "digest": name.digest,
        "bytesTotal": name.bytes_total,
        "writtenAtMs": name.written_at_ms,
    }


def _of_proof(proof: Proof) -> dict[str, Any]:
    return {
        "key": proof.key,
        "outcome": proof.outcome,
        "why": proof.why,
        "origin": proof.origin,
        "nextOffset": proof.next_offset,
        "recordsFolded": proof.records_folded,
        "counts": proof.counts,
        "seconds": round(proof.seconds, 3),
    }
