"""`autoscale`: scaling policies of services, what they did, and what a forecast is worth.

The one thing to know: policies are set and shown by the REST API like everything; only `backtest`
works on a file and needs nothing that runs.
"""

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from connectors.client.asking import segment
from connectors.client.shapes import Taken
from scheduler.autoscaling.backtest import backtest as figures_of
from scheduler.autoscaling.backtest import first_counted
from scheduler.autoscaling.forecast import SLOTS_MAX, Shape
from streams.autoscale.main import follow_policies
from streams.autoscale.recorded import DAY_S, read_series
from streams.cli.calls import Api
from streams.cli.client import decoded
from streams.cli.common import (
    ApiOption,
    DataDirOption,
    JsonOption,
    WhyOption,
    api_here,
    settings_here,
)
from streams.cli.render import clock, out, print_json, show, table
from streams.errors import OperatorError
from streams.logs import configure_logging
from streams.probes import run_probed

PATH: Final = "/api/v3/autoscaling"
app = typer.Typer(
    help="Show, set and delete scaling policies; see what they did; test a forecast.\n\n"
    "Example: flumina autoscale put web policy.json",
    no_args_is_help=True,
)
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
PolicyArgument = Annotated[str, typer.Argument(metavar="POLICY", help="The policy's id.")]


@app.command()
def policies(
    job: Annotated[str | None, typer.Argument(metavar="[JOB]", help="Only of this job.")] = None,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List scaling policies and how they stand.

    Example: flumina autoscale policies web
    """
    with api_here(api, data_dir) as there:
        path = f"{PATH}/scalingPolicies" + (f"/{segment(job)}" if job else "")
        found = orjson.loads(there.connection.get(path))
    if as_json:
        print_json(found)
        return
    columns = ("policy", "job", "kind", "state", "alarm", "value", "reason")
    _show("scaling policies", columns, [_policy_row(each) for each in found["items"]])


def _policy_row(item: dict[str, Any]) -> tuple[object, ...]:
    (kind,) = item["scalingPolicy"]
    value = item["flumina.value"]
    return (
        item["id"]["id"],
        item["jobId"],
        kind.removesuffix("PolicyDescriptor"),
        item["policyState"]["state"],
        item["flumina.alarm"] or "-",
        "-" if value is None else value,
        item["policyState"]["pendingReason"] or item["flumina.held"] or "-",
    )


def _show(what: str, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    if rows:
        show(out(), table("", columns, rows))
    else:
        out().print(f"There are no {what}.", markup=False)


@app.command()
def put(  # noqa: PLR0917 - typer gives every option by its name
    job: JobArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scalingPolicy in JSON.")],
    policy_id: Annotated[
        str | None, typer.Option("--id", metavar="POLICY", help="Change this policy.")
    ] = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Give a service a scaling policy, or with --id change one.

    Example: flumina autoscale put web docs/examples/scaling-queue.json
    """
    try:
        document = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise OperatorError(
            f"{file} cannot be read as JSON: {error}.",
            "The name is misspelt, or the file holds something else.",
            "Name a file with a scalingPolicy; docs/autoscaling.md has examples.",
        ) from error
    query = {"why": why or None}
    with api_here(api, data_dir) as there:
        if policy_id is None:
            body = {"jobId": job, "scalingPolicy": document}
            answer = there.connection.ask("POST", f"{PATH}/scalingPolicy", query, body)
        else:
            body = {"policyId": {"id": policy_id}, "scalingPolicy": document}
            answer = there.connection.ask("PUT", f"{PATH}/scalingPolicy", query, body)
        _tell(there, decoded(answer.body, Taken), "is set", as_json=as_json)


@app.command()
def delete(
    policy: PolicyArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Delete a scaling policy; the job keeps its size.

    Example: flumina autoscale delete policy-5f2 --why "scaled by hand from now on"
    """
    with api_here(api, data_dir) as there:
        path = f"{PATH}/scalingPolicy/{segment(policy)}"
        answer = there.connection.ask("DELETE", path, {"why": why or None})
        _tell(there, decoded(answer.body, Taken), "is deleted", as_json=as_json)


def _tell(there: Api, taken: Taken, what: str, *, as_json: bool) -> None:
    there.wait_for(taken)
    if as_json:
        print_json({"id": taken.id})
    else:
        out().print(f"{taken.id} {what}.", markup=False)


@app.command()
def activities(
    job: JobArgument,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List what scaling policies did to a job, the newest first, and why.

    Example: flumina autoscale activities web
    """
    with api_here(api, data_dir) as there:
        path = f"{PATH}/scalingActivities/{segment(job)}"
        found = orjson.loads(there.connection.get(path))
    if as_json:
        print_json(found)
        return
    rows: list[tuple[object, ...]] = [
        (clock(each["atMs"]), each["policyId"], each["description"], each["cause"], each["address"])
        for each in found["items"]
    ]
    _show("scaling activities", ("at", "policy", "what", "because", "address"), rows)


@app.command()
def backtest(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file, plain or gzipped.")],
    column: Annotated[str, typer.Option(metavar="NAME", help="The column of the load.")] = "value",
    horizon: Annotated[
        int, typer.Option(metavar="N", min=1, max=SLOTS_MAX, help="So many rows ahead.")
    ] = 15,
    season: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Rows of a season; default a day by the column of times."
        ),
    ] = None,
    quantile: Annotated[
        float, typer.Option(metavar="Q", min=0.5, max=0.999, help="Share of rows to be covered.")
    ] = 0.95,
) -> None:
    """Hold our forecast of a recorded load against linear regression, and against simpler ones.

    One JSON line for each figure of each method; the last line counts the rows.

    Example: flumina autoscale backtest requests.csv --column count --horizon 15
    """
    loads, step_s = read_series(file, column)
    rows = season or (max(1, DAY_S // step_s) if step_s else 1_440)
    shape = Shape(horizon, rows, round(quantile * 1_000))
    if len(loads) < 10 * horizon:
        raise OperatorError(
            f"{file} has {len(loads)} rows, too few for a horizon of {horizon}.",
            "A forecast is looked at ten horizons long at the least.",
            "Name a longer file, or a shorter --horizon.",
        )
    for each in figures_of(loads, shape):
        print(orjson.dumps(each._asdict()).decode())
    first = first_counted(len(loads), shape)
    told = {"rows": len(loads), "counted": len(loads) - first - horizon, "horizon": horizon}
    print(orjson.dumps({**told, "season": rows, "quantile": quantile}).decode())


@app.command()
def run() -> None:
    """Follow the cell's scaling policies and their metrics, in the foreground, as `up` does.

    Wants KAFKA_BROKERS and FLUMINA_API; FLUMINA_PROMETHEUS, and AWS' own settings where needed.

    Example: KAFKA_BROKERS=kafka:9092 FLUMINA_API=http://api:7100 flumina autoscale run
    """
    settings = settings_here()
    configure_logging("autoscale")
    if settings.api_url is None:
        raise OperatorError(
            "The autoscale process needs the cell's API.",
            "FLUMINA_API is not set; `flumina up` sets it.",
            "Set it to an address such as http://127.0.0.1:7100, or use `flumina up`.",
        )
    work = partial(follow_policies, settings, settings.api_url)
    asyncio.run(run_probed(settings.probe_address, work))
