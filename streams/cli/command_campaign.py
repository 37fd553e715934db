"""`campaign`: what has to be deployed again, whose it is; and have it done, job by job.

The one thing to know: a campaign is begun by one update for each job, each under its own job's
budget, and every update bears the campaign's name. So it can be begun again after a failure: jobs
that it has brought up already no longer match.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
import orjson
import typer
from rich.console import Console

from connectors.client.asking import segment
from scheduler.model.provenance import PREFIX, VARIABLES
from scheduler.model.reading.faults import nearest_name
from streams.cli.calls import Api
from streams.cli.client import ApiError, decoded
from streams.cli.common import ApiOption, DataDirOption, JsonOption, WhyOption, api_here
from streams.cli.render import cell_text, clock, errors, out, print_json, show, table
from streams.errors import OperatorError

CANDIDATES: Final = "/api/flumina/campaign"
CAMPAIGNS: Final = "/api/flumina/campaigns"


class _Job(msgspec.Struct, frozen=True, rename="camel"):
    job_id: str
    owner: str
    application_name: str
    kind: str
    image: str
    tasks: int
    oldest_start_ms: int
    can_update: bool
    is_updating: bool
    unavailable_max: int


class _Candidates(msgspec.Struct, frozen=True, rename="camel"):
    items: list[_Job]
    owners: dict[str, int]
    tasks: int


class _JobProgress(msgspec.Struct, frozen=True, rename="camel"):
    job_id: str
    owner: str
    state: str
    why: str
    tasks: int
    redeployed: int


class _Progress(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    items: list[_JobProgress]
    states: dict[str, int]
    tasks: int
    redeployed: int


class _Shown(msgspec.Struct, frozen=True, rename="camel"):
    job_descriptor: dict[str, Any]


def campaign(  # noqa: PLR0917 - options, all by name
    match: Annotated[
        str | None,
        typer.Argument(metavar="image:NAME|base:NAME|age:30d", help="What to deploy again."),
    ] = None,
    start: Annotated[
        str | None, typer.Option("--start", metavar="NAME", help="Begin it, under this name.")
    ] = None,
    progress: Annotated[
        str | None, typer.Option("--progress", metavar="NAME", help="How far it has come.")
    ] = None,
    tag: Annotated[
        str | None, typer.Option("--tag", metavar="TAG", help="The image's new tag.")
    ] = None,
    provenance: Annotated[
        list[str] | None,
        typer.Option("--provenance", metavar="NAME=VALUE", help="Of the new image; repeatable."),
    ] = None,
    jobs_max: Annotated[
        int | None, typer.Option("--jobs", min=1, metavar="N", help="Begin so many at most.")
    ] = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List owners and tasks to redeploy; with --start have their services updated in batches.

    Example: flumina campaign base:debian:12 --start openssl --tag 1.4.3
    """
    if (match is None) is (progress is None):
        raise OperatorError(
            "It is not clear what is asked for.",
            "One of a match and --progress NAME is needed.",
            "Add --help to see what the command takes.",
        )
    said = provenance_of_words(provenance or [])
    if start is None and (tag is not None or said or jobs_max is not None):
        raise OperatorError(
            "Nothing is begun here that --tag, --provenance or --jobs could be about.",
            "They are of a campaign that begins.",
            "Add --start NAME, or leave them out to see what matches.",
        )
    with api_here(api, data_dir) as there:
        if match is not None:
            body = there.connection.get(CANDIDATES, {"match": match, "name": start})
            if start is not None:
                chosen = decoded(body, _Candidates).items
                begun = [each for each in chosen if each.can_update][:jobs_max]
                _begin(there, begun, start, tag, said, why)
                body = there.connection.get(f"{CAMPAIGNS}/{segment(start)}") if begun else body
                progress = start if begun else None
        else:
            body = there.connection.get(f"{CAMPAIGNS}/{segment(progress or '')}")
    if as_json:
        print_json(orjson.loads(body))
    elif progress is not None:
        print_progress(decoded(body, _Progress), out())
    else:
        print_candidates(decoded(body, _Candidates), out())


