"""All parsers, and their found inputs.

The one thing to know: a new reader of foreign bytes is a row in one of `tests.fuzz.parsers`; an
input that once broke one is a file in ``corpus/NAME/`` and is tried for ever.
"""

from pathlib import Path
from typing import Final

from tests.fuzz.parser import Parser
from tests.fuzz.parsers import (
    of_access,
    of_answers,
    of_files,
    of_jobs,
    of_mesos,
    of_neighbours,
    of_operators,
    of_queries,
    of_rules,
    of_secrets,
    of_tasks,
    of_the_log,
)

CORPUS: Final = Path(__file__).parent / "corpus"
PARSERS: Final[tuple[Parser, ...]] = (
    *of_the_log.PARSERS,
    *of_mesos.PARSERS,
    *of_jobs.PARSERS,
    *of_rules.PARSERS,
    *of_queries.PARSERS,
    *of_files.PARSERS,
    *of_answers.PARSERS,
    *of_access.PARSERS,
    *of_secrets.PARSERS,
    *of_tasks.PARSERS,
    *of_neighbours.PARSERS,
    *of_operators.PARSERS,
)


def found_inputs(parser: Parser) -> dict[str, bytes]:
    """What broke the parser once, by file name."""
    folder = CORPUS / parser.name
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return {each.name: each.read_bytes() for each in files}
