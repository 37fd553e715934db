"""The operator's guide, run as it stands: deploy, break, diagnose, lose everything, restore.

Every command of `docs/operating.md` and `docs/backup-and-restore.md` is run in one shell, in their
order, on a real Kafka and on agents that really run tasks; what each prints is held against what
the page says. The pages compare the digests and the tasks before and after by their own commands.
"""

import os
import sys
from pathlib import Path
from typing import Final

import pytest

from streams.supervise.ports import free_block
from tests.processes import wait_until
from tests.support.command_line import ROOT, environment, processes_naming
from tests.support.guide import blocks_of, missing_lines, run_guide

pytestmark = pytest.mark.integration

PAGES: Final = ("operating.md", "backup-and-restore.md")
GUIDE_S_MAX: Final = 480.0
"""It took 222 s on two cores with a load of 8, and more than 300 s with one of 20."""
PORTS: Final = 3
"""A master's and two agents'."""


def _program(directory: Path) -> Path:
    """A directory with ``flumina`` in it, as an installation would put it on the path."""
    directory.mkdir()
    program = directory / "flumina"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m streams.cli.main "$@"\n', "utf-8")
    program.chmod(0o755)
    return directory


def test_a_reader_of_the_guide_deploys_breaks_diagnoses_and_restores(tmp_path: Path) -> None:
    blocks = [each for page in PAGES for each in blocks_of(ROOT / "docs" / page)]
    own = environment(
        tmp_path,
        PATH=f"{_program(tmp_path / 'bin')}:{os.environ['PATH']}",
        TMPDIR=str(tmp_path),
        PORT=str(free_block(PORTS)),
    )
    ran = run_guide(blocks, ROOT, own, GUIDE_S_MAX)
    wait_until(lambda: not processes_naming(str(tmp_path)), "everything has ended", 60)
    assert ran.exit_code == 0, f"{blocks[len(ran.outputs) - 1].where}\n{ran.outputs[-1]}"
    assert len(ran.outputs) == len(blocks)
    missing = {
        each.where: (lines, output)
        for each, output in zip(blocks, ran.outputs, strict=True)
        if (lines := missing_lines(each, output))
    }
    assert not missing
