"""`blackbox`: the prober that tries a cell from outside, in the foreground or once.

The one thing to know: run it where it does not fall with the cell: on another host, under another
supervisor. It needs the API's address and nothing else.
"""

import asyncio
from typing import Annotated, Final

import typer

from streams.blackbox.judging import Limits
from streams.blackbox.main import (
    BIND,
    INTERVAL_S,
    STEP_S_MAX,
    BlackboxOptions,
    probe_once,
    run_blackbox,
)
from streams.cli.common import JsonOption, settings_here
from streams.cli.render import out, print_json
from streams.errors import OperatorError
from streams.logs import configure_logging
from streams.probes import Probes, run_probed

app = typer.Typer(
    help="Try a cell from outside, the whole way to a task's output, and page by itself.\n\n"
    "Example: flumina blackbox run --api http://api:7100 --page-url https://pager.example.com/",
    no_args_is_help=True,
)
ApiUrl = Annotated[str | None, typer.Option("--api", metavar="URL", help="Default FLUMINA_API.")]
StepOption = Annotated[
    float, typer.Option(min=0.5, help="So many seconds may one step take at most.")
]
SlowOption = Annotated[float, typer.Option(min=0.1, help="So many seconds a round is slow above.")]
GroupOption = Annotated[str, typer.Option(help="Capacity group of the probe's jobs.")]
SLOW_S: Final = Limits().slow_s


@app.command()
def run(  # noqa: PLR0917 - typer gives every option by its name
    api: ApiUrl = None,
    interval: Annotated[float, typer.Option(min=0.2, help="Seconds between rounds.")] = INTERVAL_S,
    step_max: StepOption = STEP_S_MAX,
    slow: SlowOption = SLOW_S,
    failures: Annotated[int, typer.Option(min=1, help="So many bad rounds page.")] = 2,
    group: GroupOption = "DEFAULT",
    page_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Default FLUMINA_PAGE_URL.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Of its metrics; 0: any.")] = 0,
    bind: Annotated[str, typer.Option(help="Address of its metrics.")] = BIND,
) -> None:
    """Probe at intervals until ended. Pages are signed with FLUMINA_PAGE_SECRET.

    Example: flumina blackbox run --api http://api:7100 --interval 30
    """
    configure_logging("blackbox")
    options = _options(api, step_max, slow, failures, group)
    settings = settings_here()
    options = BlackboxOptions(
        api=options.api,
        cell=settings.cell,
        page_url=page_url or settings.page_url,
        page_secret=settings.page_secret or "",
        interval_s=interval,
        step_s_max=step_max,
        limits=options.limits,
        capacity_group=group,
        port=port,
        bind=bind,
    )

    async def work(probes: Probes) -> None:
        await run_blackbox(options, lambda url: probes.begun(f"ready {url}"))

    asyncio.run(run_probed(settings.probe_address, work))


@app.command()
def once(
    api: ApiUrl = None,
    step_max: StepOption = STEP_S_MAX,
    slow: SlowOption = SLOW_S,
    group: GroupOption = "DEFAULT",
    as_json: JsonOption = False,
) -> None:
    """Probe once, and show how long each step took; it ends with 1 where the round is not good.

    Example: flumina blackbox once --api http://api:7100
    """
    found, standing = probe_once(_options(api, step_max, slow, 1, group))
    if as_json:
        steps = {each.name: round(each.seconds, 3) for each in found.steps}
        print_json(
            {
                "standing": standing,
                "seconds": round(found.seconds, 3),
                "steps": steps,
                "failedStep": found.failed_step,
                "why": found.why,
            }
        )
    else:
        for each in found.steps:
            out().print(f"{each.name:<8} {each.seconds:8.3f} s", markup=False)
        last = f"{found.failed_step} failed: {found.why}" if found.failed_step else standing
        out().print(last, markup=False)
    if standing != "good":
        raise typer.Exit(1)


def _options(
    api: str | None, step_max: float, slow: float, failures: int, group: str
) -> BlackboxOptions:
    url = api or settings_here().api_url
    if not url:
        raise OperatorError(
            "The black-box prober needs an API.",
            "Neither --api nor FLUMINA_API says where it is.",
            "Name it: flumina blackbox run --api http://127.0.0.1:7100.",
        )
    return BlackboxOptions(
        url, step_s_max=step_max, limits=Limits(slow, failures), capacity_group=group
    )
