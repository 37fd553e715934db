"""``flumina dev-cluster cloud``: EC2's groups on loopback, whose instances are agents here.

The one thing to know: it runs in the foreground beside a dev cluster, and loads moto. Who asks it
by boto3 sees AWS; what its groups launch comes up as an agent, and what they end goes.
"""

import importlib.util
import os
from pathlib import Path
from typing import Annotated

import typer

from connectors.cloud.loopback.account import READY, RULES_FILE, USUAL, groups_of, variables_of
from connectors.devcluster.node import ConfigError
from connectors.devcluster.supervise import control
from streams.cli.dev_cluster_common import DirOption, PortOption, fail, out
from streams.setting_rows.cells import default_cell_names

GroupsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--group",
        metavar="NAME:TYPE:MIN:MAX",
        help=f"A group that is there from the beginning; may be repeated. Default {USUAL.text}.",
    ),
]
WITHOUT_MOTO = (
    "the double of AWS is moto, which is not installed here: python -m pip install 'moto[server]'"
)


def has_moto() -> bool:
    """Whether moto can be loaded; it is a tool of development and no dependency."""
    return importlib.util.find_spec("moto") is not None


def register(app: typer.Typer) -> None:
    """Add the verb to the command."""
    app.command()(cloud)


def cloud(
    port: PortOption = 5050,
    data_dir: DirOption = None,
    aws_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the double; 0: any free one.")
    ] = 0,
    group: GroupsOption = None,
    cell: Annotated[
        str, typer.Option(help="The cell whose groups they are, by the tag flumina.cell.")
    ] = default_cell_names(1)[0],
) -> None:
    """Serve EC2 Auto Scaling on loopback; each instance that starts is an agent of this cluster.

    Example: flumina dev-cluster cloud --group dev:m5.large:1:3
    """
    root = (data_dir or control.data_dir_of(port)).resolve()
    if not has_moto():
        fail(WITHOUT_MOTO)
    try:
        groups = groups_of(group or ())
        control.ask(root, "status")
    except (ConfigError, ValueError) as error:
        fail(str(error))
    # moto and boto3 are some 150 MiB: only who serves pays for it.
    from connectors.cloud.loopback.process import run  # noqa: PLC0415 - see above

    try:
        run(root, aws_port, cell, groups, lambda url: _told(url, root))
    except OSError as error:
        fail(f"port {aws_port} cannot be listened on: {error.strerror}; choose another --aws-port")
    except ConfigError as error:
        fail(str(error))


def _told(url: str, root: Path) -> None:
    """Say how others find the double."""
    out.print(f"{READY}{url}", highlight=False, soft_wrap=True, markup=False)
    words = " ".join(f"{name}={value}" for name, value in variables_of(url, os.environ).items())
    out.print(f"for boto3: {words}", highlight=False, soft_wrap=True, markup=False)
    out.print(f"rules: {root / RULES_FILE}", highlight=False, soft_wrap=True, markup=False)
