"""`host`: taking hosts out of use, and letting them back in.

The one thing to know: only what is placed from now on changes. Tasks that run on a host stay there
until they end; nothing is moved.
"""

from typing import Annotated

import typer

from streams.cli.calls import Api
from streams.cli.client import decoded
from streams.cli.commands_explain import needed_why
from streams.cli.common import ApiOption, DataDirOption, JsonOption, WhyOption, api_here
from streams.cli.render import out, print_json
from streams.cli.shapes import State
from streams.errors import OperatorError

HostArgument = Annotated[
    str, typer.Argument(metavar="HOST", help="Its name or its id; `flumina state` lists them.")
]
app = typer.Typer(
    help="Take hosts out of use, and let them back in. Tasks that run there stay.\n\n"
    'Example: flumina host drain agent-3 --why "new kernel"',
    no_args_is_help=True,
)


@app.command()
def drain(
    host: HostArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Give a host no more tasks, for it is to be emptied.

    Example: flumina host drain agent-3 --why "new kernel"
    """
    _order(host, "draining", why, as_json=as_json, api=api, data_dir=data_dir)


@app.command()
def disable(
    host: HostArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Give a host no more tasks, for something is wrong with it.

    Example: flumina host disable agent-3 --why "its disk is slow"
    """
    _order(host, "disabled", why, as_json=as_json, api=api, data_dir=data_dir)


@app.command("last-choice")
def last_choice(
    host: HostArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Use a host only where no other will do, for it is phased out.

    Example: flumina host last-choice agent-3 --why "old machines go in May"
    """
    _order(host, "lastChoice", why, as_json=as_json, api=api, data_dir=data_dir)


@app.command()
def enable(
    host: HostArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Use a host again as any other.

    Example: flumina host enable agent-3 --why "it has its new kernel"
    """
    _order(host, "enabled", why, as_json=as_json, api=api, data_dir=data_dir)


def _order(
    host: str,
    standing: str,
    why: str,
    *,
    as_json: bool,
    api: ApiOption,
    data_dir: DataDirOption,
) -> None:
    with api_here(api, data_dir) as there:
        host_id = _host_id(there, host)
        order = {"hostId": host_id, "standing": standing, "why": needed_why(why)}
        there.wait_for(there.command("host", order))
    if as_json:
        print_json({"hostId": host_id, "standing": standing})
    else:
        out().print(f"{host} is {standing}.", markup=False)


def _host_id(there: Api, host: str) -> str:
    """The id of the host that is meant: hosts may share a name, and then only ids tell them."""
    hosts = decoded(there.state(), State).hosts
    if any(each.host_id == host for each in hosts):
        return host
    found = [each.host_id for each in hosts if each.hostname == host]
    if len(found) > 1:
        raise OperatorError(
            f"{len(found)} hosts are named {host}: {', '.join(found)}.",
            "Hosts may share a name; their ids are their own.",
            "Give the id of the one you mean.",
        )
    return found[0] if found else host
