"""A part of an installation as a process: what `flumina up` starts beside a cell and its api."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.support.api_process import ApiProcess
from tests.support.world import World


@contextmanager
def part_running(
    words: list[str], world: World, api: ApiProcess, variables: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """The process of ``flumina WORDS`` for this world, ready; it is ended afterwards."""
    told = {
        "KAFKA_BROKERS": world.kafka,
        "FLUMINA_TOPIC_PREFIX": world.prefix,
        "FLUMINA_API": f"http://{api.address}",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", *words],
        env={**os.environ, **told, **(variables or {})},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("ready ")
        yield process
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()
