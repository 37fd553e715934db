"""`host`: taking hosts out of use, letting them back in, and what speaks against them.

The one thing to know: of these only a drain moves tasks, and within their jobs' budgets:
`flumina relocation hosts` shows how far it is. Otherwise what runs on a host stays there.
"""

from typing import Annotated, Final

import typer

from connectors.client.shapes import State
from streams.cli.calls import Api
from streams.cli.client import decoded
from streams.cli.commands_explain import needed_why
from streams.cli.common import ApiOption, DataDirOption, JsonOption, WhyOption, api_here
from streams.cli.host_health import health, release
from streams.cli.render import out, print_json
from streams.errors import OperatorError

HostArgument = Annotated[
    str, typer.Argument(metavar="HOST", help="Its name or its id; `flumina state` lists them.")
]
app = typer.Typer(
    help="Take hosts out of use, and let them back in. Only a drain moves what runs there.\n\n"
    'Example: flumina host drain agent-3 --why "new kernel"',
    no_args_is_help=True,
)


VERBS: Final = (
    (
        "drain",
        "draining",
        "Give a host no more tasks, and move those that run there, within their jobs' budgets.",
        'flumina host drain agent-3 --why "new kernel"',
    ),
    (
        "disable",
        "disabled",
        "Give a host no more tasks, for something is wrong with it.",
        'flumina host disable agent-3 --why "its disk is slow"',
    ),
    (
        "last-choice",
        "lastChoice",
        "Use a host only where no other will do, for it is phased out.",
        'flumina host last-choice agent-3 --why "old machines go in May"',
    ),
    (
        "enable",
        "enabled",
        "Use a host again as any other.",
        'flumina host enable agent-3 --why "it has its new kernel"',
    ),
)
"""Each with the standing that it gives a host, what it is for, and an example."""


def _add(verb: str, standing: str, what: str, example: str) -> None:
    def order(
        host: HostArgument,
        why: WhyOption = "",
        as_json: JsonOption = False,
        api: ApiOption = None,
        data_dir: DataDirOption = None,
    ) -> None:
        with api_here(api, data_dir) as there:
            host_id = _host_id(there, host)
            asked = {"hostId": host_id, "standing": standing, "why": needed_why(why)}
            there.wait_for(there.command("host", asked))
        if as_json:
            print_json({"hostId": host_id, "standing": standing})
        else:
            out().print(f"{host} is {standing}.", markup=False)

    app.command(verb, help=f"{what}\n\nExample: {example}")(order)


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


for _verb in VERBS:
    _add(*_verb)
app.command("health")(health)
app.command("release")(release)
