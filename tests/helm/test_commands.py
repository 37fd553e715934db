"""What the chart calls exists: each command line is parsed by the real one, each name is a setting.

How: typer's own parser is given the arguments of every container, and does not run them.
"""

from collections.abc import Sequence
from typing import Any

import pytest
import typer
from typer.main import get_command

from streams.access.opening import demand_closed
from streams.cli.main import COMMANDS, app_for, with_pair
from streams.errors import OperatorError
from streams.settings import SETTINGS, settings_of
from tests.support.chart import EXAMPLES, component, lasting, manifests, named, pods

# Not settings of ours: boto3's, and what the pod is told of itself.
FOREIGN = {"AWS_REGION", "AWS_ENDPOINT_URL", "POD_NAME"}
every_example = pytest.mark.parametrize("example", EXAMPLES)


def parsed(arguments: Sequence[str]) -> None:
    """Parse them as `flumina` would; raises what it would refuse them with."""
    rest = with_pair(arguments)
    # Typer's groups are click's, which comes with it and has no name of its own here.
    command: Any = get_command(app_for(rest[:1]))
    name, context = "flumina", None
    while hasattr(command, "commands"):
        context = command.context_class(command, parent=context)
        name, *rest = rest
        command = command.commands[name]
    command.make_context(name, rest, parent=context)


@pytest.mark.integration  # It starts processes.
@every_example
def test_every_command_with_its_options_is_taken_by_the_real_command_line(example: str) -> None:
    called = set()
    for _, spec in pods(manifests(example)):
        (container,) = spec["containers"]
        assert "command" not in container, "the image says how flumina is started"
        parsed(container["args"])
        called.add(" ".join(with_pair(container["args"])[:1]))
    assert called <= {each.name for each in COMMANDS}
    assert {"cell", "api", "history", "topics", "snapshots", "archive"} <= called


def test_a_command_or_an_option_that_is_not_there_would_be_refused() -> None:
    with pytest.raises(KeyError):
        parsed(["topics", "bootstrap"])
    with pytest.raises(Exception, match="No such option") as refused:
        parsed(["history", "--prot", "7191"])
    assert type(refused.value).__name__ == "NoSuchOption"


@pytest.mark.slow
@every_example
def test_every_name_in_the_environment_is_a_setting_with_a_good_value(example: str) -> None:
    found = manifests(example)
    shared = named(found, "ConfigMap", "-settings")["data"]
    settings = {each.variable for each in SETTINGS}
    assert shared.keys() - FOREIGN <= settings
    for owner, spec in pods(found):
        (container,) = spec["containers"]
        own = {each["name"]: each.get("value") for each in container.get("env", [])}
        assert own.keys() - FOREIGN <= settings, component(owner)
        texts = {name: text for name, text in own.items() if text and name != "FLUMINA_CANDIDATE"}
        ours = {name: text for name, text in {**shared, **texts}.items() if name not in FOREIGN}
        # Reads every value as a process would: a wrong one would stop each of them.
        settings_of(ours)


@pytest.mark.slow
@every_example
def test_no_server_would_refuse_to_listen_beyond_loopback(example: str) -> None:
    """Who is not closed does not start: docs/access.md."""
    found = manifests(example)
    shared = named(found, "ConfigMap", "-settings")["data"]
    ours = {name: text for name, text in shared.items() if name not in FOREIGN}
    demand_closed(settings_of(ours), "0.0.0.0")  # noqa: S104 - where pods listen
    with pytest.raises(OperatorError, match=r"is not closed|needs FLUMINA_ACCESS"):
        demand_closed(settings_of(ours | {"FLUMINA_ACCESS": ""}), "0.0.0.0")  # noqa: S104


@pytest.mark.slow
@every_example
def test_who_needs_the_api_is_told_where_it_is(example: str) -> None:
    found = manifests(example)
    services = {
        f"{each['metadata']['name']}.flumina.svc" for each in found if each["kind"] == "Service"
    }
    for owner, spec in lasting(found):
        (container,) = spec["containers"]
        urls = [each["value"] for each in container["env"] if each["name"] == "FLUMINA_API"]
        if component(owner) in {"query", "autoscale", "webhooks", "prober", "fleet", "registrar"}:
            (url,) = urls
            assert url.partition("://")[2].partition(":")[0] in services


def test_typer_is_what_parses() -> None:
    assert isinstance(app_for(["cell"]), typer.Typer)
