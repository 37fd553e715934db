"""What tests share: one Kafka for each process of tests, and names that no other test uses.

A test that stops or kills its broker takes `own_kafka` instead of `kafka`.
"""

import faulthandler
import gc
import itertools
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest
import structlog
from hypothesis import settings

from streams.kafka.embedded import EmbeddedKafka
from tests.support.quick import (
    end_servers_at_once,
    is_left_out,
    is_quick,
    is_random,
    leave_out_what_is_slow,
    look_less_often,
    mark_who_starts_others,
    report_less,
    take_fewer_examples,
    take_more_examples,
)
from tests.support.second_try import fail_if_many, only_who_starts_processes
from tests.support.spread import give_own_ports, spread

# Tests start hundreds of processes. Where Python is told to keep no compiled modules, each of them
# compiles a thousand files anew, which is more than all else that it does.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# It makes 38 grammars when jsonschema imports it, in every process of tests, for two formats of
# strings (IRIs) that no schema of ours has. None is Python's word for what is not to be imported.
sys.modules.setdefault("rfc3987_syntax", cast("ModuleType", None))

# How long an example takes says nothing while other processes compute. The same tree draws the same
# examples; `FLUMINA_TESTS_EXAMPLES` draws others.
settings.register_profile("here", deadline=None, derandomize=not is_random())
settings.load_profile("here")

_numbers = itertools.count(1)
_session = uuid.uuid4().hex[:8]


def pytest_configure() -> None:
    """Keep the ports of several processes of tests apart, and what is logged plain."""
    give_own_ports()
    # By default a traceback is drawn with frames, colours and locals: a tenth of a second for each
    # exception that is logged as it should be.
    for each in structlog.get_config()["processors"]:
        if isinstance(each, structlog.dev.ConsoleRenderer):
            each.exception_formatter = structlog.dev.plain_traceback


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave alone what the marks leave out as a whole: reading it takes longer than many tests."""
    return True if is_quick(config) and is_left_out(collection_path) else None


@pytest.hookimpl(tryfirst=True)  # Before those are left out whose marks are not wanted.
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The quick tests draw fewer examples of what holds for all; CI may try some again."""
    mark_who_starts_others(items)
    only_who_starts_processes(config, items)
    leave_out_what_is_slow(items)
    take_more_examples(items)
    if is_quick(config):
        take_fewer_examples(items)
        look_less_often()
        end_servers_at_once()
        report_less(config)


def pytest_collection_finish() -> None:
    """Have the collector of garbage leave alone what lives as long as all tests.

    That is some millions of objects, which each full collection would look through again.
    """
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run in which many tests needed a second try has failed."""
    fail_if_many(session)


@pytest.fixture(autouse=True)
def _logs_stay_as_they_are() -> Iterator[None]:
    """A command that a test runs in this process may log less; the next test hears all again."""
    before = structlog.get_config()
    yield
    if structlog.get_config() != before:
        structlog.configure(**before)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A soak may take longer than what is taken for a test that hangs."""
    if item.get_closest_marker("soak"):
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Spread the tests as `tests.support.spread` says, whatever `--dist` does."""
    return spread(config, log)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of this process' broker, or of `KAFKA_BROKERS` if that is set."""
    if others := os.environ.get("KAFKA_BROKERS"):
        yield others
    else:
        with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as broker:
            yield broker.bootstrap


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker for this test alone, not started yet; stopped whatever the test did to it."""
    broker = EmbeddedKafka(tmp_path / "kafka")
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def unique_name() -> str:
    """A name for this test's cell, group or job, unlike any before on the same broker."""
    return f"t{_session}-{next(_numbers)}"


@pytest.fixture
def topic_prefix(unique_name: str) -> str:
    """A prefix for this test's topics, so that one broker serves all tests apart."""
    return f"{unique_name}."
