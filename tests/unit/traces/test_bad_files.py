"""Files that cannot be used: each complaint names file, line and column, and says what to do.

One case a row: what stands in the files, and words that the complaint must hold.
"""

import csv
import gzip
from pathlib import Path

import pytest

from streams.traces.cluster import read_cluster
from streams.traces.table import EXIT_BAD_INPUT, TraceError

HOSTS = "name,cpus,mem,zone\nh1,8,32768,A\n"
TASKS = "id,job,cpus,mem\nt1,j,1,2048\n"


def complaint(folder: Path, hosts: str | bytes = HOSTS, tasks: str | bytes = TASKS) -> str:
    for name, text in (("hosts.csv", hosts), ("tasks.csv", tasks)):
        data = text if isinstance(text, bytes) else text.encode()
        (folder / name).write_bytes(data)
    with pytest.raises(TraceError) as caught:
        read_cluster(folder / "hosts.csv", folder / "tasks.csv")
    assert caught.value.exit_code == EXIT_BAD_INPUT
    assert caught.value.remedy, "says what to do"
    return f"{caught.value.what} {caught.value.cause}"


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ("", "tasks.csv is empty"),
        ("\n\n", "tasks.csv is empty"),
        ("id,job,cpus,mem\n", "a header and no tasks"),
        ("id,job,cpu,mem\nt,j,1,1\n", "tasks.csv:1: column cpus is missing"),
        ("id,job,cpu,mem\nt,j,1,1\n", "Did you mean cpu?"),
        ("id,job,cpus,memory\nt,j,1,1\n", "Did you mean memory?"),
        ("ID,Job,cpus,mem\nt,j,1,1\n", "columns id and job are missing"),
        ("ID,Job,cpus,mem\nt,j,1,1\n", "Did you mean ID?"),
        ("id;job;cpus;mem\nt;j;1;1\n", "tasks.csv:1: the fields are separated by semicolons"),
        ("id\tjob\tcpus\tmem\nt\tj\t1\t1\n", "tasks.csv:1: the fields are separated by tabs"),
        (f"id,job,cpus,mem\n{'x' * 200_000},j,1,1\n", "tasks.csv:2: a field has more than"),
        ("id,job,cpus,mem,mem\nt,j,1,1,1\n", "tasks.csv:1: column 5 mem is there twice"),
        ("id,job,cpus,mem,\nt,j,1,1,\n", "tasks.csv:1: column 5 has no name"),
        ("id,job,cpus,mem\nt,j,1\n", "tasks.csv:2: the line has 3 fields and the header 4"),
        ("id,job,cpus,mem\nt,j,1,1,1\n", "tasks.csv:2: the line has 5 fields"),
        ("id,job,cpus,mem\nt,j,-1,1\n", "tasks.csv:2: column 3 (cpus): '-1' is negative"),
        ("id,job,cpus,mem\nt,j,1,x\n", "tasks.csv:2: column 4 (mem): 'x' is no number"),
        ("id,job,cpus,mem\nt,j,NaN,1\n", "column 3 (cpus): 'NaN' is no number"),
        ("id,job,cpus,mem\nt,j,inf,1\n", "column 3 (cpus): 'inf' is no number"),
        ("id,job,cpus,mem\nt,j,1e30,1\n", "column 3 (cpus): '1e30' is too large"),
        ("id,job,cpus,mem\nt,j,1,99999999999999999999\n", "column 4 (mem): '999999"),
        ("id,job,cpus,mem\nt,j,,1\n", "column 3 (cpus): the field is empty"),
        ("id,job,cpus,mem\n,j,1,1\n", "column 1 (id): the field is empty"),
        ("id,job,cpus,mem\nt,,1,1\n", "column 2 (job): the field is empty"),
        ("id,job,cpus,mem\nt,j,1,1\n\nt,j,1,1\n", "tasks.csv:4: column 1 (id): 't' is there twice"),
        ("id,job,cpus,mem\nt,j,1,1\nt,j,1,1\n", "first in line 2"),
        ('id,job,cpus,mem\n"t,j,1,1\n', "this line is no CSV"),
        ('id,job,cpus,mem\n"t"x,j,1,1\n', "tasks.csv:2: this line is no CSV"),
        ("id,job,cpus,mem\nt\0,j,1,1\n", "tasks.csv:2: the line holds a zero byte"),
        (b"id,job,cpus,mem\nt\xff,j,1,1\n", "tasks.csv:2: byte 2 of the line is not UTF-8"),
        ("id,job,cpus,mem\nt,j,1,1\n".encode("utf-16"), "is not UTF-8"),
        (gzip.compress(TASKS.encode(), mtime=0)[:-9], "cannot be decompressed"),
        ("id,job,cpus,mem,arrive_s,end_s\nt,j,1,1,5,4\n", "column 6 (end_s): the task ends at 4 s"),
        ("id,job,cpus,mem,arrive_s\nt,j,1,1,-5\n", "column 5 (arrive_s): '-5' is negative"),
        ("id,job,cpus,mem,num_gpu\nt,j,1,1,1.5\n", "column 5 (num_gpu): '1.5' is not whole"),
        ("id,job,cpus,mem,gpu_milli\nt,j,1,1,1001\n", "1001 thousandths of one GPU"),
        ("id,job,cpus,mem,num_gpu,gpu_milli\nt,j,1,1,0,5\n", "of 0 GPUs"),
        ("id,job,cpus,mem,num_gpu,gpu_milli\nt,j,1,1,1,0\n", "0 thousandths of 1 GPU"),
    ],
)
def test_bad_tasks_are_refused(tmp_path: Path, tasks: str | bytes, words: str) -> None:
    assert words in complaint(tmp_path, tasks=tasks)


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        ("", "hosts.csv is empty"),
        ("name,cpus,mem,zone\n", "a header and no hosts"),
        ("name,cpus,mem\nh,1,1\n", "hosts.csv:1: column zone is missing"),
        (
            "name,cpus,mem,zone\nh,1,1,A\nh,1,1,B\n",
            "hosts.csv:3: column 1 (name): 'h' is there twice",
        ),
        ("name,cpus,mem,zone\nh,-8,1,A\n", "hosts.csv:2: column 2 (cpus): '-8' is negative"),
        ("name,cpus,mem,zone\n,8,1,A\n", "column 1 (name): the field is empty"),
        ("name,cpus,mem,zone,gpu\nh,8,1,A,x\n", "column 5 (gpu): 'x' is no number"),
    ],
)
def test_bad_hosts_are_refused(tmp_path: Path, hosts: str, words: str) -> None:
    assert words in complaint(tmp_path, hosts=hosts)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"missing\.csv cannot be read"):
        read_cluster(tmp_path / "missing.csv", tmp_path / "missing.csv")


