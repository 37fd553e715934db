"""Running drills: a Kafka for all of them, an installation for each, a report, nothing left behind.

The one thing to know: drills refuse an environment that names a Kafka, a Mesos or a store. What is
hurt was brought up here a moment ago, and nobody depends on it.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from rich.console import Console

from streams.cli.demo_screen import Screen
from streams.drills import looks
from streams.drills.drill import Drill, Options
from streams.drills.installation import Installation
from streams.drills.promises import Report
from streams.drills.stage import Stage
from streams.errors import OperatorError
from streams.kafka.embedded import EmbeddedKafka
from streams.settings import Settings

FOREIGN: Final = {
    "kafka_brokers": "KAFKA_BROKERS",
    "mesos_masters": "MESOS_MASTER",
    "store_url": "FLUMINA_STORE",
}
"""Settings that name something that is not the drill's own."""


def refuse_production(settings: Settings) -> None:
    """Return if nothing of somebody else's is named; raises `OperatorError` else."""
    named = [name for field, name in FOREIGN.items() if getattr(settings, field) is not None]
    if named:
        raise OperatorError(
            f"{' and '.join(named)} {'is' if len(named) == 1 else 'are'} set.",
            "A drill ends processes and spoils data on purpose, so it runs only on an "
            "installation that it brings up itself.",
            f"Unset {' and '.join(named)} for this command: env {_unset(named)} flumina drill …",
        )


def _unset(names: Sequence[str]) -> str:
    return " ".join(f"-u {name}" for name in names)


class Ground(NamedTuple):
    """Where drills run, who hears of it, and what was chosen."""

    settings: Settings
    data_dir: Path
    console: Console
    options: Options


def run_drills(
    drills: Sequence[Drill], ground: Ground, tell: Callable[[Report], None]
) -> list[Report]:
    """The report of each drill, told as soon as it is over; its directory is deleted if good."""
    reports = []
    settings, data_dir = ground.settings, ground.data_dir
    with EmbeddedKafka(
        data_dir / "kafka", cache_dir=settings.cache_dir, console=ground.console
    ) as kafka:
        for drill in drills:
            # Topics of its own: what another drill has left cannot help or harm.
            own = msgspec.structs.replace(
                settings, kafka_brokers=kafka.bootstrap, topic_prefix=f"{drill.name}."
            )
            report = run_drill(drill, ground._replace(settings=own, data_dir=data_dir / drill.name))
            reports.append(report)
            tell(report)
    if all(each.is_good for each in reports):
        shutil.rmtree(data_dir)
    return reports


def run_drill(drill: Drill, ground: Ground) -> Report:
    """The report of one drill on an installation of its own, which has ended by then."""
    stage = Stage(drill.name, drill.promises, Screen(ground.console))
    stage.step(f"{drill.name}: {drill.what}", "bold")
    data_dir = ground.data_dir
    here = Installation(drill.wanted(ground.options), ground.settings, data_dir, ground.console)
    try:
        fault = _fault_of(drill, stage, here, ground.options)
        _hold(stage, here, ground.options.hold_s, "it is over")
    finally:
        here.stop()
    report = stage.report(fault, str(data_dir))
    if report.is_good:
        shutil.rmtree(data_dir)
        return msgspec.structs.replace(report, data_dir="")
    return report


def _fault_of(drill: Drill, stage: Stage, here: Installation, options: Options) -> str:
    """Bring everything up and go through the drill; why it could not go on, or nothing."""
    try:
        here.start(lambda part, address, _: stage.step(f"{part}: {address}", "dim"))
        stage.ready("a leader", lambda: looks.led(here))
        _hold(stage, here, options.hold_s, "it begins")
        drill.go(stage, here, options)
    except OperatorError as error:
        return str(error)
    return ""


def _hold(stage: Stage, here: Installation, hold_s: float, what: str) -> None:
    """Leave everything as it is for so long, if it is wanted, and say where it is looked at."""
    if hold_s:
        where = here.view.console or "nowhere: it never listened"
        stage.step(f"In {hold_s:.0f} s {what}; the console is {where}", "bold")
        time.sleep(hold_s)
