"""The command `flumina`: which commands there are, and where each one lives.

The one thing to know: a command's module is imported only when that command runs, so that
`flumina --help` does not wait for Kafka's client or NumPy. A new command is a row of `COMMANDS`.
"""

import errno
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module, metadata
from typing import Annotated, Final, NamedTuple, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from streams.cli.cell_option import app_with_cell, with_cell
from streams.errors import OperatorError


class Command(NamedTuple):
    """One row: the word, the line of help, and `module:name` of a function or a `typer.Typer`."""

    name: str
    target: str
    help: str
    # For a command that hands its words on: also `--help` and what else looks like an option.
    takes_all_words: bool = False
    # For a command whose arguments may begin with a dash: `-1h` is an hour ago, and no option.
    takes_times_ago: bool = False


COMMANDS = (
    Command(
        "up",
        "streams.cli.command_up:up",
        "Bring everything up on this computer, and keep it running until Ctrl-C.",
    ),
    Command(
        "demo",
        "streams.cli.command_demo:demo",
        "Bring everything up, run some jobs, hurt all of it, and show what happened and why.",
    ),
    Command(
        "drill",
        "streams.cli.command_drill:drill",
        "Make an incident happen on an installation of its own, and see what must follow.",
    ),
    Command(
        "submit",
        "streams.cli.commands_jobs:submit",
        "Submit a job from a file.",
    ),
    Command(
        "run",
        "streams.cli.command_run:run",
        "Run a job's tasks on this computer, without a cluster.",
    ),
    Command("jobs", "streams.cli.commands_jobs:jobs", "List the jobs."),
    Command("tasks", "streams.cli.commands_jobs:tasks", "List the tasks."),
    Command("top", "streams.cli.command_top:top", "Show what tasks and hosts use, live."),
    Command("logs", "streams.cli.command_logs:logs", "Print what a task has written."),
    Command("scale", "streams.cli.commands_jobs:scale", "Change the size of a service."),
    Command(
        "scale backtest",
        "streams.cli.command_scale_backtest:backtest",
        "Hold the forecast of the fleet against a recorded load.",
    ),
    Command(
        "update",
        "streams.cli.command_update:update",
        "Give a job another spec batch by batch, or see, pause or take back an update.",
    ),
    Command(
        "cron", "streams.cli.command_cron:app", "See when cron jobs fire, and what they started."
    ),
    Command("kill", "streams.cli.commands_jobs:kill", "End a job or a task."),
    Command(
        "why",
        "streams.cli.commands_explain:why",
        "Say why a task or job is where it is, with the chain of causes.",
    ),
    Command(
        "events",
        "streams.cli.commands_explain:events",
        "List what happened to a task or job.",
    ),
    Command("state", "streams.cli.commands_explain:state", "Show how the cell stands."),
    Command(
        "diff",
        "streams.cli.command_diff:diff",
        "Show what was different between two instants, and which events made it so.",
        takes_times_ago=True,
    ),
    Command(
        "timeline",
        "streams.cli.command_timeline:timeline",
        "List all that ever happened to a task, job or host.",
    ),
    Command("causes", "streams.cli.command_timeline:causes", "Show what led to an event."),
    Command("effects", "streams.cli.command_timeline:effects", "Show what followed from an event."),
    Command(
        "replay",
        "streams.cli.command_replay:replay",
        "Fold a stretch of the log again and prove it, or decide it by another policy.",
    ),
    Command(
        "bundle",
        "streams.cli.command_bundle:bundle",
        "Write everything of an incident into one file.",
    ),
    Command(
        "incident",
        "streams.cli.command_incident:incident",
        "Show what happened between two instants, or write it into one file.",
    ),
    Command(
        "incident note",
        "streams.cli.command_incident:note",
        "Write a note on a stretch of time into the log.",
    ),
    Command(
        "campaign",
        "streams.cli.command_campaign:campaign",
        "Find what has to be deployed again, by image, base or age, and have it updated.",
    ),
    Command(
        "capacity",
        "streams.cli.command_capacity:capacity",
        "Show what each tier must have, and how many instances that takes.",
    ),
    Command(
        "cost",
        "streams.cli.command_cost:cost",
        "Show what owners, applications, groups or jobs held of the cell, by the log.",
        takes_times_ago=True,
    ),
    Command(
        "orphans",
        "streams.cli.commands_explain:orphans",
        "List tasks that run without history in the log.",
    ),
    Command(
        "safe",
        "streams.cli.command_safe:app",
        "See what a safe cell has found, and confirm or reject it.",
    ),
    Command(
        "skip",
        "streams.cli.commands_operate:skip",
        "Let a halted fold pass one record that it cannot apply.",
    ),
    Command(
        "policy",
        "streams.cli.command_policy:app",
        "Show, check, compare, apply and switch the rules that the cell decides by.",
    ),
    Command(
        "host",
        "streams.cli.command_host:app",
        "Take hosts out of use and let them back in, and see what speaks against them.",
    ),
    Command(
        "job",
        "streams.cli.command_job:app",
        "Take a service in or out of service, hold its size, set attributes, move tasks.",
    ),
    Command(
        "eviction",
        "streams.cli.command_disruption:eviction",
        "See how many tasks may be evicted now, and evict one within all budgets.",
    ),
    Command(
        "relocation",
        "streams.cli.command_disruption:relocation",
        "See which tasks have to leave their hosts, and what that waits for.",
    ),
    Command(
        "continue",
        "streams.cli.command_continue:continue_",
        "Let a cell go on in another, empty Kafka, from its snapshots and its archive.",
    ),
    Command(
        "log",
        "streams.cli.command_log:app",
        "Look at the cell's log as a log: its events by kind, and what folding them costs.",
    ),
    Command(
        "doctor",
        "streams.cli.command_doctor:doctor",
        "Check this computer, Kafka, the cell and Mesos, and say what to do.",
    ),
    Command(
        "acl",
        "streams.cli.command_acl:app",
        "Show who may do what at Kafka, and set it on the brokers.",
    ),
    Command(
        "cell",
        "streams.cli.command_cell:cell",
        "Run one process of the cell in the foreground.",
    ),
    Command("api", "streams.cli.command_api:api", "Serve the REST API in the foreground."),
    Command(
        "usage",
        "streams.cli.command_usage:usage",
        "Publish what tasks and hosts use, in the foreground.",
    ),
    Command(
        "autoscale",
        "streams.cli.command_autoscale:app",
        "Show and set scaling policies, see what they did, and test a forecast on recorded load.",
    ),
    Command(
        "volume",
        "streams.cli.command_volume:app",
        "Show volumes and static addresses; snapshot, clone, move, archive, restore, delete.",
    ),
    Command(
        "balancers",
        "streams.cli.command_balancers:app",
        "Show, add and remove the load balancers of services.",
    ),
    Command(
        "registrar",
        "streams.cli.command_balancers:registrar",
        "Register tasks with load balancers and in a registry, in the foreground.",
    ),
    Command(
        "health",
        "streams.cli.command_health:app",
        "Find templates and odd lines in logs, try rules, and see what made hosts ill.",
    ),
    Command(
        "heal",
        "streams.cli.command_heal:app",
        "Heal sick hosts by runbooks: set them, see their runs, approve and stop them.",
    ),
    Command(
        "prober",
        "streams.cli.command_prober:prober",
        "Look at hosts actively and publish what is found, in the foreground.",
    ),
    Command(
        "fleet",
        "streams.cli.command_fleet:app",
        "See and scale groups of hosts, and put new ones in the place of old ones.",
    ),
    Command(
        "exec",
        "streams.cli.command_exec:exec_",
        "Run a command, or a shell, beside a running task and confined as the task.",
    ),
    Command(
        "secret",
        "streams.cli.command_secret:app",
        "Seal secrets, and make, list and destroy the keys that they are sealed with.",
    ),
    Command(
        "token",
        "streams.cli.command_token:app",
        "Make, list and remove tokens and grants: who may do what.",
    ),
    Command(
        "webhook",
        "streams.cli.command_webhook:app",
        "Add, show, try, pause and remove receivers of events of jobs.",
    ),
    Command(
        "alerts",
        "streams.cli.command_alerts:app",
        "See what fires, check rules, try receivers, silence and acknowledge.",
    ),
    Command(
        "slo",
        "streams.cli.command_slo:slo",
        "Show the three objectives: budgets, what is left of them, how fast they burn.",
    ),
    Command(
        "sbom",
        "streams.cli.command_sbom:sbom_command",
        "List all that flumina is built of, with hashes, as CycloneDX.",
    ),
    Command(
        "blackbox",
        "streams.cli.command_blackbox:app",
        "Try a cell from outside, the whole way to a task's output, and page by itself.",
    ),
    Command(
        "history",
        "streams.cli.command_history:history",
        "Archive every topic to the store, in the foreground.",
    ),
    Command(
        "upgrade",
        "streams.cli.command_upgrade:app",
        "Show who reads a cell's log, and what an upgrade waits for.",
    ),
    Command(
        "snapshots",
        "streams.cli.command_snapshots:app",
        "List, take, prove and restore snapshots; rehearse a new build on them.",
    ),
    Command(
        "archive",
        "streams.cli.command_archive:app",
        "List, prove and export what was archived.",
    ),
    Command(
        "query",
        "streams.cli.command_query:query",
        "Ask a stream of events in MQL.",
    ),
    Command(
        "query serve",
        "streams.cli.command_query_serve:serve",
        "Serve live queries and the console in the foreground.",
    ),
    Command(
        "dashboard",
        "streams.cli.command_dashboard:app",
        "List, show and check dashboards, which are files.",
    ),
    Command(
        "stream",
        "streams.cli.command_stream:app",
        "Start, list and stop queries that run for ever, and save queries by name.",
    ),
    Command(
        "sql",
        "streams.cli.command_sql:sql",
        "Ask all of history in SQL.",
    ),
    Command(
        "dev-cluster",
        "streams.cli.dev_cluster:app",
        "A Mesos-compatible master and agents that really run tasks, for development.",
    ),
    Command(
        "simulate",
        "streams.cli.command_simulate:simulate",
        "Run a trace through placement policies, and compare what comes of it.",
    ),
    Command(
        "simulate cells",
        "streams.cli.command_simulate_cells:simulate_cells",
        "Launch the mix in many simulated cells behind the federation's front.",
    ),
    Command(
        "simulate faults",
        "streams.cli.command_simulate_faults:faults",
        "Run a whole cell through a seeded bad day, and check every promise it makes.",
    ),
    Command(
        "federation",
        "streams.cli.command_federation:app",
        "Serve several cells at one address; show and set by which rules.",
    ),
    Command(
        "failover",
        "streams.cli.command_failover:failover",
        "Move a region's services to the other regions, packed, and back.",
    ),
    Command(
        "failover drill",
        "streams.cli.command_failover_drill:failover_drill",
        "Let a region's tasks come to a fleet that was spread, in made-up time.",
    ),
    Command("bench", "streams.cli.command_bench:bench", "Run the benchmarks of this checkout."),
    Command("load", "streams.cli.command_load:load", "Drive a million launches through a cell."),
    Command(
        "topics",
        "streams.cli.command_topics:app",
        "Create the topics of an installation, and say where they are not as they have to be.",
    ),
    Command(
        "test",
        "streams.cli.run_tests:run_tests",
        "Run the tests of this checkout; all arguments go to pytest.",
        takes_all_words=True,
    ),
)

