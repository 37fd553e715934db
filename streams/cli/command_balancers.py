"""`balancers`: which load balancers send to the tasks of which services; `registrar`: the process.

The one thing to know: what is added here is registered by the registrar as tasks start and end.
"""

import asyncio
from functools import partial
from typing import Annotated, Final

import orjson
import typer

from connectors.client.asking import segment
from connectors.client.shapes import Taken
from streams.cli.client import decoded
from streams.cli.common import (
    ApiOption,
    DataDirOption,
    JsonOption,
    WhyOption,
    api_here,
    settings_here,
)
from streams.cli.render import out, print_json, show, table
from streams.errors import OperatorError
from streams.logs import configure_logging
from streams.probes import run_probed
from streams.registrar.main import register_endpoints

PATH: Final = "/api/v3/loadBalancers"
app = typer.Typer(
    help="Show, add and remove the load balancers of services.\n\nExample: flumina balancers list",
    no_args_is_help=True,
)
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
BalancerArgument = Annotated[
    str, typer.Argument(metavar="BALANCER", help="With ELB the ARN of a target group.")
]


@app.command("list")
def list_(
    job: Annotated[str | None, typer.Argument(metavar="[JOB]", help="Only of this job.")] = None,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List which load balancers send to the tasks of which services.

    Example: flumina balancers list web
    """
    with api_here(api, data_dir) as there:
        found = orjson.loads(there.connection.get(PATH + (f"/{segment(job)}" if job else "")))
    if as_json:
        print_json(found)
        return
    jobs = [found] if job else found["jobLoadBalancers"]
    rows: list[tuple[object, ...]] = [
        (each["jobId"], balancer["id"]) for each in jobs for balancer in each["loadBalancers"]
    ]
    if rows:
        show(out(), table("", ("job", "load balancer"), rows))
    else:
        out().print("There are no load balancers.", markup=False)


@app.command()
def add(  # noqa: PLR0917 - typer gives every option by its name
    job: JobArgument,
    balancer: BalancerArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Have a load balancer send to the tasks of a service.

    Example: flumina balancers add web arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/web/7d
    """
    _change("POST", job, balancer, why, api, data_dir, as_json=as_json)


@app.command()
def remove(  # noqa: PLR0917 - as above
    job: JobArgument,
    balancer: BalancerArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Have a load balancer send to the tasks of a service no more.

    Example: flumina balancers remove web arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/w/7d
    """
    _change("DELETE", job, balancer, why, api, data_dir, as_json=as_json)


def _change(  # noqa: PLR0917 - what both commands are given
    method: str,
    job: str,
    balancer: str,
    why: str,
    api: ApiOption,
    data_dir: DataDirOption,
    *,
    as_json: bool,
) -> None:
    query = {"jobId": job, "loadBalancerId": balancer, "why": why or None}
    with api_here(api, data_dir) as there:
        taken = decoded(there.connection.ask(method, PATH, query).body, Taken)
        there.wait_for(taken)
    if as_json:
        print_json({"id": taken.id})
    else:
        word = "sends" if method == "POST" else "no longer sends"
        out().print(f"{taken.id} {word} to {job}.", markup=False)


def registrar() -> None:
    """Register tasks with load balancers and in a registry, in the foreground, as `up` does.

    Wants FLUMINA_API, and FLUMINA_BALANCERS or FLUMINA_DISCOVERY; AWS' own settings where needed.

    Example: FLUMINA_API=http://api:7100 FLUMINA_DISCOVERY=consul://consul:8500 flumina registrar
    """
    settings = settings_here()
    configure_logging("registrar")
    if settings.api_url is None:
        raise OperatorError(
            "The registrar needs the cell's API.",
            "FLUMINA_API is not set; `flumina up` sets it.",
            "Set it to an address such as http://127.0.0.1:7100, or use `flumina up`.",
        )
    if not settings.is_registering:
        raise OperatorError(
            "The registrar has nothing to register with.",
            "Neither FLUMINA_BALANCERS nor FLUMINA_DISCOVERY is set.",
            "Set FLUMINA_BALANCERS=elb, or FLUMINA_DISCOVERY to a registry; see docs/discovery.md.",
        )
    work = partial(register_endpoints, settings, settings.api_url)
    asyncio.run(run_probed(settings.probe_address, work))
