"""Commands that look at every cell where several run and none is named.

The one thing to know: only what reads does so. What is ordered, and what is about one job or one
log, wants its cell named.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from streams.cli.calls import Api
from streams.cli.cell_option import CELL_VARIABLE
from streams.cli.client import ApiConnection
from streams.cli.common import api_here, installation_here, running_here, settings_here
from streams.settings import Settings
from streams.supervise.up_file import CellAddress, UpView


def cells_meant(running: UpView | None) -> tuple[CellAddress, ...]:
    """All cells of what runs, where they are several and none is named; else none."""
    if running is None or len(running.cells) < 2 or os.environ.get(CELL_VARIABLE):
        return ()
    return running.cells


def installations_here(settings: Settings, data_dir: Path | None) -> list[Settings]:
    """The settings of each cell that is meant."""
    cells = cells_meant(running_here(settings, data_dir))
    if not cells:
        return [installation_here(settings, data_dir)]
    base = installation_here(settings, data_dir, is_of_cell=False)
    return [msgspec.structs.replace(base, cell=each.name) for each in cells]


def apis_here(api: str | None, data_dir: Path | None) -> Iterator[tuple[str, Api]]:
    """The name and the API of each cell that is meant; without a name where there is only one."""
    settings = settings_here()
    is_told = api is not None or settings.api_url is not None
    cells = () if is_told else cells_meant(running_here(settings, data_dir))
    if not cells:
        with api_here(api, data_dir) as there:
            yield "", there
    for each in cells:
        with closing(ApiConnection(each.api, settings.actor)) as connection:
            yield each.name, Api(connection)