NOT_OF_A_CELL: Final = frozenset(
    {
        *("up", "demo", "drill", "cell", "usage", "dev-cluster", "simulate", "simulate faults"),
        *("simulate cells", "load"),
        *("bench", "test", "federation", "failover", "failover drill", "topics", "acl"),
        *("scale backtest", "token", "run"),
    }
)
"""Commands about a whole installation, or about none; all others take `--cell`."""

ALL_WORDS = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name, and leave with its exit code."""
    completed = words_to_complete(os.environ)
    words = with_pair(sys.argv[1:] if arguments is None else arguments)
    try:
        app = app_for(words) if completed is None else app_for(completed, is_whole=True)
        app(args=words, prog_name="flumina")
    except OperatorError as error:
        _leave(error, is_json="--json" in words)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        full = OperatorError(
            f"{error.filename or 'The output'} cannot be written: {error.strerror}.",
            "The file system is full, or a quota is used up.",
            "Make room, or write elsewhere.",
        )
        _leave(full, is_json="--json" in words)
    except Exception as error:
        refusal = _refused_by_kafka(error)
        if refusal is None:
            raise
        _leave(refusal, is_json="--json" in words)
    except KeyboardInterrupt:
        # While a command is imported, which takes longer than some of them run.
        sys.exit(EXIT_INTERRUPTED)
    except SystemExit as left:
        # Words that no command takes: Typer has told a person, and a machine is told here.
        told = getattr(left.__context__, "format_message", None)
        if told is not None and "--json" in words:
            _print_error(str(told()), "The command line has a mistake.", _LOOK, EXIT_MISUSED)
        raise


def _refused_by_kafka(error: Exception) -> OperatorError | None:
    """What Kafka's access control refused; None for any other fault."""
    if "aiokafka" not in sys.modules:
        return None  # Who has not spoken to Kafka was not refused by it.
    from streams.kafka.refusals import not_allowed  # noqa: PLC0415 - half a second

    cause: BaseException = error
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    return not_allowed(cause)


