"""`flumina up`: everything on this computer, kept running until Ctrl-C.

The one thing to know: `up` is for one computer. Elsewhere `flumina cell` and `flumina api` are run
by whatever keeps services running there, with a Kafka and a Mesos named by the environment.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
import typer

from connectors.cloud.loopback.account import USUAL, groups_of
from streams.cli.common import (
    DataDirOption,
    PolicyOption,
    data_dir_of,
    policy_numbers,
    settings_here,
)
from streams.cli.dev_cluster_cloud import has_moto
from streams.cli.interrupts import interruptible
from streams.cli.quiet import speak_by_errors
from streams.cli.render import errors, out, plain
from streams.errors import OperatorError
from streams.setting_rows.cells import default_cell_names
from streams.settings import Settings
from streams.supervise.loopback import LoopbackCloud
from streams.supervise.ports import free_block
from streams.supervise.up import Up, UpOptions

CHANGES_POLL_S: Final = 0.5
CELLS_HERE_MAX: Final = 8
"""Each has an api and a history of its own, and this is one computer."""


CellsOption = Annotated[
    int | None,
    typer.Option("--cells", min=1, max=CELLS_HERE_MAX, help="Cells; default FLUMINA_CELLS, 1."),
]
CellProcessesOption = Annotated[
    int | None,
    typer.Option(
        min=1, max=9, help="Workers that lead the cells, or stand by to; default one for each cell."
    ),
]
AgentsOption = Annotated[
    int | None,
    typer.Option(min=0, max=64, help="Agents of the dev cluster; default 2, and with --fleet 0."),
]
FleetOption = Annotated[
    bool,
    typer.Option(
        "--fleet", help="Groups of EC2 on loopback (moto), whose instances are agents here."
    ),
]
FleetGroupOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME:TYPE:MIN:MAX",
        help=f"A group, with --fleet; may be repeated. Default {USUAL.text}.",
    ),
]
BrokersOption = Annotated[
    int,
    typer.Option(
        metavar="1|3", help="Kafka brokers; three keep each record on three, and two must have it."
    ),
]


def checked_brokers(settings: Settings, wanted: int) -> Literal[1, 3]:
    """The number of brokers to start; raises `OperatorError` where it cannot be."""
    if wanted not in {1, 3}:
        raise OperatorError(
            f"--brokers {wanted} is not possible.",
            "Two of three have to agree on each record; with two, each would be needed.",
            "Say --brokers 1 or --brokers 3.",
        )
    if wanted == 3 and settings.kafka_brokers:
        raise OperatorError(
            "--brokers 3 starts a Kafka, and KAFKA_BROKERS names one that runs already.",
            f"KAFKA_BROKERS is {settings.kafka_brokers}.",
            "Unset KAFKA_BROKERS, or leave --brokers out.",
        )
    return 3 if wanted == 3 else 1


def with_cells(settings: Settings, cells: int | None) -> Settings:
    """The settings for so many cells; raises `OperatorError` where names say another number."""
    if cells is None or cells == settings.cells:
        return settings
    if settings.cells > 1:
        raise OperatorError(
            f"--cells {cells} is not possible.",
            f"The environment names {settings.cells} cells: {', '.join(settings.cell_names)}.",
            "Unset FLUMINA_CELLS and FLUMINA_CELL_NAMES, or leave --cells out.",
        )
    names = default_cell_names(cells)
    return msgspec.structs.replace(settings, cells=cells, cell_names=names, cell=names[0])


def checked_agents(agents: int | None, *, is_fleet: bool) -> int:
    """How many agents there are at first; raises `OperatorError` where none could come."""
    if agents is None:
        return 0 if is_fleet else 2
    if not agents and not is_fleet:
        raise OperatorError(
            "--agents 0 leaves no host.",
            "Agents that come by themselves are those of --fleet.",
            "Say --agents 1 or more, or --fleet.",
        )
    return agents


def checked_fleet(settings: Settings, groups: Sequence[str]) -> LoopbackCloud:
    """The cloud to run on loopback; raises `OperatorError` where it cannot be."""
    if settings.cloud or settings.mesos_masters:
        name = "FLUMINA_CLOUD" if settings.cloud else "MESOS_MASTER"
        raise OperatorError(
            "--fleet brings a cloud and a dev cluster of its own.",
            f"{name} names one that is there already.",
            f"Unset {name}, or leave --fleet out.",
        )
    if not has_moto():
        raise OperatorError(
            "--fleet needs moto, the double of AWS.",
            "It is a tool of development, and not installed here.",
            "Install it (python -m pip install 'moto[server]'), or leave --fleet out.",
        )
    try:
        return LoopbackCloud(free_block(1), groups_of(groups), settings.cell_names[0])
    except ValueError as error:
        raise OperatorError(
            f"--fleet-group is not possible: {error}.",
            "A group has a name, a machine type of EC2, and the bounds of its size.",
            f"Write --fleet-group {USUAL.text}, for example.",
        ) from error


def up(  # noqa: PLR0917 - typer gives every option by its name
    data_dir: DataDirOption = None,
    cells: CellsOption = None,
    cell_processes: CellProcessesOption = None,
    brokers: BrokersOption = 1,
    agents: AgentsOption = None,
    masters: Annotated[
        int, typer.Option(min=1, max=5, help="Masters of the dev cluster; one leads.")
    ] = 1,
    ping_timeout: Annotated[
        str, typer.Option(metavar="TIME", help="Ping time-out of the dev cluster's agents.")
    ] = "15s",
    fleet: FleetOption = False,
    fleet_group: FleetGroupOption = None,
    policy: PolicyOption = None,
    api_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the API; default 7100 if free.")
    ] = None,
    is_continued: Annotated[
        bool,
        typer.Option(
            "--continue", help="Kafka is new and empty: go on from what the store has of the cell."
        ),
    ] = False,
) -> None:
    """Bring everything up on this computer, and keep it running until Ctrl-C.

    Starts Kafka (unless KAFKA_BROKERS is set), a dev cluster (unless MESOS_MASTER is set), the
    cell's processes and the API. What ends is started again.

    Example: flumina up --agents 3
    """
    speak_by_errors()
    settings = with_cells(settings_here(), cells)
    number = checked_brokers(settings, brokers)
    loopback = checked_fleet(settings, fleet_group or ()) if fleet or fleet_group else None
    options = UpOptions(
        settings=settings,
        data_dir=data_dir_of(settings, data_dir),
        cell_processes=cell_processes or min(settings.cells, 9),
        brokers=number,
        agents=checked_agents(agents, is_fleet=loopback is not None),
        loopback=loopback,
        masters=masters,
        ping_timeout=ping_timeout,
        policy=policy_numbers(policy),
        api_port=api_port,
        is_continued=is_continued,
    )
    with interruptible():
        running = Up(options, errors())
        try:
            _run(running)
        except KeyboardInterrupt:
            errors().print("Stopping …")
        finally:
            running.stop()


def _run(running: Up) -> None:
    """Start, tell what is where, and tell what happens to the parts."""
    console = out()

    def ready(part: str, address: str, seconds: float) -> None:
        console.print(f"{seconds:6.1f} s  {part:<12} {plain(address)}", markup=False)

    view = running.start(ready)
    if running.continued is not None:
        moved = running.continued
        console.print(
            f"cell {moved.cell} goes on as generation {moved.generation} behind offset "
            f"{moved.previous_offset} of {moved.previous_generation}: {moved.jobs} jobs, "
            f"{moved.tasks_on_hosts} tasks on hosts, digest {moved.digest}",
            markup=False,
        )
    if len(view.cells) > 1:
        names = ", ".join(f"{each.name} ({each.api})" for each in view.cells)
        console.print(f"cells {names}; --cell NAME asks one of them", markup=False)
    console.print(
        f"\nflumina is up: {view.api}, data and logs under {view.data_dir}\n"
        f"console {view.console}\n"
        "Try: ./flumina submit docs/examples/service-5.json, ./flumina tasks, ./flumina doctor\n"
        "Ctrl-C stops everything.",
        markup=False,
    )
    if running.options.loopback is not None:
        url = running.options.loopback.url
        console.print(
            f"cloud {url}: flumina fleet groups; AWS_ENDPOINT_URL={url} for boto3 and the aws CLI",
            markup=False,
        )
    while True:
        for event in running.changed(CHANGES_POLL_S):
            console.print(f"{event.part} {event.what}: {plain(event.text)}", markup=False)
