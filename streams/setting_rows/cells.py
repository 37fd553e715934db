"""Kafka, cells and their names."""

from collections.abc import Mapping

from streams import setting_texts as texts
from streams.setting_rows.row import Setting

CELLS_MAX = 1_000
REPLICATION_FACTOR_MAX = 15


def default_cell_names(cells: int) -> tuple[str, ...]:
    """The names of so many cells that were given none: ``main``, or ``main-0``, ``main-1``, ..."""
    return ("main",) if cells == 1 else tuple(f"main-{number}" for number in range(cells))


def _cells_meant(environment: Mapping[str, str]) -> int:
    names = environment.get("FLUMINA_CELL_NAMES", "")
    return len(names.split(",")) if names else 1


def _cell_names_meant(environment: Mapping[str, str]) -> tuple[str, ...]:
    text = environment.get("FLUMINA_CELLS", "")
    cells = int(text) if text.isdecimal() and 0 < int(text) <= CELLS_MAX else 1
    own = environment.get("FLUMINA_CELL", "")
    return (own,) if cells == 1 and own else default_cell_names(cells)


def _cell_meant(environment: Mapping[str, str]) -> str:
    names = environment.get("FLUMINA_CELL_NAMES", "")
    first = names.partition(",")[0].strip()
    return first or _cell_names_meant(environment)[0]


CELLS = (
    Setting(
        "KAFKA_BROKERS",
        "kafka_brokers",
        "Kafka to use, host:port with commas between; unset, an embedded one is started",
        lambda _: None,
        texts.addresses,
    ),
    Setting(
        "FLUMINA_WRITE_AT_ONCE",
        "is_writing_at_once",
        "true: a leader writes new kinds of records though a live reader cannot read them, which"
        " then halts; default false: it waits (docs/upgrade.md)",
        lambda _: False,
        texts.truth,
    ),
    Setting(
        "FLUMINA_TOPIC_PREFIX",
        "topic_prefix",
        "what every topic's name begins with, so that several installations share one Kafka",
        lambda _: "",
        texts.topic_prefix,
    ),
    Setting(
        "FLUMINA_CELLS",
        "cells",
        "number of cells, and so of partitions of each topic that belongs to cells",
        _cells_meant,
        texts.whole_number(1, CELLS_MAX),
    ),
    Setting(
        "FLUMINA_CELL_NAMES",
        "cell_names",
        "names of the cells in the order of their partitions, with commas between; default that of"
        " FLUMINA_CELL, and main-0, main-1, ... of several",
        _cell_names_meant,
        texts.cell_names,
    ),
    Setting(
        "FLUMINA_REPLICATION_FACTOR",
        "replication_factor",
        "copies of each partition; unset, 3 where Kafka has three brokers or more, else 1",
        lambda _: None,
        texts.whole_number(1, REPLICATION_FACTOR_MAX),
    ),
    Setting(
        "FLUMINA_CELL",
        "cell",
        "name of the cell that a process or command is about; it stands in every address of its"
        " log; default the first of FLUMINA_CELL_NAMES",
        _cell_meant,
        texts.cell_name,
    ),
    Setting(
        "FLUMINA_CANDIDATE",
        "candidate",
        "name of a cell process, unique and the same at every start; unset, made of the host's",
        lambda _: None,
        texts.candidate,
    ),
)
