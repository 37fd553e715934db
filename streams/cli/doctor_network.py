"""The checks of `flumina doctor` that ask somebody: Kafka, the cell log, the API, Mesos.

The one thing to know: the log itself is asked before anybody who speaks about it. A leader that
ticks is a record that arrives while we look.
"""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec
from aiokafka.errors import KafkaError

from scheduler.model.codec import Undecodable
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.cli.calls import Api
from streams.cli.client import ApiConnection, ApiError
from streams.cli.common import version
from streams.cli.doctor_brokers import FoldState, broker_findings, cell_findings
from streams.cli.doctor_checks import (
    Finding,
    failed,
    failover_timeout,
    of_error,
    ok,
    skipped,
    warning,
)
from streams.cli.log_look import Identity, build_of_leader, identity_of_log, next_tick
from streams.clock import now_ms
from streams.errors import OperatorError
from streams.kafka.probe import describe
from streams.kafka.refusals import not_allowed, refused_because
from streams.kafka.topic_admin import differences_of_topics
from streams.settings import Settings

KAFKA_TIMEOUT_S: Final = 10.0
TICK_WAIT_S: Final = 4.0
"""A leader ticks every second."""
SKEW_MS_WISE: Final = 1_000
SKEW_MS_MAX: Final = 30_000
"""Times of the log would mislead everybody who compares them with other logs."""
MESOS_TIMEOUT_S: Final = 5.0


class Places(msgspec.Struct, frozen=True):
    """Where everything is, as far as anybody says."""

    settings: Settings
    kafka: str
    mesos: tuple[str, ...]
    api: str
    actor: str


def network_findings(places: Places) -> list[Finding]:
    """What Kafka, the log, the API and Mesos say."""
    identity: Identity | None = None
    found: list[Finding] = []
    if places.kafka:
        found, identity = asyncio.run(_kafka_findings(places))
    else:
        found.append(skipped("kafka", "none runs here; `flumina up` starts one"))
    found += api_findings(places)
    if identity is not None and any(each.check == "fold" for each in found):
        found += _cell_findings(places, identity)
    found += mesos_findings(places, identity)
    return found


async def _kafka_findings(places: Places) -> tuple[list[Finding], Identity | None]:
    bootstrap = places.kafka
    try:
        async with asyncio.timeout(KAFKA_TIMEOUT_S):
            cluster = await describe(bootstrap)
    except (KafkaError, OSError, TimeoutError) as error:
        refusal = not_allowed(error) or await refused_because(bootstrap)
        if refusal is not None:
            return [of_error("kafka", refusal)], None
        remedy = "Check KAFKA_BROKERS and the brokers' logs; unset it to use the embedded Kafka."
        text = f"{bootstrap} does not answer: {error or type(error).__name__}"
        return [failed("kafka", text, remedy)], None
    found = [ok("kafka", f"{bootstrap}, {len(cluster.broker_ids)} broker(s)")]
    try:
        found += await broker_findings(bootstrap, places.settings.topic_prefix)
    except (KafkaError, OSError) as error:
        found.append(skipped("copies", f"Kafka does not tell: {error or type(error).__name__}"))
    try:
        differences = await differences_of_topics(bootstrap, places.settings)
    except OperatorError as error:
        return [*found, of_error("topics", error)], None
    if differences:
        remedy = (
            "Nothing was changed. Missing ones are made by `flumina up` or `flumina cell`; correct "
            "the others with Kafka's tools, or set FLUMINA_TOPIC_PREFIX to begin with new ones."
        )
        return [*found, failed("topics", "; ".join(differences), remedy)], None
    found.append(ok("topics", "all are there, as they have to be"))
    try:
        topic, partition = f"{places.settings.topic_prefix}cell", places.settings.partition
        identity, log = await _log_findings(bootstrap, topic, partition)
    except (KafkaError, OSError, Undecodable) as error:
        text = f"cannot be read: {error}"
        return [*found, failed("cell log", text, "Run the build that wrote it.")], None
    return [*found, *log], identity


async def _log_findings(
    bootstrap: str, topic: str, partition: int
) -> tuple[Identity | None, list[Finding]]:
    identity = await identity_of_log(bootstrap, topic, partition)
    if identity is None:
        text = "is empty: no cell has begun"
        return None, [failed("cell log", text, "Start a cell: `flumina up` or `flumina cell`.")]
    found = [ok("cell log", f"cell {identity.cell}, generation {identity.generation}")]
    newest = await next_tick(bootstrap, topic, TICK_WAIT_S, partition)
    if newest is None:
        found.append(
            failed(
                "leader",
                f"no tick of a leader within {TICK_WAIT_S:g} s",
                "Start a cell's process, or read the log of the one that runs: it says what it "
                "waits for. docs/runbooks/leader-silent.md",
            )
        )
        return identity, [*found, skipped("clocks", "no tick to compare with")]
    found.append(ok("leader", f"ticks, in epoch {newest.record.epoch}, at offset {newest.offset}"))
    return identity, [*found, skew(newest.arrived_at_ms - newest.record.at_ms)]


def _cell_findings(places: Places, identity: Identity) -> list[Finding]:
    """What the API says of the cell, held against Kafka and against this build."""
    connection = ApiConnection(places.api, places.actor, patience_s=0)
    try:
        state = msgspec.json.decode(Api(connection).state(), type=FoldState)
        return asyncio.run(_compared(places, state))
    except (ApiError, KafkaError, OSError, TimeoutError, *BAD_BYTES) as error:
        why = f"cell {identity.cell} cannot be compared with Kafka: {error or type(error).__name__}"
        return [skipped("inbound", why)]
    finally:
        connection.close()