_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_LOOK: Final = "Add --help to see what the command takes."
EXIT_MISUSED: Final = 2
EXIT_INTERRUPTED: Final = 130


def _leave(error: OperatorError, *, is_json: bool) -> NoReturn:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text.assemble(("flumina: ", "bold red"), error.what))
    if more := f"{error.cause} {error.remedy}".strip():
        console.print(Text(more))
    if is_json:
        _print_error(error.what, error.cause, error.remedy, error.exit_code)
    sys.exit(error.exit_code)


def _print_error(what: str, cause: str, remedy: str, exit_code: int) -> None:
    told = {"error": what, "cause": cause, "remedy": remedy, "exitCode": exit_code}
    try:
        print(json.dumps(told), flush=True)
    except OSError:
        # Standard output is what could not be written, or is closed: a person has been told.
        return


COMPLETED: Final = ("_TYPER_COMPLETE_ARGS", "COMP_WORDS")
"""Where shells write the line that they complete, as Typer has them do."""


def words_to_complete(environment: Mapping[str, str]) -> list[str] | None:
    """The words behind ``flumina`` of the line that a shell completes; None where none does."""
    if "_FLUMINA_COMPLETE" not in environment:
        return None
    line = next((environment[name] for name in COMPLETED if name in environment), "")
    return line.split()[1:]


