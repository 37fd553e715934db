"""`policy`: the rules of the cell as a file: shown, checked, compared, applied, and switched.

The one thing to know: nothing is decided here. A file is read and checked by the same reader as the
record that it becomes; the cell checks it again at its own place in the log, and has the last word.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from typer.core import TyperGroup

from scheduler.model.policy import NUMBERS, Policy
from scheduler.model.reading.faults import Faults
from scheduler.model.rules import PlacementRules
from scheduler.model.rules_document.difference import Difference, differences
from scheduler.model.rules_document.reading import read_policy
from scheduler.model.rules_document.writing import policy_document
from streams.cli import render
from streams.cli.calls import Api
from streams.cli.client import ApiError
from streams.cli.commands_explain import needed_why
from streams.cli.common import (
    ApiOption,
    DataDirOption,
    JsonOption,
    WhyOption,
    api_here,
    policy_numbers,
    running_here,
    settings_here,
)
from streams.cli.policy_texts import changed_lines, file_error, told_faults
from streams.cli.render import out, print_json
from streams.errors import OperatorError
from streams.policy_file.installed import complete
from streams.policy_file.reading import FILE_BYTES_MAX, YamlText, read_yaml
from streams.policy_file.writing import policy_text

FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="A policy file; - reads standard input.")
]


class PolicyGroup(TyperGroup):
    """Takes `policy` for `policy show`, and `policy NAME=VALUE` for `policy set NAME=VALUE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's own
        """The words of the command that is meant."""
        is_named = any(each in self.commands for each in args[:1])
        if not is_named and "--help" not in args[:1]:
            sets = any("=" in each for each in args if not each.startswith("-"))
            is_word = bool(args) and not args[0].startswith("-")
            if sets or not is_word:
                args = ["set" if sets else "show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=PolicyGroup,
    help="Show, check, compare, apply and switch the rules that the cell decides by.\n\n"
    "Without a word it shows them, with NAME=VALUE it sets numbers.\n\n"
    "Example: flumina policy show > policy.yaml",
)


@app.command()
def show(
    as_json: JsonOption = False, api: ApiOption = None, data_dir: DataDirOption = None
) -> None:
    """Show the whole policy as a file that can be edited and applied.

    Example: flumina policy show > policy.yaml
    """
    with api_here(api, data_dir) as there:
        policy, version = _in_force(there)
    if as_json:
        numbers = {name: getattr(policy, name) for name in NUMBERS}
        told = {"version": version, "document": policy_document(policy), "policy": numbers}
        print_json(told)
        return
    title = f"Policy version {version}. Apply it with: flumina policy apply FILE --why REASON"
    sys.stdout.write(policy_text(policy, title))


@app.command()
def check(file: FileArgument, as_json: JsonOption = False) -> None:
    """Check a policy file and say everything that is wrong with it; asks no cell.

    Example: flumina policy check policy.yaml
    """
    policy, _ = _read(file, as_json=as_json)
    rules = policy.placement
    if as_json:
        print_json({"isValid": True, "faults": []})
        return
    counted = ", ".join(
        f"{len(there)} {name}"
        for name, there in (
            ("profiles", rules.profiles),
            ("tiers", rules.tiers),
            ("groups", rules.groups),
            ("selectors", rules.selectors),
            ("plug-ins", rules.plugins),
        )
    )
    out().print(f"{file} can be applied: mode {rules.mode}, {counted}.", markup=False)


@app.command()
def diff(
    file: FileArgument,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show what applying a policy file would change; changes nothing.

    Example: flumina policy diff policy.yaml
    """
    wanted, _ = _read(file, as_json=as_json)
    with api_here(api, data_dir) as there:
        policy, version = _in_force(there)
    _tell(differences(policy, wanted), version, as_json=as_json, what="would change")


@app.command()
def apply(  # noqa: PLR0917 - typer gives every option by its name
    file: FileArgument,
    why: WhyOption = "",
    if_version: Annotated[
        int | None,
        typer.Option(metavar="N", help="Only if the cell has policy version N."),
    ] = None,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make a policy file the cell's policy: all of it; what it leaves out has its default.

    If somebody else changes the policy meanwhile, nothing is applied.

    Example: flumina policy apply policy.yaml --why "more room for video"
    """
    wanted, document = _read(file, as_json=as_json)
    reason = needed_why(why)
    with api_here(api, data_dir) as there:
        policy, version = _in_force(there)
        found = differences(policy, wanted)
        if if_version is not None and if_version != version:
            raise OperatorError(
                f"The cell has policy version {version}, not {if_version}.",
                "Somebody has changed it since that version was shown.",
                "See what is different with `flumina policy diff`, and apply it again.",
            )
        if found:
            version = _apply(there, document, wanted, reason, version)
    _tell(found, version, as_json=as_json, what="changed")


def _apply(there: Api, document: Mapping[str, Any], wanted: Policy, why: str, version: int) -> int:
    """The version of the policy once it is what was wanted."""
    refusal: ApiError | None = None
    try:
        there.wait_for(there.put_policy(document, why, version))
    except ApiError as error:
        if error.status != 412:
            raise
        refusal = error  # A request that was sent twice, for want of an answer, is late itself.
    policy, version = _in_force(there)
    if policy != wanted:
        raise refusal or _not_so()
    return version


@app.command()
def mode(
    mode: Annotated[
        Literal["normal", "failover"], typer.Argument(help="failover packs everything.")
    ],
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Switch how the cell places, while it runs; back with the other word.

    Example: flumina policy mode failover --why "we take over cell b"
    """
    with api_here(api, data_dir) as there:
        order = {"mode": mode}
        _, version = _switched(there, order, why, lambda rules: rules.mode == mode)
    if as_json:
        print_json({"version": version, "mode": mode})
    else:
        out().print(f"Mode {mode}, with policy version {version}.", markup=False)


@app.command()
def zone(  # noqa: PLR0917 - typer gives every option by its name
    state: Annotated[Literal["lost", "back"], typer.Argument(help="lost gets no more work.")],
    zones: Annotated[list[str], typer.Argument(metavar="ZONE...", help="Names of zones.")],
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Say that zones are lost, or back; tasks that run there stay.

    Example: flumina policy zone lost eu-west-1b --why "no power"
    """
    names = list(dict.fromkeys(zones))
    is_lost = state == "lost"
    with api_here(api, data_dir) as there:
        order = {"loseZones" if is_lost else "regainZones": names}
        rules, version = _switched(
            there,
            order,
            why,
            lambda rules: all((name in rules.lost_zones) == is_lost for name in names),
        )
        lost = rules.lost_zones
    if as_json:
        print_json({"version": version, "lostZones": lost})
    else:
        told = ", ".join(lost) or "none"
        out().print(f"Lost zones: {told}, with policy version {version}.", markup=False)


@app.command()
def numbers(
    as_json: JsonOption = False, api: ApiOption = None, data_dir: DataDirOption = None
) -> None:
    """List the numbers of the policy by the names that the log has for them.

    Where no cell runs they are those with which a new one begins, version 0.

    Example: flumina policy numbers
    """
    settings = settings_here()
    if (api or settings.api_url) or running_here(settings, data_dir) is not None:
        with api_here(api, data_dir) as there:
            policy, version = _in_force(there)
    else:
        policy, version = Policy(), 0
    found = {name: getattr(policy, name) for name in NUMBERS}
    if as_json:
        print_json({"version": version, "policy": found})
        return
    if not version:
        out().print("No cell runs here; a new one begins with these.", markup=False)
    render.show(out(), render.table("", ("name", "value #"), sorted(found.items())))


@app.command("set")
def set_numbers(
    values: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="What to change.")],
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Change some numbers of the policy by the names that the log has for them.

    Example: flumina policy unreachable_timeout_ms=30000 --why "hosts come back quickly here"
    """
    numbers = policy_numbers(values)
    with api_here(api, data_dir) as there:
        there.wait_for(there.command("policy", {"values": numbers, "why": needed_why(why)}))
        policy, version = _in_force(there)
        if any(getattr(policy, name) != value for name, value in numbers.items()):
            raise _not_so()
    if as_json:
        told = {name: getattr(policy, name) for name in NUMBERS}
        print_json({"version": version, "policy": told})
        return
    out().print(f"Policy version {version}.", markup=False)


def _switched(
    there: Api,
    order: Mapping[str, object],
    why: str,
    is_so: Callable[[PlacementRules], bool],
) -> tuple[PlacementRules, int]:
    """The rules once they are as ordered, and the version of the policy."""
    reason = needed_why(why)
    before, _ = _in_force(there)
    refusal: ApiError | None = None
    try:
        there.wait_for(there.command("rules", {**order, "why": reason}))
    except ApiError as error:
        if error.status not in {400, 412} or is_so(before.placement):
            raise
        refusal = error  # Sent twice, for want of an answer: the second one finds it done.
    policy, version = _in_force(there)
    if not is_so(policy.placement):
        raise refusal or _not_so()
    return policy.placement, version


def _in_force(there: Api) -> tuple[Policy, int]:
    """The cell's policy and its version."""
    shown, faults = there.policy(), Faults()
    policy = read_policy(shown.document, faults)
    if faults and policy_document(policy) != shown.document:
        first = faults.all()[0]
        raise OperatorError(
            f"The cell's policy cannot be read: {first.field} {first.text}.",
            "The API is of another release than this command.",
            "Use the commands of the API's release.",
        )
    return policy, shown.version


def _read(file: str, *, as_json: bool) -> tuple[Policy, dict[str, Any]]:
    """The policy of a file and its document, plug-ins completed; leaves with every fault else."""
    faults = Faults()
    there = read_yaml(_text_of(file), faults)
    if isinstance(there.document, dict):
        complete(there.document, faults)
    policy = Policy() if there.document is None and faults else read_policy(there.document, faults)
    if faults:
        _leave(file, there, faults, as_json=as_json)
    return policy, dict(there.document)


def _leave(file: str, there: YamlText, faults: Faults, *, as_json: bool) -> NoReturn:
    if as_json:
        print_json({"isValid": False, "faults": told_faults(there, faults)})
        raise typer.Exit(1)
    raise file_error(file, there, faults)


def _text_of(file: str) -> str:
    try:
        if file == "-":
            data = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(FILE_BYTES_MAX + 1)
        return data.decode("utf-8-sig")
    except OSError as error:
        raise OperatorError(
            f"{file} cannot be read: {error.strerror or error}.",
            "It is not there, or not for you to read.",
            "Make one with `flumina policy show > policy.yaml`.",
        ) from error
    except UnicodeDecodeError as error:
        raise OperatorError(
            f"{file} is not UTF-8: {error.reason} at byte {error.start}.",
            "It was saved in another encoding, or is no text.",
            "Save it as UTF-8.",
        ) from error


def _tell(found: Sequence[Difference], version: int, *, as_json: bool, what: str) -> None:
    if as_json:
        print_json({"version": version, "changes": changed_lines(found, as_json=True)})
        return
    if not found:
        out().print(f"Nothing {what}: policy version {version} says the same.", markup=False)
        return
    for line in changed_lines(found):
        out().print(line, markup=False, soft_wrap=True)
    count = f"{len(found)} {'part' if len(found) == 1 else 'parts'}"
    out().print(f"{count} {what}; policy version {version}.", markup=False)


def _not_so() -> OperatorError:
    return OperatorError(
        "The cell has passed the command, and decides by another policy.",
        "It was refused, or somebody else has changed it since.",
        "Look with `flumina policy`, and order it again.",
    )
