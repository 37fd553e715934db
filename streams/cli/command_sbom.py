"""`sbom`: what is shipped, with hashes, as a CycloneDX document."""

from importlib import metadata
from pathlib import Path
from typing import Annotated

import msgspec
import typer

import streams
from streams.cli.sbom import read_locks, sbom
from streams.errors import OperatorError

OutputOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Where to write it; default: standard output.")
]


def sbom_command(output: OutputOption = None) -> None:
    """Write the list of all that flumina is built of, with hashes, as CycloneDX 1.6 JSON.

    It is made from the checkout's locks, and the same for the same locks. Packages that only tests
    need have scope excluded.

    Example: flumina sbom --output flumina.cdx.json
    """
    root = Path(streams.__file__).parent.parent
    try:
        packages, jars = read_locks(root)
    except (OSError, ValueError) as error:
        raise OperatorError(
            f"The locks of {root} cannot be read: {error}.",
            "flumina was installed as a package, without its checkout, or a lock was changed.",
            "Clone the repository and run ./flumina sbom there.",
        ) from error
    found = sbom(metadata.version("flumina"), packages, jars)
    text = msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"
    if output is None:
        typer.echo(text.decode(), nl=False)
        return
    try:
        output.write_bytes(text)
    except OSError as error:
        raise OperatorError(
            f"{output} cannot be written: {error.strerror or error}.",
            "Its folder does not exist, or it belongs to somebody else.",
            "Name another file with --output.",
        ) from error
