"""`secret`: the key file, values sealed for publishers of records, keys made anew and destroyed.

The one thing to know: values are read from a file or standard input and never from the command's
words, for those are seen by everybody on the computer and stay in the shell's history.
"""

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from connectors.client.asking import Ask
from connectors.client.secrets import SealedValues, seal_ask, sealed_descriptor
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.cli.common import (
    ApiOption,
    DataDirOption,
    JsonOption,
    WhyOption,
    api_here,
)
from streams.cli.render import out, print_json, show, table
from streams.errors import OperatorError

PATH: Final = "/api/flumina/secrets"
app = typer.Typer(
    help="Seal secrets, and make, list and destroy the keys that they are sealed with.\n\n"
    "Example: flumina secret keys",
    no_args_is_help=True,
)
OwnerOption = Annotated[str, typer.Option("--owner", help="The owner's address.")]
ApplicationOption = Annotated[str, typer.Option("--application", help="Name of the application.")]
JobOption = Annotated[str, typer.Option("--job", help="The job's id.")]


@app.command()
def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The key file to make.")],
) -> None:
    """Make a key file that only you can read. It is the root of all: keep a copy elsewhere.

    Example: flumina secret init /etc/flumina/secret.key
    """
    from connectors.secrets.providers import write_key_file  # noqa: PLC0415 - ciphers, on demand

    try:
        write_key_file(path)
    except FileExistsError as error:
        raise OperatorError(
            f"{path} is there already.", "A key file is never overwritten.", "Name another file."
        ) from error
    except OSError as error:
        raise OperatorError(
            f"{path} cannot be written.", f"{error.strerror}.", "Name a file in a folder of yours."
        ) from error
    said = f"{path} is made. Set FLUMINA_SECRET_PROVIDER=file:{path.absolute()}"
    out().print(f"{said}, and FLUMINA_SECRET_KEYS to a store for the ring.", markup=False)


@app.command()
def seal(  # noqa: PLR0917 - typer gives every option by its name
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="The variable.")] = "",
    job: JobOption = "",
    owner: OwnerOption = "",
    application: ApplicationOption = "",
    file: Annotated[
        Path | None, typer.Option("--file", help="A whole descriptor, whose marked values are.")
    ] = None,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Print a value of standard input sealed for a job's variable, or a whole descriptor so.

    Example: flumina secret seal DB_PASSWORD --job web --owner a@b.c --application web <password
    """
    if not job:
        raise OperatorError(
            "No job is named.", "A value is sealed for one job.", "Add --job and its id."
        )
    if (file is None) == (not name):
        raise OperatorError(
            "What to seal is not clear.",
            "Either a variable's NAME or --file is needed, and not both.",
            "Name one of them.",
        )
    with api_here(api, data_dir) as there:
        connection = there.connection

        def ask(asked: Ask[SealedValues]) -> SealedValues:
            return asked.read(connection.send(asked.method, asked.path, None, asked.body))

        if file is not None:
            print_json(sealed_descriptor(ask, descriptor_of(file), job))
            return
        value = sys.stdin.read().removesuffix("\n")
        found = ask(seal_ask(job, owner, application, {name: value}))
    out().print(found.values[name], markup=False, soft_wrap=True)


@app.command()
def keys(
    as_json: JsonOption = False, api: ApiOption = None, data_dir: DataDirOption = None
) -> None:
    """List which keys there are, by owner and application. No key itself is shown.

    Example: flumina secret keys
    """
    with api_here(api, data_dir) as there:
        found = orjson.loads(there.connection.get(PATH))
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["owner"],
            each["application"],
            ", ".join(map(str, each["versions"])),
            ", ".join(map(str, each["forgotten"])),
            each["jobs"],
        )
        for each in found["items"]
    ]
    title = f"{found['url']}, wrapped by {found['provider']}"
    show(out(), table(title, ("owner", "application", "keys", "forgotten", "jobs #"), rows))


@app.command()
def rotate(
    owner: OwnerOption,
    application: ApplicationOption,
    why: WhyOption = "",
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Seal an application's new values under a new key; what was sealed before still opens.

    Example: flumina secret rotate --owner a@b.c --application web --why "a year has passed"
    """
    body = {"ownerEmail": owner, "applicationName": application, "why": _needed(why)}
    with api_here(api, data_dir) as there:
        found = orjson.loads(there.connection.ask("POST", f"{PATH}/rotate", None, body).body)
    out().print(f"New values are sealed under key {found['version']}.", markup=False)


@app.command()
def forget(  # noqa: PLR0917 - typer gives every option by its name
    owner: OwnerOption = "",
    application: ApplicationOption = "",
    job: JobOption = "",
    why: WhyOption = "",
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Destroy the keys of an owner, of one application of his, or of one job. No way leads back.

    Example: flumina secret forget --job web --why "the customer has left" --yes
    """
    given = {"ownerEmail": owner, "applicationName": application, "jobId": job}
    body: dict[str, Any] = {name: text for name, text in given.items() if text}
    body["why"] = _needed(why)
    whose = f"job {job}" if job else f"{application or 'every application'} of {owner}"
    if not is_sure:
        typer.confirm(
            f"Destroy the keys of {whose}? Nobody can open those secrets again", abort=True
        )
    with api_here(api, data_dir) as there:
        found = orjson.loads(there.connection.ask("POST", f"{PATH}/forget", None, body).body)
    told = f"{found['tenantKeys']} keys of applications and {found['jobKeys']} of jobs"
    out().print(f"{told} are destroyed.", markup=False)


def _needed(why: str) -> str:
    if why:
        return why
    raise OperatorError(
        "No reason is given.", "It stands in the log for ever.", 'Say it: --why "...".'
    )


def descriptor_of(path: Path) -> dict[str, Any]:
    """The descriptor in a file; raises `OperatorError`."""
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, *BAD_BYTES, orjson.JSONDecodeError) as error:
        raise OperatorError(
            f"{path} cannot be read as JSON.", f"{error}.", "Name a descriptor's file."
        ) from error
    if not isinstance(found, dict):
        raise OperatorError(f"{path} is no descriptor.", "It is no object.", "Write {...}.")
    return found
