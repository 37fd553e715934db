"""`flumina topics`: create an installation's topics ahead of its processes, and compare them.

The one thing to know: a topic that is there is never changed, so that it may run any number of
times, at once with others of its kind, and before each upgrade.
"""

import asyncio

import typer

from streams.cli.common import JsonOption, settings_here
from streams.cli.render import out, print_json
from streams.errors import OperatorError
from streams.kafka.answering import answering
from streams.kafka.generations import ensure_generations
from streams.kafka.topic_admin import differences_of_topics, ensure_topics
from streams.settings import Settings

EXIT_DIFFERENT = 1
app = typer.Typer(
    help="Create the topics of an installation, and compare them.\n\n"
    "Example: flumina topics ensure",
    no_args_is_help=True,
)


@app.command()
def ensure(as_json: JsonOption = False) -> None:
    """Create what is missing; what is there has to be as planned, and is never changed.

    Wants KAFKA_BROKERS, and FLUMINA_CELLS as it will be. Run again it does nothing.

    Example: KAFKA_BROKERS=kafka:9092 FLUMINA_CELLS=4 flumina topics ensure
    """
    made, count = asyncio.run(_ensure(settings_here()))
    if as_json:
        print_json({"created": made, "topics": count})
    else:
        out().print(f"{count} topics are as they have to be; {len(made)} were created.")


@app.command()
def check(as_json: JsonOption = False) -> None:
    """Say where topics are missing or not as planned; change nothing. Ends with 1 where they are.

    Example: KAFKA_BROKERS=kafka:9092 flumina topics check
    """
    settings = settings_here()
    found = asyncio.run(_differences(settings))
    if as_json:
        print_json({"differences": found})
    else:
        for each in found or ["All topics are as they have to be."]:
            out().print(each, markup=False)
    if found:
        raise typer.Exit(EXIT_DIFFERENT)


async def _differences(settings: Settings) -> list[str]:
    return await differences_of_topics(await answering(_brokers(settings)), settings)


async def _ensure(settings: Settings) -> tuple[list[str], int]:
    """The names of those that were missing, and how many there are now."""
    bootstrap = await answering(_brokers(settings))
    before = await differences_of_topics(bootstrap, settings)
    plans = await ensure_topics(bootstrap, settings)
    await ensure_generations(bootstrap, settings.topic_prefix, settings.cells)
    return [each.name for each in plans if f"{each.name} is missing" in before], len(plans)


def _brokers(settings: Settings) -> str:
    if settings.kafka_brokers is None:
        raise OperatorError(
            "There is no Kafka to make topics in.",
            "KAFKA_BROKERS is not set.",
            "Set it to host:port; `flumina up` makes the topics of its own Kafka by itself.",
        )
    return settings.kafka_brokers
