"""Random questions over the whole grammar: the engine of Mantis and ours answer the same.

The one thing to know: what differs and is not in the table of docs/mql.md fails, with the question
that shows it. Without Java, Maven or Maven Central the tests skip with that reason.
"""

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.contract.mql.differences import OTHER_PLACE, difference, ours
from tests.contract.mql.engine import Engine, EngineMissing
from tests.contract.mql.questions import Questions

pytestmark = pytest.mark.integration

SHOWN = 5
OTHER_PLACES_MAX = 0.02
"""Of what both refuse: where the engine's grammar reads a word in several ways, it names the
furthest that any of them came (.01 measured)."""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """The engine at work."""
    try:
        with Engine() as running:
            yield running
    except EngineMissing as missing:
        pytest.skip(str(missing))


def test_some_hundred(engine: Engine) -> None:
    compare(engine, seed=20_261_122, count=600)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_twenty_thousand(engine: Engine, seed: int) -> None:
    compare(engine, seed=seed, count=2_000)


def compare(engine: Engine, *, seed: int, count: int) -> None:
    """Ask both; fails with the first questions to which the answers differ."""
    questions = Questions(seed)
    kinds: Counter[str] = Counter()
    faults: list[str] = []
    for _ in range(count):
        question = questions.next()
        theirs, mine = engine.ask(question), ours(question)
        kinds[next(iter(theirs))] += 1
        kinds["with rows"] += bool(theirs.get("rows"))
        found = difference(question, theirs, mine)
        if found == OTHER_PLACE:
            kinds[found] += 1
        elif found:
            told = (json.dumps(each, ensure_ascii=False) for each in (question, theirs, mine))
            faults.append("\n  ".join((found, *told)))
    assert not faults, "\n".join([f"{len(faults)} of {count}, seed {seed}:", *faults[:SHOWN]])
    assert kinds[OTHER_PLACE] <= OTHER_PLACES_MAX * kinds["refused"], kinds
    # A generator that asks nothing sensible would find no difference either.
    assert kinds["with rows"] > 0.2 * count, kinds