async def _compared(places: Places, state: FoldState) -> list[Finding]:
    settings = places.settings
    topic, partition = f"{settings.topic_prefix}cell", settings.partition
    async with asyncio.timeout(KAFKA_TIMEOUT_S):
        build = ""
        if state.epoch >= 0:
            build = await build_of_leader(places.kafka, topic, state.epoch, partition)
        return await cell_findings(
            places.kafka, settings.topic_prefix, partition, state, (version(), build)
        )


def skew(milliseconds: int, check: str = "clocks", whose: str = "the log") -> Finding:
    """Whether this computer's clock agrees with the leader's, by which the log is stamped."""
    text = f"this computer and {whose} differ by {milliseconds} ms"
    if abs(milliseconds) > SKEW_MS_MAX:
        return failed(check, text, "Let both computers follow the same time server (NTP).")
    if abs(milliseconds) > SKEW_MS_WISE:
        return warning(check, text, "Let both computers follow the same time server (NTP).")
    return ok(check, text)


def clock_of_answer(date: str | None, asked_at_ms: int, answered_at_ms: int) -> Finding:
    """Whether the clock of who answered with this ``Date`` agrees with ours.

    Such a date has whole seconds (RFC 9110, 5.6.7), so the clock stood within the second that it
    begins, somewhere between our question and the answer: the least difference that fits is told.
    """
    check, whose = "master's clock", "the master"
    try:
        begins_ms = round(parsedate_to_datetime(date or "").timestamp() * 1000)
    except ValueError:
        return skipped(check, "its answers have no date")
    least, most = begins_ms - answered_at_ms, begins_ms + 999 - asked_at_ms
    return skew(least if least > 0 else min(most, 0), check, whose)


def api_findings(places: Places) -> Iterator[Finding]:
    """Whether the API answers, and whether its fold goes on."""
    if not places.api:
        yield skipped("api", "none runs here; `flumina up` starts one, FLUMINA_API names one")
        return
    connection = ApiConnection(places.api, places.actor, patience_s=0)
    try:
        standing = Api(connection).standing()
    except ApiError as error:
        yield of_error("api", error)
        return
    finally:
        connection.close()
    yield ok("api", f"{places.api}, cell {standing.cell}")
    if standing.safe:
        yield failed(
            "safe",
            standing.safe,
            "See `flumina safe status`; confirm or reject it: docs/runbooks/cell-safe.md.",
        )
    else:
        yield ok("safe", "the cell trusts what it hears")
    if standing.halt:
        remedy = "Follow the way on that it names; step by step: docs/runbooks/fold-halted.md."
        yield failed("fold", standing.halt, remedy)
    elif standing.stale:
        yield warning("fold", standing.stale, "Look again in a moment; then read the API's log.")
    else:
        yield ok("fold", f"goes on, at offset {standing.offset}, {standing.lag_records} behind")


def mesos_findings(places: Places, identity: Identity | None) -> Iterator[Finding]:
    """Whether a master leads, has hosts, and would keep our tasks while nobody of us is there."""
    if not places.mesos:
        yield skipped("mesos", "none runs here; `flumina up` starts a dev cluster")
        return
    master, why = _first_master(places.mesos)
    if master is None:
        yield failed(
            "mesos", why, "Check MESOS_MASTER, and that a master leads (it answers on /version)."
        )
        return
    try:
        yield from _findings_of_master(master, identity)
    except (OSError, ValueError) as error:
        yield failed("mesos", f"{master} stopped answering: {error}", "Look at its log.")


def _findings_of_master(master: str, identity: Identity | None) -> Iterator[Finding]:
    asked_at_ms = now_ms()
    with _opened(master, "/version") as answer:
        version, date = json.load(answer).get("version", "unknown"), answer.headers["Date"]
    answered_at_ms = now_ms()
    took_ms = answered_at_ms - asked_at_ms
    yield ok("mesos", f"{master}, version {version}, answers in {took_ms} ms")
    yield clock_of_answer(date, asked_at_ms, answered_at_ms)
    hosts = [each for each in _asked(master, "/slaves").get("slaves", []) if each.get("active")]
    if hosts:
        yield ok("hosts", f"{len(hosts)} agent(s) of Mesos are connected")
    else:
        yield warning(
            "hosts", "no agent of Mesos is connected", "Start agents; tasks wait so long."
        )
    yield _framework(master, identity)


def _framework(master: str, identity: Identity | None) -> Finding:
    check = "framework"
    if identity is None:
        return skipped(check, "there is no cell yet")
    found = _asked(master, "/frameworks").get("frameworks", [])
    own = next((each for each in found if each.get("id") == identity.framework_id), None)
    if own is None:
        return failed(
            check,
            f"Mesos does not know {identity.framework_id}",
            "The cell has not subscribed: read the log of its process.",
        )
    told = failover_timeout(check, float(own.get("failover_timeout", 0)))
    if told.status != "ok":
        return told
    if not own.get("connected", own.get("active", False)):
        return warning(
            check, "is registered and not connected", "Read the log of the cell's process."
        )
    return ok(check, f"{identity.framework_id} is connected, failover_timeout {told.text}")


def _first_master(masters: Sequence[str]) -> tuple[str | None, str]:
    """The first master that answers, or why none does."""
    faults = []
    for master in masters:
        try:
            _asked(master, "/version")
        except (OSError, ValueError) as error:
            faults.append(f"{master} does not answer: {error}")
        else:
            return master, ""
    return None, "; ".join(faults)


def _asked(master: str, path: str) -> dict[str, Any]:
    with _opened(master, path) as answer:
        found = json.load(answer)
    return found if isinstance(found, dict) else {}


def _opened(master: str, path: str) -> Any:  # noqa: ANN401 - as urllib has it
    return urllib.request.urlopen(f"http://{master}{path}", timeout=MESOS_TIMEOUT_S)
