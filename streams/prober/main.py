"""The prober process: rounds of checks of hosts, told to topic ``verdicts`` until a signal.

The one thing to know: it decides nothing, and may be killed at any time; what was told last holds
for a while and then no more. On a real host it looks at that host; beside a dev cluster one
process looks at all agents, and honours the faults that are injected there.
"""

import asyncio
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from connectors.access.asking import got
from connectors.healing.faults import broken
from connectors.mesos.usage import Host, hosts_of
from scheduler.model.codec import encode_verdict
from scheduler.model.health import HostProbed, Probe, VerdictBody
from scheduler.model.ids import HostId
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.access.opening import credentials_of
from streams.cell.writer import our_producer
from streams.clock import elapsed_s, now_ms
from streams.errors import OperatorError
from streams.kafka.generations import ensure_generations
from streams.kafka.topic_admin import ensure_topics
from streams.prober.checks import agent_check, container_check, disk_check, system_check
from streams.prober.doubt import doubted
from streams.prober.failing import Failing
from streams.prober.news import News
from streams.prober.pulling import Pulling
from streams.prober.silence import Silence, running_without_container
from streams.probes import Probes
from streams.settings import Settings
from streams.stopping import stop_event

if TYPE_CHECKING:
    from connectors.healing.instances import InstanceChecks

logger = structlog.get_logger(__name__)

INTERVAL_S: Final = 5.0
AT_ONCE_MAX: Final = 32
ANSWER_S_MAX: Final = 5.0
INSTANCE_ATTRIBUTE: Final = "instance-id"
HEALTH: Final = "/api/flumina/health"
ANSWER_BYTES_MAX: Final = 64 << 20


class ProberOptions(msgspec.Struct, frozen=True):
    """Which hosts are looked at, and how."""

    dev_cluster: Path | None = None
    """The directory of a dev cluster, all agents of which are on this computer."""
    host: str = ""
    """The name of the only host to look at, this one; empty: all, as far as they answer."""
    work_dir: Path | None = None
    """Where that host's agent keeps its things."""
    container_command: tuple[str, ...] = ()
    """What starts a container that does nothing; empty: a process that does nothing."""
    image_command: tuple[str, ...] = ()
    """What pulls an image; empty: nobody looks whether that is possible."""
    interval_s: float = INTERVAL_S


async def probe_hosts(
    settings: Settings, options: ProberOptions, probes: Probes | None = None
) -> None:
    """Look and tell until SIGTERM or SIGINT; raises `OperatorError` where it cannot begin."""
    if settings.kafka_brokers is None or settings.mesos_masters is None:
        raise OperatorError(
            "The prober needs a Kafka and a Mesos.",
            "KAFKA_BROKERS or MESOS_MASTER is not set; `flumina up` starts both and sets them.",
            "Set them to host:port, or use `flumina up`.",
        )
    await ensure_topics(settings.kafka_brokers, settings)
    await ensure_generations(settings.kafka_brokers, settings.topic_prefix, settings.cells)
    stop = stop_event()
    producer = our_producer(settings.kafka_brokers, "flumina-prober")
    await producer.start()
    http = aiohttp.ClientSession()
    prober = Prober(settings, options, producer, http)
    try:
        probes = probes or Probes()
        probes.why_not_ready = lambda: prober.trouble
        probes.begun(f"ready {settings.topic_prefix}verdicts")
        while not stop.is_set():
            began_s = elapsed_s()
            await prober.round()
            left_s = max(0.1, began_s + options.interval_s - elapsed_s())
            try:
                await asyncio.wait_for(stop.wait(), timeout=left_s)
            except TimeoutError:
                continue
    finally:
        await prober.close()
        await http.close()
        await producer.stop()