def provenance_of_words(words: list[str]) -> dict[str, str]:
    """The attributes that ``NAME=VALUE`` words mean; raises `OperatorError`."""
    found: dict[str, str] = {}
    names = [each.removeprefix(PREFIX) for each in VARIABLES]
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not value or name not in names:
            near = nearest_name(name, names) if name not in names else f"write {name}=VALUE"
            raise OperatorError(
                f"--provenance {word} is none.",
                f"It is NAME=VALUE, NAME one of {', '.join(names)}.",
                f"{near[:1].upper()}{near[1:]}.",
            )
        found[f"{PREFIX}{name}"] = value
    return found


def _begin(  # noqa: PLR0917 - one caller, all named
    there: Api,
    jobs: list[_Job],
    name: str,
    tag: str | None,
    provenance: Mapping[str, str],
    why: str,
) -> None:
    """Begin an update of each job; one that is refused is told, and the others go on."""
    refused = 0
    for job in jobs:
        shown = decoded(there.connection.get(f"/api/v3/jobs/{segment(job.job_id)}"), _Shown)
        plan = {
            "campaign": name,
            "restart": True,
            "batch": job.unavailable_max,
            "maxUnavailable": job.unavailable_max,
        }
        body = {"job": redeployed(shown.job_descriptor, tag, provenance), "plan": plan}
        path = f"/api/flumina/jobs/{segment(job.job_id)}/updates"
        try:
            there.connection.ask("POST", path, {"why": why or f"campaign {name}"}, body)
        except ApiError as error:
            refused += 1
            errors().print(cell_text(f"{job.job_id} ({job.owner}) is left: {error.what}"))
    if refused and refused == len(jobs):
        raise OperatorError(
            f"None of {refused} jobs could be updated.", "Each refusal says why.", "Mend it first."
        )


def redeployed(
    descriptor: Mapping[str, Any], tag: str | None, provenance: Mapping[str, str]
) -> dict[str, Any]:
    """The descriptor of the job as it is deployed again.

    The digest is left out where there is a tag, so that the API looks it up anew. What is said of
    the old image's making is not true of another tag.
    """
    container = dict(descriptor["container"])
    image = dict(container.get("image") or {})
    attributes = dict(descriptor.get("attributes") or {})
    if image and tag is not None:
        image["tag"] = tag
        attributes = {k: v for k, v in attributes.items() if not k.startswith(PREFIX)}
    if image.get("tag"):
        image.pop("digest", None)
    if image:
        container["image"] = image
    return {
        **descriptor,
        "container": container,
        "attributes": attributes | dict(provenance),
    }


def print_candidates(found: _Candidates, console: Console) -> None:
    """Print the jobs, by owner."""
    if not found.items:
        console.print("Nothing matches.")
        return
    rows = [
        (
            each.owner,
            each.job_id,
            each.application_name,
            each.image,
            str(each.tasks),
            clock(each.oldest_start_ms),
            _what(each),
        )
        for each in found.items
    ]
    columns = ("owner", "job", "app", "image", "tasks #", "oldest since", "")
    show(console, table("", columns, rows))
    owners = ", ".join(f"{owner}: {tasks}" for owner, tasks in found.owners.items())
    console.print(cell_text(f"{found.tasks} tasks. {owners}"))


def _what(job: _Job) -> str:
    if not job.can_update:
        return f"{job.kind}: it ends by itself"
    return "is updated now" if job.is_updating else f"{job.unavailable_max} at once"


def print_progress(found: _Progress, console: Console) -> None:
    """Print how far each job has come."""
    rows = [
        (each.owner, each.job_id, each.state, f"{each.redeployed} of {each.tasks}", each.why)
        for each in found.items
    ]
    show(console, table("", ("owner", "job", "update", "redeployed #", "why"), rows))
    states = ", ".join(f"{count} {state}" for state, count in found.states.items())
    console.print(
        cell_text(f"campaign {found.name}: {found.redeployed} of {found.tasks} tasks; {states}")
    )
