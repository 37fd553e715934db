"""Records of topic ``metrics`` as samples of hosts; what is about tasks or unreadable is none."""

import msgspec

from connectors.mesos.usage import HostUsage, TaskUsage
from streams.health.host_samples import host_sample


def test_a_host_is_read_with_what_it_told() -> None:
    usage = HostUsage(
        version=1,
        at_ms=5,
        cell="main",
        host_id="h1",
        host="one",
        load_1min_milli=1_000,
        cpus_milli=4_000,
        memory_total_bytes=1_000,
        memory_free_bytes=250,
        noise_milli=120,
    )
    found = host_sample(msgspec.json.encode(usage), "metrics:0:9")
    assert found is not None
    assert found.metrics == {"load": 0.25, "memory": 0.75, "noise": 0.12}
    assert (found.host_id, found.group, found.at_ms) == ("h1", "main, 4 cpus", 5)
    assert found.source == "metrics:0:9"


def test_what_was_not_told_is_not_0() -> None:
    usage = HostUsage(version=1, at_ms=5, cell="main", host_id="h1", host="one", cpus_milli=0)
    found = host_sample(msgspec.json.encode(usage), "")
    assert found is not None
    assert found.metrics == {}


def test_tasks_and_bytes_that_nobody_can_read_are_no_hosts() -> None:
    task = TaskUsage(
        version=1, at_ms=1, cell="main", job_id="j", task_id="t", host_id="h", host="h"
    )
    assert host_sample(msgspec.json.encode(task), "") is None
    assert host_sample(b"{", "") is None
    assert host_sample(b'{"type":"Newer"}', "") is None