class Prober:
    """What is known between two rounds; `round` looks at every host once."""

    def __init__(
        self,
        settings: Settings,
        options: ProberOptions,
        producer: AIOKafkaProducer,
        http: aiohttp.ClientSession,
    ) -> None:
        self._settings = settings
        self._options = options
        self._producer = producer
        self._http = http
        self._news = News()
        self._failing = Failing()
        self._silence = Silence()
        self._gate = asyncio.Semaphore(AT_ONCE_MAX)
        self._told = ""
        self._is_doubtful = False
        self.trouble = ""
        """Why no host is looked at now; empty where they are."""
        self._attributes: dict[str, dict[str, str]] = {}
        self._checks: InstanceChecks | None = None
        home = options.work_dir or options.dev_cluster
        self._pulling = (
            Pulling(options.image_command, home) if options.image_command and home else None
        )

    async def close(self) -> None:
        """End what goes on beside the rounds."""
        if self._pulling is not None:
            await self._pulling.close()

    async def round(self) -> None:
        """Look at every host, and tell what is worth it."""
        hosts = await self._hosts()
        waited_for = await asyncio.to_thread(_waited_for, self._settings)
        host_ids = [each.host_id for each in hosts]
        self._news.forget_others(host_ids)
        self._failing.forget_others(host_ids)
        seen = await asyncio.gather(*(self._looked(each) for each in hosts))
        looked, doubtful = doubted(seen)
        self._note_doubt(doubtful, len(hosts))
        of_cloud = await self._instances(hosts)
        image = self._pulling.look(elapsed_s()) if self._pulling is not None else None
        of_computer = () if image is None else (image,)
        for host, probes in zip(hosts, looked, strict=True):
            here = of_computer if self._home(host) is not None else ()
            all_of_it = [*probes, *here, *of_cloud.get(host.host_id, ())]
            whole = _injected(all_of_it, self._home(host))
            self._failing.note(host.host_id, host.name, whole)
            if self._news.is_news(host.host_id, whole, elapsed_s(), waited_for):
                await self._tell(HostProbed(HostId(host.host_id), tuple(whole), now_ms()), host)

    def _note_doubt(self, agents: int, hosts: int) -> None:
        if bool(agents) != self._is_doubtful:
            self._is_doubtful = bool(agents)
            if agents:
                logger.warning(
                    "most agents do not answer; it is taken for the way to them",
                    agents=agents,
                    hosts=hosts,
                )
            else:
                logger.info("most agents answer again")

    async def _hosts(self) -> list[Host]:
        found = await self._from_masters("/slaves")
        slaves = found.get("slaves", []) if isinstance(found, dict) else []
        self._attributes = {
            str(each.get("id", "")): {k: str(v) for k, v in (each.get("attributes") or {}).items()}
            for each in slaves
        }
        hosts = hosts_of(found) if isinstance(found, dict) else []
        return [each for each in hosts if self._options.host in {"", each.name}]

    async def _looked(self, host: Host) -> list[Probe]:
        async with self._gate:
            probes = list(await agent_check(self._http, host.url))
            await self._heartbeats(host)
            home = self._home(host)
            if home is not None:
                probes += [disk_check(home), system_check(home)]
                probes.append(await container_check(self._command(), home))
            return probes

    def _command(self) -> Sequence[str]:
        return self._options.container_command or (shutil.which("true") or "/bin/true",)

    def _home(self, host: Host) -> Path | None:
        """The directory of the host's agent, where this process can see it."""
        options = self._options
        if options.dev_cluster is not None:
            home = options.dev_cluster / Path(host.name).name
            return home if home.is_dir() else None
        return options.work_dir if options.host else None

    async def _heartbeats(self, host: Host) -> None:
        containers = await self._get(f"{host.url}/containers")
        state = await self._get(f"{host.url}/state")
        if not isinstance(containers, list) or not isinstance(state, dict):
            return  # The agent does not answer, which is told as such.
        missing = running_without_container(state, containers)
        round_ms = int(self._options.interval_s * 1_000)
        for each in self._silence.news(host.host_id, missing, now_ms(), round_ms):
            await self._tell(each, host)

    async def _instances(self, hosts: Iterable[Host]) -> dict[str, tuple[Probe, ...]]:
        """By host: what the cloud says of its instance."""
        if self._settings.cloud != "aws":
            return {}
        named = {
            self._attributes.get(each.host_id, {}).get(INSTANCE_ATTRIBUTE, ""): each.host_id
            for each in hosts
        }
        named.pop("", None)
        if not named:
            return {}
        # boto3 is some 40 MiB: only who uses AWS pays for it.
        from connectors.healing.instances import InstanceChecks  # noqa: PLC0415

        if self._checks is None:
            self._checks = InstanceChecks()
        found = await self._checks.probes(sorted(named), now_ms())
        return {named[name]: probes for name, probes in found.items()}

    async def _tell(self, body: VerdictBody, host: Host) -> None:
        value, topic = encode_verdict(body), self._settings.topic_prefix + "verdicts"
        try:
            # Every cell may have offers of the host.
            for partition in range(self._settings.cells):
                await self._producer.send_and_wait(
                    topic, value, key=host.host_id.encode(), partition=partition
                )
        except (KafkaError, TimeoutError) as error:
            logger.warning("a round of checks was not written", host=host.name, why=repr(error))

    async def _from_masters(self, path: str) -> object:
        for master in self._settings.mesos_masters or ():
            found = await self._get(f"http://{master}{path}", follow=True)
            if found is not None:
                self.trouble = ""
                return found
        self.trouble = "no Mesos master answers"
        if self._told != path:
            self._told = path
            logger.warning("no Mesos master answers; no host is looked at")
        return None

    async def _get(self, url: str, *, follow: bool = False) -> object:
        """The JSON at the address; None where there is none."""
        try:
            async with (
                asyncio.timeout(ANSWER_S_MAX),
                self._http.get(url, allow_redirects=follow) as answer,
            ):
                if answer.status != 200:
                    return None
                found: object = msgspec.json.decode(await answer.read())
        except (TimeoutError, aiohttp.ClientError, OSError, *BAD_BYTES):
            return None
        return found


def _injected(probes: Sequence[Probe], home: Path | None) -> list[Probe]:
    """The checks, those that shall fail in a dev cluster failed."""
    faults = broken(home) if home is not None else {}
    found = [each for each in probes if each.name not in faults]
    return found + [
        Probe(name, "bad", text or "a fault was injected") for name, text in faults.items()
    ]


def _waited_for(settings: Settings) -> set[str]:
    """Hosts that are away for their health or on trial: of these every round is told."""
    api = settings.api_url
    if api is None:
        return set()
    try:
        url, shown = f"{api.rstrip('/')}{HEALTH}", credentials_of(settings)
        found: Any = json.loads(got(url, shown, ANSWER_S_MAX, ANSWER_BYTES_MAX))
        return {each["hostId"] for each in found["hosts"] if each["standing"] == "away"}
    except (OSError, ValueError, KeyError, TypeError):
        return set()  # What is bad, and what gets better, is told all the same.
