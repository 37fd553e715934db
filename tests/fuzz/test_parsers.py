"""No bytes of others crash, hang or swell what reads them: planted, found and made inputs.

How: each parser of `tests.fuzz.catalogue` is given its planted inputs (fault row 35's kinds), every
input that once broke it, and some made ones; it may refuse, with its own errors only, within a
second of processor time. The soak gives a million made inputs, each parser in a process whose
memory is bounded.
"""

import gc
import json
import random
import subprocess
import sys
import time

import pytest

from tests.fuzz.campaign import campaign
from tests.fuzz.catalogue import CORPUS, PARSERS, found_inputs
from tests.fuzz.mutate import spoilt
from tests.fuzz.parser import Failure, Parser, Refused, tried
from tests.fuzz.planted import REFUSED_MIN, planted

MADE = 12
"""Inputs that are made for each parser here; the soak makes a million."""
PEAK_MIB_MAX = 1_024
SOAK_INPUTS = 1_000_000
ALL = pytest.mark.parametrize("parser", PARSERS, ids=lambda each: each.name)


@ALL
def test_what_is_good_is_taken(parser: Parser) -> None:
    for data in parser.samples:
        assert not tried(parser, data).is_refused, data[:300]


@ALL
def test_made_and_found_inputs_are_taken_or_refused(parser: Parser) -> None:
    account, failures = campaign(parser, MADE, seed=10, with_planted=False)
    assert not failures, failures[0]
    made = MADE if parser.has_made else 0
    assert account.inputs == made + len(found_inputs(parser))


@ALL
def test_what_json_decoders_raise_beside_their_own_errors_is_refused_too(parser: Parser) -> None:
    """The three that were missed in 47 files: brackets without end, no UTF-8, half a pair."""
    half = parser.samples[0][: len(parser.samples[0]) // 2]
    for data in (b"[" * 10_000, b'{"a":' * 10_000, half + b"\xff\xfe\xed\xa0\x80", b'["\xff"]'):
        tried(parser, data)


@pytest.mark.soak
@ALL
def test_planted_inputs_are_refused_or_taken(parser: Parser) -> None:
    inputs = dict(planted(parser))
    refused = [name for name, data in inputs.items() if tried(parser, data).is_refused]
    assert parser.tolerant or len(refused) >= REFUSED_MIN, f"only {sorted(refused)} are refused"


@pytest.mark.integration  # Their tens of megabytes take seconds.
def test_each_kind_of_parser_stands_its_planted_inputs() -> None:
    """One parser of each kind in the gate; all of them in the soak."""
    for name in ("job-descriptor-v3", "rate-limits", "event-id", "recordio"):
        parser = next(each for each in PARSERS if each.name == name)
        refused = sum(tried(parser, data).is_refused for _, data in planted(parser))
        assert refused >= REFUSED_MIN, name


def test_parsers_have_names_of_their_own_and_no_corpus_is_without_one() -> None:
    names = [each.name for each in PARSERS]
    assert len(set(names)) == len(names)
    assert {each.name for each in CORPUS.iterdir() if each.is_dir()} <= set(names)


def test_the_same_seed_makes_the_same_inputs() -> None:
    parser = PARSERS[0]
    one, other = (
        [spoilt(parser.kind, parser.samples, chance) for _ in range(50)]
        for chance in (random.Random("a 1"), random.Random("a 1"))
    )
    assert one == other
    assert len(set(one)) > 40


def test_another_error_a_hang_and_an_answer_with_faults_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.fuzz.parser.SECONDS_MAX", 0.1)

    def parse(data: bytes) -> object:
        if data == b"slow":
            began = time.thread_time()
            while time.thread_time() - began < 0.2:
                pass
            return data
        if data == b"refused":
            raise Refused("no")
        assert not gc.isenabled(), "what other tests left is collected on the parser's account"
        return data[5]

    parser = Parser("planted", "text", parse, (), (b"abcdef",))
    assert not tried(parser, b"abcdef").is_refused
    assert tried(parser, b"refused").is_refused
    with pytest.raises(Failure, match="IndexError is none of its errors"):
        tried(parser, b"")
    with pytest.raises(Failure, match="of processor time"):
        tried(parser, b"slow")
    assert gc.isenabled()


@pytest.mark.soak
def test_a_million_made_inputs() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--inputs", str(SOAK_INPUTS), "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    accounts = [json.loads(line) for line in done.stdout.splitlines()]
    failed = [each for each in accounts if each["failures"]]
    assert done.returncode == 0, failed
    assert not failed
    assert sum(each["inputs"] for each in accounts) >= SOAK_INPUTS
    assert max(each["peak_mib"] for each in accounts) < PEAK_MIB_MAX
