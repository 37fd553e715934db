"""What the drill asks of the receiver: its hosts, who runs there already, and who comes.

The one thing to know: nothing is drawn by chance. Every choice is a digest of its own name, so a
drill of the same numbers is the same drill on every computer.
"""

from hashlib import blake2b
from typing import Final

import msgspec

from projections.failover.numbers import Numbers
from scheduler.model.codec import digest_of, encode_value
from scheduler.model.ids import HostId, JobId
from scheduler.model.inbound import JobSubmitted
from scheduler.model.job import Batch, Container, JobSpec, RetryPolicy, Service
from scheduler.model.resources import Need

NEEDS: Final = ((500, 2_048), (1_000, 4_096), (1_000, 8_192), (2_000, 8_192), (4_000, 16_384))
"""Assumption: processors in thousandths and MiB of memory, each as frequent as the others."""
GROUP: Final = "streaming"
"""The capacity group of the services, in tier Critical: its services spread in mode `normal`."""
DAY_MS: Final = 86_400_000


class Application(msgspec.Struct, frozen=True):
    """One application: what its tasks need, and what they make a host fetch and bind."""

    name: str
    need: Need
    image: str
    image_mb: int
    security_groups: tuple[str, ...]
    is_new: bool
    """Whether the receiver has never run it."""


class Demand(msgspec.Struct, frozen=True):
    """All that the drill begins with."""

    hosts: tuple[HostId, ...]
    residents: tuple[JobSubmitted, ...]
    evacuated: tuple[JobSubmitted, ...]
    image_mb: dict[str, int]
    security_groups: dict[str, tuple[str, ...]]
    """By job."""
    image_of: dict[str, str]
    """By job."""


def demand_of(numbers: Numbers) -> Demand:
    """The demand that these numbers describe."""
    applications = [_application(numbers, rank) for rank in range(numbers.applications)]
    services = numbers.tasks * (100 - numbers.batch_percent) // 100
    counts = _shared_out(services, numbers.applications)
    evacuated = [
        _service(f"moved-{each.name}", each, count)
        for each, count in zip(applications, counts, strict=True)
        if count
    ]
    evacuated += _batches(applications, numbers.tasks - services)
    old = [each for each in applications if not each.is_new]
    there = _shared_out(numbers.tasks * numbers.residents_percent // 100, len(old))
    residents = [
        _service(f"resident-{each.name}", each, count)
        for each, count in zip(old, there, strict=True)
        if count
    ]
    jobs = [*residents, *evacuated]
    cpu_milli = sum(_tasks_of(job) * job.spec.container.need.cpu_milli for job in jobs)
    per_host = numbers.host_cpu_milli * numbers.full_percent // 100
    return Demand(
        hosts=tuple(HostId(f"host-{number:05}") for number in range(-(-cpu_milli // per_host))),
        residents=tuple(residents),
        # Large and small, service and batch in turn, as an evacuation meets them.
        evacuated=tuple(sorted(evacuated, key=lambda job: _draw(f"order-{job.job_id}", 1 << 30))),
        image_mb={each.image: each.image_mb for each in applications},
        security_groups={str(job.job_id): job.spec.container.security_groups for job in jobs},
        image_of={str(job.job_id): job.spec.container.full_image for job in jobs},
    )


def _application(numbers: Numbers, rank: int) -> Application:
    name = f"app-{rank:03}"
    cpu_milli, memory_mib = NEEDS[_draw(f"{name}-need", len(NEEDS))]
    span = numbers.image_mb_most - numbers.image_mb_least
    share = _draw(f"{name}-image", 1_000)
    sets = _shared_out(1_000, numbers.security_group_sets)
    place, chosen = _draw(f"{name}-groups", sum(sets)), 0
    while place >= sets[chosen]:
        place -= sets[chosen]
        chosen += 1
    return Application(
        name=name,
        need=Need(cpu_milli=cpu_milli, memory_mib=memory_mib, disk_mib=1_024, addresses=1),
        image=f"{name}:1",
        image_mb=numbers.image_mb_least + span * share * share // 1_000_000,
        security_groups=(f"sg-{chosen:08x}",),
        is_new=_draw(f"{name}-new", 100) < numbers.new_applications_percent,
    )


def _batches(applications: list[Application], tasks: int) -> list[JobSubmitted]:
    """Batch jobs of half a hundred tasks, of one application after the other."""
    jobs = []
    for number, size in enumerate(_parts(tasks, 50)):
        application = applications[number * 7 % len(applications)]
        kind = Batch(size=size, runtime_limit_ms=DAY_MS)
        jobs.append(_job(f"batch-{number:03}", application, kind, "DEFAULT"))
    return jobs


def _service(job_id: str, application: Application, count: int) -> JobSubmitted:
    kind = Service(minimum=0, desired=count, maximum=10_000)
    return _job(job_id, application, kind, GROUP)


def _job(job_id: str, application: Application, kind: Batch | Service, group: str) -> JobSubmitted:
    name, _, tag = application.image.partition(":")
    spec = JobSpec(
        owner_email="drill@example.org",
        application_name=application.name,
        container=Container(
            need=application.need,
            command=("serve",),
            image=name,
            image_tag=tag,
            security_groups=application.security_groups,
        ),
        kind=kind,
        retry=RetryPolicy(kind="immediate", retries=0),
        capacity_group=group,
    )
    return JobSubmitted(job_id=JobId(job_id), spec=spec, digest=digest_of(encode_value(spec)))


def _tasks_of(job: JobSubmitted) -> int:
    kind = job.spec.kind
    assert isinstance(kind, Batch | Service)
    return kind.size if isinstance(kind, Batch) else kind.desired


def tasks_of(jobs: tuple[JobSubmitted, ...]) -> int:
    """How many tasks these jobs want together."""
    return sum(map(_tasks_of, jobs))


def _shared_out(total: int, parts: int) -> list[int]:
    """The total in parts as large as 1/(rank + 3), the first ones larger by what is left."""
    weights = [1_000_000 // (rank + 3) for rank in range(parts)]
    counts = [total * weight // sum(weights) for weight in weights]
    for rank in range(total - sum(counts)):
        counts[rank % parts] += 1
    return counts


def _parts(total: int, size: int) -> list[int]:
    return [size] * (total // size) + ([total % size] if total % size else [])


def _draw(name: str, below: int) -> int:
    """A number that only its name decides."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") % below