def test_what_is_only_unusual_is_read(tmp_path: Path) -> None:
    hosts = '\ufeffname,cpus,mem,zone,rack,fpga\r\n"h,1",8.0,32768,A,"r ""1""",2\r\n\r\n'
    tasks = "id,job,cpus,mem,fpga,colour\r\nt1,j,0.1005,2048,1,red\r\n"
    (tmp_path / "hosts.csv").write_bytes(gzip.compress(hosts.encode()))
    (tmp_path / "tasks.csv").write_text(tasks, "utf-8", newline="")

    trace = read_cluster(tmp_path / "hosts.csv", tmp_path / "tasks.csv")

    [host], [task] = trace.hosts, trace.tasks
    assert host.host_id == "h,1"
    assert (host.total.cpu_milli, host.total.memory_mib) == (8_000, 32_768)
    assert host.attributes == (("rack", 'r "1"'), ("zone", "A"))
    assert host.total.scalars == (("fpga", 2_000),), "a column of both files is a resource"
    assert task.request.need.scalars == (("fpga", 1_000),)
    assert task.request.need.cpu_milli == 100, "rounded as Mesos rounds"
    assert "(colour) is not used" in trace.notes[0]


def test_fractions_of_memory_are_counted_exactly(tmp_path: Path) -> None:
    (tmp_path / "hosts.csv").write_text("name,cpus,mem,zone\nh,8,32,A\n", "utf-8")
    (tmp_path / "tasks.csv").write_text("id,job,cpus,mem\nt,j,1,0.5\n", "utf-8")

    trace = read_cluster(tmp_path / "hosts.csv", tmp_path / "tasks.csv")

    assert trace.memory_per_mib == 1_000
    assert trace.hosts[0].total.memory_mib == 64 * trace.tasks[0].request.need.memory_mib


def test_gpus_are_whole_devices_or_a_share_of_one(tmp_path: Path) -> None:
    (tmp_path / "hosts.csv").write_text(
        "name,cpus,mem,zone,gpu,gpu_model\nh,8,32,A,2,T4\n", "utf-8"
    )
    rows = ["t1,1,,", "t2,1,1000,", "t3,1,300,T4|A10", "t4,2,500,", "t5,0,0,", "t6,,,", "t7,,250,"]
    (tmp_path / "tasks.csv").write_text(
        "id,num_gpu,gpu_milli,gpu_spec,job,cpus,mem\n" + "".join(f"{row},j,1,1\n" for row in rows),
        "utf-8",
    )

    trace = read_cluster(tmp_path / "hosts.csv", tmp_path / "tasks.csv")

    assert (len(trace.hosts[0].gpus), trace.hosts[0].gpu_model) == (2, "T4")
    assert [(each.request.need.gpus, each.request.need.gpu_milli) for each in trace.tasks] == [
        (1, 0),
        (1, 0),
        (0, 300),
        (2, 0),
        (0, 0),
        (0, 0),
        (0, 250),
    ]
    assert trace.tasks[2].request.need.gpu_models == ("A10", "T4")


def test_a_long_field_is_refused_also_where_others_allow_longer_ones(tmp_path: Path) -> None:
    before = csv.field_size_limit(4 * 1024 * 1024)
    try:
        words = complaint(tmp_path, tasks=f"id,job,cpus,mem\n{'x' * 200_000},j,1,1\n")
    finally:
        csv.field_size_limit(before)
    assert "tasks.csv:2: a field has more than 131,072 characters" in words
