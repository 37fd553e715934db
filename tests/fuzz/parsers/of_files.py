"""Files that travel: snapshots, bundles, slices, Parquet, CSV, zones, scripts, memories."""

import gzip
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

from connectors.archive.columns import DamagedFile, encode_rows, typed_rows
from connectors.discovery.files import Files
from connectors.discovery.zone import Entry, entries_of, next_serial, zone_lines
from connectors.ports import RegistrationFailed
from connectors.tasklogs.archive import BrokenPart
from connectors.tasklogs.archive import unpacked as unpacked_part
from connectors.tasklogs.layout import Part
from projections.query.parser import parse as parse_query
from projections.snapshot.format import BadSnapshot, Expected, capture, decode, encode
from scheduler.machine import Machine
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.errors import OperatorError
from streams.health.series_files import series_of
from streams.history.heads import archived_record
from streams.query.parquet_files import ParquetEvents
from streams.query.parquet_statistics import ParquetFault
from streams.registrar.memory import Memory
from streams.simulation.script import Script, decode_script, encode_script
from streams.traces.cluster import read_cluster
from streams.traces.openb import read_nodes, read_pods
from streams.travel.bundle_file import (
    SLICE_DAMAGE,
    BundleBad,
    BundleFile,
    BundleWriter,
    Manifest,
    SliceRecord,
    packed,
    unpacked,
)
from tests.fuzz.files import in_file
from tests.fuzz.parser import Parser, text_of

_BYTES_READ_MAX: Final = 64 * 1024 * 1024
"""Of what a slice unpacks to here; the product takes bundles of gigabytes, from their owner."""


def _snapshot(data: bytes) -> object:
    return decode(data, Expected())


def _made_snapshot() -> bytes:
    return encode(capture(Machine(), build="fuzz")).data


def _slice(data: bytes) -> object:
    return sum(len(each.value or b"") for each in unpacked(data))


def _bundle(path: Path) -> object:
    bundle = BundleFile(path)
    try:
        return [bundle.member(name) for name in bundle.names()], sum(
            1 for name in bundle.names() if name.endswith(".zst") for _ in bundle.slice(name)
        )
    finally:
        bundle.close()


_RECORDS: Final = [
    SliceRecord(7, 1_763_800_000_000, b"k", b'{"a":1}'),
    SliceRecord(8, 1_763_800_000_001, None, b"x" * 100),
    SliceRecord(9, 1_763_800_000_002, b"k", None),
]


def _made_bundle() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.bundle"
        writer = BundleWriter(path)
        writer.add("cell.zst", *packed(_RECORDS))
        writer.add("notes.json", b"{}")
        manifest = Manifest(
            format=1,
            build="b",
            cell="main",
            cell_uuid="u",
            generation="1a2b3c4d",
            first_offset=7,
            end_offset=10,
            first_at_ms=1,
            end_at_ms=2,
            is_masked=True,
            digest="",
            original_digest="",
            checkpoints_proven=0,
        )
        writer.close(manifest)
        return path.read_bytes()


_ROWS: Final = [
    archived_record(n, b'{"epoch":1,"at_ms":%d,"events":[{"type":"Tick"}]}' % n, 0)
    for n in range(1, 4)
]


def _parquet(path: Path) -> object:
    return list(ParquetEvents(path, parse_query("select * from s")))


def _parquet_statistics(path: Path) -> object:
    query = parse_query("select offset, at_ms from s where offset > 1")
    return list(ParquetEvents(path, query))


def _zone(data: bytes) -> object:
    text = text_of(data)
    return entries_of(text), next_serial(text, 1_763_800_000)


def _services(path: Path) -> object:
    return Files(path.parent)._read(path)


def _part(data: bytes) -> object:
    return unpacked_part(data, Part(0, 11, 1))


def _nodes(path: Path) -> object:
    return read_nodes(path)


def _cluster(hosts: bytes, path: Path) -> object:
    other = path.with_name("hosts.csv")
    other.write_bytes(hosts)
    return read_cluster(other, path)


