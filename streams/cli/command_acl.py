"""`acl`: who may do what at Kafka, printed, and set on the brokers.

The one thing to know: the table is `streams/kafka/acl_table.py`; nothing here decides about it.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from streams.cli.common import JsonOption, settings_here
from streams.cli.render import out, print_json, table
from streams.cli.render import show as shown
from streams.errors import OperatorError
from streams.kafka.acl_table import COMPONENTS, RULES, Binding, bindings, commands, user_of

EXIT_DIFFERENT: Final = 1
app = typer.Typer(
    help="Show who may do what at Kafka, and set it on the brokers.\n\nExample: flumina acl list",
    no_args_is_help=True,
)
UserOption = Annotated[
    list[str] | None,
    typer.Option(
        "--user",
        metavar="COMPONENT=NAME",
        help="A component's user at Kafka, where it is not flumina-COMPONENT; repeat it.",
    ),
]


def users_of(given: Sequence[str] | None) -> dict[str, str]:
    """The users that options name, by component; raises `OperatorError`."""
    found = {}
    for text in given or ():
        component, _, name = text.partition("=")
        if component not in COMPONENTS or not name:
            raise OperatorError(
                f"--user {text} names no component.",
                f"It is COMPONENT=NAME, and the components are {', '.join(COMPONENTS)}.",
                "Correct it.",
            )
        found[component] = name
    return found


@app.command("list")
def list_(
    as_json: JsonOption = False,
    as_commands: Annotated[
        bool, typer.Option("--commands", help="As commands for Kafka's own kafka-acls.sh.")
    ] = False,
    user: UserOption = None,
) -> None:
    """Print the table; asks nobody.

    Example: flumina acl list --commands
    """
    settings, users = settings_here(), users_of(user)
    wanted = bindings(settings.topic_prefix, users)
    if as_json:
        print_json({"items": [_item(each) for each in wanted]})
        return
    if as_commands:
        for line in commands(wanted):
            print(line)
        return
    rows: list[tuple[object, ...]] = [
        (
            user_of(rule.component, users),
            rule.operation,
            rule.resource,
            ", ".join(
                settings.topic_prefix + name + ("*" if rule.is_prefix else "")
                for name in rule.names
            ),
            rule.why,
        )
        for rule in RULES
    ]
    shown(out(), table("", ("user", "may", "of", "names", "why"), rows))
    out().print("Each of them may also Describe and DescribeConfigs every topic.", markup=False)


@app.command("apply")
def apply(
    is_dry: Annotated[
        bool, typer.Option("--check", help="Change nothing; end with 1 where entries are missing.")
    ] = False,
    as_json: JsonOption = False,
    user: UserOption = None,
) -> None:
    """Add what is missing to the brokers' lists; what is there stays. Twice is once.

    Wants KAFKA_BROKERS and a user who may change them. Entries of our users beyond the table are
    told and not taken away.

    Example: FLUMINA_KAFKA_USER=admin flumina acl apply
    """
    from streams.kafka.acl_admin import applied, compared  # noqa: PLC0415 - Kafka's client

    settings = settings_here()
    if settings.kafka_brokers is None:
        raise OperatorError(
            "It is not known which Kafka is meant.",
            "KAFKA_BROKERS is not set; the embedded one of `flumina up` has no access control.",
            "Set KAFKA_BROKERS and the FLUMINA_KAFKA_... of an administrator.",
        )
    wanted = bindings(settings.topic_prefix, users_of(user))
    work = compared if is_dry else applied
    found = asyncio.run(work(settings.kafka_brokers, wanted))
    if as_json:
        print_json(
            {
                "there": len(found.there),
                "missing" if is_dry else "added": [_item(each) for each in found.missing],
                "beyond": list(found.beyond),
            }
        )
    else:
        verb = "are missing" if is_dry else "were added"
        out().print(
            f"{len(found.there)} entries were there, {len(found.missing)} {verb}.", markup=False
        )
        for text in found.beyond:
            out().print(f"Beyond the table: {text}", markup=False)
    if is_dry and found.missing:
        raise typer.Exit(EXIT_DIFFERENT)


def _item(binding: Binding) -> dict[str, object]:
    return {
        "principal": binding.principal,
        "operation": binding.operation,
        "resource": binding.resource,
        "name": binding.name,
        "pattern": "prefixed" if binding.is_prefix else "literal",
    }