def with_pair(words: Sequence[str]) -> list[str]:
    """The words, the first two of them as one where that is a command's name.

    A command of two words stands beside the one of the first. A job may have the second for its
    name: a size behind it says that the job is meant, as in `scale backtest 8`.
    """
    pair = " ".join(words[:2])
    is_job = words[:1] == ["scale"] and _names_size(words[2:])
    if len(words) > 1 and not is_job and any(command.name == pair for command in COMMANDS):
        return [pair, *words[2:]]
    return list(words)


def _names_size(words: Sequence[str]) -> bool:
    """Whether a new size or bound stands here, which no other command takes."""
    return any(
        each.isdecimal() or each in {"--min", "--max"} or each.startswith(("--min=", "--max="))
        for each in words[:1]
    )


def app_for(words: Sequence[str], *, is_whole: bool = False) -> typer.Typer:
    """The command line, with the one command imported that these words name.

    The others have their names and helps only, and that only where somebody may see them: where
    the words do not begin with a command, or are to be completed (``is_whole``).
    """
    app = typer.Typer(
        help="An event-sourced control plane for containers.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    app.callback()(_root)
    named = next((word for word in words if not word.startswith("-")), None)
    is_alone = not is_whole and words[:1] == [named]
    is_alone = is_alone and any(command.name == named for command in COMMANDS)
    for command in COMMANDS:
        if command.name == named:
            _add(app, command)
        elif not is_alone:
            app.command(command.name, help=command.help)(_not_imported)
    return app


def _add(app: typer.Typer, command: Command) -> None:
    target = load(command)
    if command.name not in NOT_OF_A_CELL:
        target = app_with_cell(target) if isinstance(target, typer.Typer) else with_cell(target)
    if isinstance(target, typer.Typer):
        app.add_typer(target, name=command.name)
    elif command.takes_all_words:
        app.command(command.name, context_settings=ALL_WORDS)(target)
    elif command.takes_times_ago:
        app.command(command.name, context_settings={"ignore_unknown_options": True})(target)
    else:
        app.command(command.name)(target)


def load(command: Command) -> typer.Typer | Callable[..., None]:
    """The function or the `typer.Typer` that a row names."""
    module, _, name = command.target.partition(":")
    target: typer.Typer | Callable[..., None] = getattr(import_module(module), name)
    return target


def _not_imported() -> None:
    raise AssertionError("the help of a command that was not asked for is all there is of it")


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"flumina {metadata.version('flumina')}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_print_version),
    ] = False,
) -> None:
    """Every submission, offer, state change and decision is a Kafka event."""


if __name__ == "__main__":
    main()