def _cluster_hosts(tasks: bytes, path: Path) -> object:
    other = path.with_name("tasks-read.csv")
    other.write_bytes(tasks)
    return read_cluster(path, other)


def _series(path: Path) -> object:
    return list(series_of(path, None, None))


_HOSTS: Final = b"name,cpus,mem,zone,disk,gpu\nh1,8,16000,z1,100,0\nh2,16,32000,z2,100,2\n"
_TASKS: Final = b"id,job,cpus,mem,arrive_s,end_s\nt1,j1,1,1000,0,10\nt2,j1,0.5,512,1,\n"
_PODS: Final = b"name,cpu_milli,memory_mib,num_gpu,gpu_milli\np1,1000,512,0,0\np2,2000,1024,1,500\n"
_NODES: Final = b"sn,cpu_milli,memory_mib,gpu,model\nn1,96000,393216,8,V100\nn2,64000,1024,0,\n"
_VALUES: Final = (
    b"timestamp,value\n2026-11-22 00:00:00,1.5\n2026-11-22 00:05:00,2\n1763800000,-1e3\n",
)
_ENTRIES: Final = [Entry("web", "web-0-1", "10.0.0.1", 31000), Entry("db", "d", "::1", 1, False)]
_ZONE: Final = "\n".join(zone_lines(_ENTRIES, "a.example.", "ns.example.", 17)).encode() + b"\n"
_MEMORY: Final = (b'{"format":1,"cell_uuid":"u","generation":"1a2b3c4d","offset":7,"held":[]}',)
_SCRIPT: Final = encode_script(Script(1, 0.5, 1.0, 3, ()))

PARSERS: Final = (
    Parser("snapshot", "binary", _snapshot, (BadSnapshot,), (_made_snapshot(),)),
    Parser("bundle-slice", "binary", _slice, SLICE_DAMAGE, (packed(_RECORDS)[0],)),
    Parser("bundle", "binary", in_file("a.bundle", _bundle), (BundleBad,), (_made_bundle(),)),
    Parser(
        "archive-rows",
        "binary",
        partial(typed_rows, "records"),
        (DamagedFile,),
        (encode_rows("records", _ROWS),),
    ),
    Parser(
        "parquet-events",
        "binary",
        in_file("a.parquet", _parquet),
        (ParquetFault,),
        (encode_rows("records", _ROWS),),
    ),
    Parser(
        "parquet-statistics",
        "binary",
        in_file("b.parquet", _parquet_statistics),
        (ParquetFault,),
        (encode_rows("records", _ROWS),),
        # Each that can be opened is looked at by a process of its own: a quarter of a second.
        has_made=False,
    ),
    Parser("log-part-unpacked", "binary", _part, (BrokenPart,), (gzip.compress(b"hello world"),)),
    Parser("dns-zone", "text", _zone, (RegistrationFailed,), (_ZONE,)),
    Parser(
        "service-files",
        "json",
        in_file("web.json", _services),
        (RegistrationFailed,),
        (b'[{"targets":["10.0.0.1:31000"],"labels":{"a":"b"}}]',),
    ),
    Parser("registrar-memory", "json", in_file("memory.json", Memory), (OperatorError,), _MEMORY),
    Parser("simulation-script", "json", decode_script, BAD_BYTES, (_SCRIPT,)),
    Parser("trace-nodes", "text", in_file("nodes.csv", _nodes), (OperatorError,), (_NODES,)),
    Parser("trace-pods", "text", in_file("pods.csv", read_pods), (OperatorError,), (_PODS,)),
    Parser(
        "trace-tasks",
        "text",
        in_file("tasks.csv", partial(_cluster, _HOSTS)),
        (OperatorError,),
        (_TASKS,),
    ),
    Parser(
        "trace-hosts",
        "text",
        in_file("hosts-read.csv", partial(_cluster_hosts, _TASKS)),
        (OperatorError,),
        (_HOSTS,),
    ),
    Parser("series-in-csv", "text", in_file("cpu.csv", _series), (OperatorError,), _VALUES),
)
