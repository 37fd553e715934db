"""A query that cannot be read is refused at the word that is wrong, and in words that say why."""

import pytest

from projections.query.parser import parse
from projections.query.scanner import QueryError
from projections.query.syntax import Anomaly, Join, Path

SAMPLE = "select a sample "
OTHER = "{'strategy':'RPS','threshold':1,"


@pytest.mark.parametrize(
    ("mql", "at", "says"),
    [
        # Streams and joins.
        ("select a from b, ,c", ",c", "Expected one of the name of a stream"),
        ("select a from b join c 0 seconds on x", "0 s", "whole seconds, 1 to 86400"),
        ("select a from b join c 1.5 seconds on x", "1.5", "whole seconds, 1 to 86400"),
        ("select a from b join c 86401 seconds on x", "86401", "whole seconds, 1 to 86400"),
        ("select a from b join c 5 minutes on x", "minutes", "Expected one of SECONDS, seconds"),
        ("select a from b join c 5 seconds x", "x", "Expected one of ON, on"),
        # Windows.
        ("select a from b window |5 group by c", " group", "Expected one of |"),
        ("select a from b window |0|", "|0|", "A window counts 1 to 1000000 events"),
        ("select a from b window |1.5|", "|1.5|", "A window counts 1 to 1000000 events"),
        ("select a from b window |1000001|", "|1000001|", "A window counts 1 to 1000000 events"),
        # Anomalies.
        ("select a from b anomaly zscore a 5 3", "zscore", "Expected one of mad, MAD"),
        ("select a from b anomaly mad a 0 3", "0 3", "looks at 1 to 1000000 values"),
        ("select a from b anomaly mad a 1000001 3", "1000001", "looks at 1 to 1000000 values"),
        ("select a from b anomaly mad a 5 -1", "5 -1", "and deviations from 0"),
        # Negations and parentheses.
        ("select !tick() from b", "!tick", "Only a property or a constant can be negated"),
        ("select a where not tick() == 1", "not", "Only a property or a constant can be neg"),
        ("select a from b group by !", "!", "Expected one of a property"),
        # Samples.
        (SAMPLE + "101 %", "101", "A share is 0 to 100 %"),
        (SAMPLE + "nothing", "nothing", "Expected one of a number, {..}"),
        (SAMPLE + "{'a':}", "{", "The sample's configuration is no JSON: Expecting value"),
        (SAMPLE + OTHER + "'rate':0,'age':1}", "{", "has no age, rate; it has extrapolate, fac"),
        (SAMPLE + "{'strategy':'ALL','threshold':1}", "{", "is one of RANDOM, STICKY, RPS"),
        (SAMPLE + "{'strategy':'RPS'}", "{", "The sample has no threshold"),
        (SAMPLE + "{'strategy':'RPS','threshold':-1}", "{", "threshold is a number from 0"),
        (SAMPLE + "{'strategy':'RPS','threshold':true}", "{", "threshold is a number from 0"),
        (SAMPLE + OTHER + "'factor':0}", "{", "The sample's factor is a number from 1"),
        (SAMPLE + OTHER + "'keys':'a'}", "{", "The sample's keys are a list of names"),
        (SAMPLE + OTHER + "'keys':[1]}", "{", "The sample's keys are a list of names"),
        (SAMPLE + "{'strategy':'STICKY','threshold':1}", "{", "A STICKY sample needs keys"),
        (SAMPLE + OTHER + "'salt':1.5}", "{", "The sample's salt is a whole number"),
        (SAMPLE + OTHER + "'salt':true}", "{", "The sample's salt is a whole number"),
        (SAMPLE + OTHER + "'extrapolate':1}", "{", "The sample's extrapolate is true or false"),
    ],
)
def test_a_word_that_is_wrong_is_named_where_it_stands(mql: str, at: str, says: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(mql)
    assert says in caught.value.what
    assert caught.value.position == mql.index(at)
    assert caught.value.column == mql.index(at) + 1


@pytest.mark.parametrize(
    ("mql", "says"),
    [
        (
            "select a from b where (a == 1",
            "Expected one of whitespace, AND, and, &&, OR, or, ||, )",
        ),
        ("select a sample 5", "Expected one of whitespace, %"),
        ("select a from b window |5", "Expected one of |"),
    ],
)
def test_what_ends_too_early_says_what_could_have_followed(mql: str, says: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(mql)
    assert caught.value.what == says
    assert caught.value.position == len(mql)


def test_the_least_and_the_most_that_are_taken_are_taken() -> None:
    query = parse("select a from b join c 86400 seconds on x anomaly MAD a 1 0")
    assert query.joins == (Join(("c",), 86_400, Path(("x",))),)
    assert query.anomaly == Anomaly(Path(("a",)), 1, 0)


def test_a_sample_of_words_has_what_it_does_not_say_by_default() -> None:
    sample = parse(SAMPLE + "{'strategy':'STICKY','threshold':3,'keys':['a','b'],'salt':7}").sample
    assert sample is not None
    assert (sample.strategy, sample.threshold, sample.factor) == ("STICKY", 3, 10_000)
    assert (sample.keys, sample.salt, sample.extrapolate) == (("a", "b"), 7, False)
    share = parse(SAMPLE + "2.5 %").sample
    assert share is not None
    assert (share.strategy, share.threshold, share.factor) == ("RANDOM", 250, 10_000)
