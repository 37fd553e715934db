"""Java's memory of a start: made once, and never in the way when it is damaged or missing."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from streams.kafka.embedded import EmbeddedKafka
from streams.kafka.installation import Installation, ensure_installed
from streams.kafka.start_cache import ensure_start_cache
from streams.setting_rows.keeping import default_cache_dir

pytestmark = pytest.mark.integration


@pytest.fixture
def private(tmp_path: Path) -> Installation:
    """An installation of this test's own, whose jars are those of the computer's cache."""
    shared = ensure_installed(default_cache_dir())
    jars_dir = shared.jars[0].parent
    home = tmp_path / "cache" / "kafka" / shared.version
    home.mkdir(parents=True)
    (home / jars_dir.name).symlink_to(jars_dir)
    return ensure_installed(tmp_path / "cache")


def test_it_is_made_once_and_leaves_nothing_else(private: Installation) -> None:
    told = Console(file=(heard := StringIO()))
    (private.home / "training-left-by-a-killed-one").mkdir()
    cache = ensure_start_cache(private, told)
    assert cache is not None
    assert cache.stat().st_size > 10_000_000
    assert {path.name for path in private.home.iterdir()} == {
        cache.name,
        "install.lock",
        private.jars[0].parent.name,
    }
    made_at = cache.stat().st_mtime_ns
    assert ensure_start_cache(private, told) == cache
    assert cache.stat().st_mtime_ns == made_at
    assert heard.getvalue().count("Preparing Kafka for quick starts") == 1


def test_a_broker_starts_with_a_damaged_cache_and_without_one(
    private: Installation, tmp_path: Path
) -> None:
    console = Console(file=StringIO())
    real = ensure_start_cache(ensure_installed(default_cache_dir()), console)
    assert real is not None, "this computer could not make the cache; see its .failed file"
    damaged = private.home / real.name
    damaged.write_bytes(real.read_bytes()[:1_000_000])
    with EmbeddedKafka(tmp_path / "one", cache_dir=tmp_path / "cache", console=console):
        assert damaged.stat().st_size == 1_000_000
    damaged.unlink()
    damaged.with_suffix(".failed").write_text("as if the disk had been full")
    with EmbeddedKafka(tmp_path / "two", cache_dir=tmp_path / "cache", console=console) as kafka:
        assert kafka.is_running
        assert not damaged.exists()
