"""``flumina dev-cluster``: start a development cluster, and hurt and mend its parts by name.

The one thing to know: the command without a verb runs in the foreground and owns the cluster; with
Ctrl-C everything ends. The verbs speak to it from another terminal, by ``--port``.
"""

import json
import os
import secrets
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from connectors.devcluster.agent.isolation import IsolationError, probe, wanted_of
from connectors.devcluster.master.leadership import leader_of
from connectors.devcluster.node import (
    AGENT_PROCESSES_MAX,
    ClusterConfig,
    ConfigError,
    loopback_error,
)
from connectors.devcluster.resources import ResourceError, parse_attributes, parse_resources
from connectors.devcluster.simulated.fleet import SIMULATED_AGENTS_MAX
from connectors.devcluster.simulated.model import ModelError, Weather, weather_of
from connectors.devcluster.supervise import consequences, operating, supervisor
from connectors.devcluster.supervise.control import default_data_dir
from connectors.objects.opening import open_store
from scheduler.placement.interfaces import declared_interfaces
from streams.cli import dev_cluster_cloud, dev_cluster_faults, dev_cluster_operate
from streams.cli.dev_cluster_common import (
    DirOption,
    JsonOption,
    NodeArgument,
    PortOption,
    StoreOption,
    TaskLogOption,
    UnsafeOption,
    asked,
    fail,
    out,
    parse_duration,
    say,
)
from streams.setting_rows.keeping import TASK_LOG_FILE_MIB

app = typer.Typer(
    help="A Mesos-compatible master and agents that really run tasks, for development.",
    invoke_without_command=True,
    no_args_is_help=False,
)

_MASTERS_MAX = 5
CpuSetsOption = Annotated[
    bool, typer.Option("--cpu-sets", help="Agents divide the computer's threads among tasks.")
]
ElasticOption = Annotated[
    bool,
    typer.Option(
        "--elastic",
        help="Agents come and go with a cloud's instances ('dev-cluster cloud'), or by 'start'; "
        "--agents may be 0.",
    ),
]


@app.callback()
def run(
    context: typer.Context,
    *,
    port: PortOption = 5050,
    agents: Annotated[int, typer.Option(help="How many agents.")] = 2,
    masters: Annotated[int, typer.Option(help="How many masters; one leads.")] = 1,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    data_dir: DirOption = None,
    resources: Annotated[
        str, typer.Option(help="Resources of each agent; of simulated ones several sorts with |.")
    ] = "cpus:4;mem:8192;disk:10000;ports:[31000-31999]",
    attributes: Annotated[
        str, typer.Option(help="Attributes of each agent; {n} is its number.")
    ] = "zone:z{n}",
    ping_timeout: Annotated[str, typer.Option(help="How long a ping may take.")] = "15s",
    max_ping_timeouts: Annotated[
        int, typer.Option(help="So many missed pings in a row lose an agent.")
    ] = 5,
    reregister_timeout: Annotated[
        str, typer.Option(help="How long a new master waits for agents of the registry.")
    ] = "10mins",
    simulate: Annotated[
        int, typer.Option(help="So many modelled agents instead, all in the master's process.")
    ] = 0,
    tasks_model: Annotated[
        Path | None,
        typer.Option(help="TOML or JSON file: how long simulated tasks take, and what fails."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the model's chances; the same seed, the same day.")
    ] = None,
    isolation: Annotated[
        str, typer.Option(help="What tasks are confined by: auto, none, or words with commas.")
    ] = "auto",
    cpu_sets: CpuSetsOption = False,
    store: StoreOption = None,
    task_log_mib: TaskLogOption = TASK_LOG_FILE_MIB,
    elastic: ElasticOption = False,
    unsafe_listen: UnsafeOption = False,
) -> None:
    """Run masters and agents in the foreground until Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    weather = _weather(simulate, tasks_model, seed, masters)
    config = ClusterConfig(
        data_dir=str((data_dir or default_data_dir(port)).resolve()),
        token=secrets.token_hex(16),
        host=host,
        port=port,
        agents=agents if weather is None else 0,
        masters=masters,
        resources=resources,
        attributes=attributes,
        ping_timeout_seconds=parse_duration(ping_timeout),
        missed_pings_max=max_ping_timeouts,
        reregister_timeout_seconds=parse_duration(reregister_timeout),
        simulate=simulate,
        tasks_model=weather.path if weather else "",
        seed=weather.seed if weather else None,
        isolation=isolation,
        cpu_sets=cpu_sets,
        store_url=_store_url(store) if weather is None else "",
        task_log_mib=task_log_mib,
    )
    _refuse_nonsense(config, is_unsafe_welcome=unsafe_listen, agents_least=0 if elastic else 1)
    try:
        supervisor.Supervisor(config).run(lambda: _announce(config, weather))
    except ConfigError as error:
        fail(str(error))


def _store_url(text: str | None) -> str:
    """The store's URL, if there is one; a sentence ends the command where it is none."""
    if not text:
        return ""
    url = text if "://" in text else Path(text).absolute().as_uri()
    try:
        return open_store(url).url
    except ValueError as error:
        fail(str(error))


def _refuse_nonsense(config: ClusterConfig, *, is_unsafe_welcome: bool, agents_least: int) -> None:
    """End the command with a sentence if the cluster cannot be as it was asked for."""
    if not config.simulate and not agents_least <= config.agents <= AGENT_PROCESSES_MAX:
        span = f"{agents_least} to {AGENT_PROCESSES_MAX}"
        fail(f"--agents {config.agents} is out of range; {span} are possible")
    if not 1 <= config.masters <= _MASTERS_MAX:
        fail(f"--masters {config.masters} is out of range; 1 to {_MASTERS_MAX} are possible")
    if config.cpu_sets and config.simulate:
        fail("--cpu-sets is for agents that run tasks; with --simulate there are none")
    if config.missed_pings_max < 1:
        fail("--max-ping-timeouts is out of range; at least 1 is needed")
    if not 1 <= config.port <= 65536 - config.masters - config.agents:
        fail(
            f"--port {config.port} leaves no ports for {config.agents} agents, which use the "
            "next ones"
        )
    problem = loopback_error(config.host)
    if problem and not is_unsafe_welcome:
        fail(problem)
    try:
        for sort in config.resources.split("|") if config.simulate else [config.resources]:
            parse_resources(sort.strip())
        parse_attributes(config.attributes)
        wanted_of(config.isolation)
        _refuse_unreadable_interfaces(config)
    except (ResourceError, IsolationError) as error:
        fail(str(error))


def _refuse_unreadable_interfaces(config: ClusterConfig) -> None:
    """End the command where a cell could not read what hosts would declare of their interfaces."""
    attributes = parse_attributes(config.attributes)
    texts = [(each["name"], each["text"]["value"]) for each in attributes if "text" in each]
    for fault in declared_interfaces(texts).faults:
        fail(f"--attributes: {fault}")


def _weather(
    simulate: int, tasks_model: Path | None, seed: int | None, masters: int
) -> Weather | None:
    """The model and the seed of a simulated cluster; None for one whose agents are processes."""
    if simulate == 0:
        if tasks_model is not None or seed is not None:
            fail("--tasks-model and --seed are for simulated agents; add --simulate N")
        return None
    if not 1 <= simulate <= SIMULATED_AGENTS_MAX:
        fail(f"--simulate {simulate} is out of range; 1 to {SIMULATED_AGENTS_MAX} are possible")
    if masters != 1:
        fail("simulated agents live in their master's process, so there can be only one --masters")
    try:
        return weather_of(None if tasks_model is None else tasks_model.resolve(), seed)
    except ModelError as error:
        fail(str(error))


def _announce(config: ClusterConfig, weather: Weather | None) -> None:
    if weather is not None:
        out.print(
            f"dev cluster ready: master {config.master_url}, {config.simulate} simulated agents, "
            f"state in {config.data_dir} (Ctrl-C ends it)\n{weather.title}",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )
        return
    standing_by = f"{config.masters - 1} standing by, " if config.masters > 1 else ""
    out.print(
        f"dev cluster ready: master {config.master_url}, {standing_by}{config.agents} agents, "
        f"state in {config.data_dir} (Ctrl-C ends it)",
        highlight=False,
        soft_wrap=True,
    )
    if missing := _not_enforced(config.isolation):
        out.print(
            f"asked for and not enforced on this computer: {', '.join(missing)}; 'flumina doctor' "
            "says why",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )


def _not_enforced(isolation: str) -> list[str]:
    """What was asked for and this computer does not do, or only by a watchdog."""
    found = probe(f"flumina-look-{os.getpid()}-", isolation)
    missing = []
    for row in found.rows():
        if row.kind in found.wanted.words and not row.by:
            missing.append(row.kind)
        elif (row.kind, row.by) == ("memory", "watchdog"):
            missing.append("memory (a watchdog looks)")
    return missing


@app.command()
def status(
    port: PortOption = 5050, data_dir: DirOption = None, as_json: JsonOption = False
) -> None:
    """Show which parts run, which master leads, and what is paused, cut off or drained.

    Example: flumina dev-cluster status --json
    """
    answer = asked("status", port, data_dir)
    config = ClusterConfig.read(Path(answer["data_dir"]))
    known = operating.agents_of(config)
    if config.simulate:
        answer["simulated"] = _simulated(config.simulate, known)
    for node in answer["nodes"]:
        if node["node"].startswith("agent"):
            there = next((a for a in known or [] if a["port"] == node["port"]), None)
            node["active"] = None if known is None else bool(there and there["active"])
            node["drain"] = _drain_of(there or {})
    if as_json:
        print(json.dumps(answer))
        return
    table = Table("node", "state", "pid", "port")
    for node in answer["nodes"]:
        table.add_row(node["node"], _state_of(node), str(node["pid"] or ""), str(node["port"]))
    out.print(table)
    if config.simulate:
        told = ", ".join(f"{count} {word}" for word, count in answer["simulated"].items())
        out.print(f"simulated: {told}", highlight=False, soft_wrap=True)
    for cut in answer["cuts"]:
        left = cut["heals_in_seconds"]
        until = "until it is healed" if left is None else f"for {left:.1f} s more"
        out.print(f"cut: {cut['to']} hears nothing from {cut['from']}, {until}", soft_wrap=True)


def _simulated(agents: int, known: list[dict[str, Any]] | None) -> dict[str, int]:
    """How many simulated agents there are, and how they stand if the master tells it."""
    counts = {"agents": agents}
    if known is not None:
        counts["active"] = sum(bool(agent["active"]) for agent in known)
        for state in ("DRAINING", "DRAINED"):
            counts[state.lower()] = sum(_drain_of(agent) == state for agent in known)
    return counts


def _drain_of(agent: dict[str, Any]) -> str | None:
    """DRAINING or DRAINED, as the master lists it."""
    return (agent.get("drain_info") or {}).get("state")


def _state_of(node: dict[str, Any]) -> str:
    if not node["pid"]:
        code = node["last_exit"]
        return "is not running" if code is None else f"is not running (ended with {code})"
    words = ["paused" if node["paused"] else "runs"]
    if node["node"].startswith("master"):
        words.append("leads" if node["leads"] else "stands by")
    elif node["drain"]:
        words.append(node["drain"])
    elif node["active"] is False:
        # Not registered, or deactivated by an operator.
        words.append("not active")
    return ", ".join(words)


@app.command()
def kill(
    node: NodeArgument,
    *,
    host: Annotated[
        bool,
        typer.Option("--host", help="End its executors and tasks too, as a host's death does."),
    ] = False,
    port: PortOption = 5050,
    data_dir: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a master or an agent with kill -9; without --host the tasks of an agent live on.

    Example: flumina dev-cluster kill agent1 --host
    """
    answer = asked("kill", port, data_dir, node, host=host)
    config = ClusterConfig.read(Path(answer["data_dir"]))
    name, ended = answer["node"], answer.get("ended")
    what = f"{name} is dead" if ended is None else f"the host of {name} is dead"
    say(answer, what, consequences.of_kill(config, name, ended), as_json=as_json)


@app.command()
def start(
    node: NodeArgument,
    port: PortOption = 5050,
    data_dir: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a master or an agent, also the next new one, and wait until it is there.

    Example: flumina dev-cluster start agent3
    """
    since = time.time()
    answer = asked("start", port, data_dir, node)
    config = ClusterConfig.read(Path(answer["data_dir"]))
    name = answer["node"]
    deadline = time.monotonic() + supervisor.READY_SECONDS
    if name.startswith("agent") and operating.was_marked_gone(config, name):
        fail(
            f"{name} runs now, but the master does not take it: it was marked gone for good. Kill "
            f"it and remove {config.root / name} to start it as a new agent"
        )
    while not operating.is_back(config, name, since):
        if time.monotonic() > deadline:
            fail(f"{name} was started but is not back; see {config.root / (name + '.log')}")
        time.sleep(0.05)
    leader = leader_of(config)
    follows = consequences.of_start(config, name, leader.node if leader else None)
    say(answer, f"{name} is back", follows, as_json=as_json)


@app.command()
def pause(
    node: NodeArgument,
    port: PortOption = 5050,
    data_dir: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop a master or an agent with SIGSTOP.

    Example: flumina dev-cluster pause agent1
    """
    answer = asked("pause", port, data_dir, node)
    config = ClusterConfig.read(Path(answer["data_dir"]))
    follows = consequences.of_pause(config, answer["node"])
    say(answer, f"{answer['node']} is paused", follows, as_json=as_json)


@app.command()
def resume(
    node: NodeArgument,
    port: PortOption = 5050,
    data_dir: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a paused master or agent go on.

    Example: flumina dev-cluster resume agent1
    """
    answer = asked("resume", port, data_dir, node)
    follows = consequences.of_resume(answer["node"])
    say(answer, f"{answer['node']} goes on", follows, as_json=as_json)


_PART = "master (all), masterN, agentN, or scheduler (all frameworks)"
PartArgument = Annotated[str, typer.Argument(help=_PART)]
OtherPartArgument = Annotated[str | None, typer.Argument(help=_PART)]


@app.command()
def partition(
    a: PartArgument,
    b: PartArgument,
    *,
    for_: Annotated[
        str | None, typer.Option("--for", help="Heal it by itself after this time: 30s.")
    ] = None,
    one_way: Annotated[
        bool, typer.Option("--one-way", help="Only what A sends to B is lost.")
    ] = False,
    port: PortOption = 5050,
    data_dir: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cut the network between two parts: connections stay open and carry nothing.

    Example: flumina dev-cluster partition master agent1 --for 30s
    """
    seconds = None if for_ is None else parse_duration(for_)
    answer = asked("partition", port, data_dir, a=a, b=b, seconds=seconds, one_way=one_way)
    config = ClusterConfig.read(Path(answer["data_dir"]))
    what = f"{b} hears nothing from {a}" if one_way else f"{a} and {b} are cut off from each other"
    if seconds is not None:
        what += f" for {consequences.seconds_text(seconds)}"
    follows = consequences.of_partition(config, answer["cuts_made"])
    say(answer, what, follows + _unheard(answer), as_json=as_json)


@app.command()
def heal(
    a: OtherPartArgument = None,
    b: OtherPartArgument = None,
    *,
    port: PortOption = 5050,
    data_dir: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """End the cut between two parts, or every cut.

    Example: flumina dev-cluster heal
    """
    if (a is None) != (b is None):
        fail("heal takes two names, or none for every cut: flumina dev-cluster heal master agent1")
    answer = asked("heal", port, data_dir, a=a, b=b)
    if not answer["cuts_healed"]:
        say(answer, "nothing is cut off", "", as_json=as_json)
        return
    what = "every cut is healed" if a is None else f"{a} and {b} hear each other again"
    say(answer, what, consequences.of_heal() + _unheard(answer), as_json=as_json)


def _unheard(answer: dict[str, Any]) -> str:
    late = ", ".join(answer["unheard_by"])
    return f" In force at {late} when it goes on: it does not run now." if late else ""


@app.command()
def stop(port: PortOption = 5050, data_dir: DirOption = None, as_json: JsonOption = False) -> None:
    """End the whole cluster and every task.

    Example: flumina dev-cluster stop --port 5050
    """
    answer = asked("stop", port, data_dir)
    say(answer, "the cluster has ended", "", as_json=as_json)


dev_cluster_operate.register(app)
dev_cluster_faults.register(app)
dev_cluster_cloud.register(app)

if __name__ == "__main__":
    app()
