"""Which noise is worth a record of the cell's log."""

from connectors.mesos.usage import HostUsage, TaskUsage
from streams.usage.noise import NOISE_STEP, ROUNDS_RETOLD, NoiseNews


def host(noise_milli: int | None, load_1min_milli: int | None = None, name: str = "h") -> HostUsage:
    return HostUsage(
        version=1,
        at_ms=1,
        cell="main",
        host_id=name,
        host=name,
        noise_milli=noise_milli,
        load_1min_milli=load_1min_milli,
        cpus_milli=2_000,
    )


def told(news: NoiseNews, *usages: HostUsage | TaskUsage) -> dict[str, int]:
    """What is told of these figures, and written."""
    found = dict(news.of(usages))
    for host_id, noise_milli in found.items():
        news.was_told(host_id, noise_milli)
    return {str(host_id): noise_milli for host_id, noise_milli in found.items()}


def test_a_change_by_a_tenth_is_told_and_silence_at_once() -> None:
    news = NoiseNews(is_load_counted=False)
    assert told(news, host(NOISE_STEP - 1)) == {}
    assert told(news, host(150), host(0, name="quiet")) == {"h": 150}
    assert told(news, host(249)) == {}
    assert told(news, host(250)) == {"h": 250}
    assert told(news, host(0)) == {"h": 0}
    assert told(news, host(0)) == {}


def test_what_could_not_be_written_is_told_again() -> None:
    news = NoiseNews(is_load_counted=False)
    assert news.of([host(500)])
    assert told(news, host(500)) == {"h": 500}


def test_now_and_then_it_is_told_again() -> None:
    news = NoiseNews(is_load_counted=False)
    count = sum(bool(told(news, host(500))) for _ in range(3 * ROUNDS_RETOLD))
    assert count == 4


def test_load_counts_only_where_it_is_asked_for_and_nothing_better_is_known() -> None:
    busy = host(None, load_1min_milli=8_000)
    assert told(NoiseNews(is_load_counted=False), busy) == {}
    assert told(NoiseNews(is_load_counted=True), busy) == {"h": 750}
    assert told(NoiseNews(is_load_counted=True), host(0, load_1min_milli=8_000)) == {}
    assert told(NoiseNews(is_load_counted=True), host(None)) == {}


def test_figures_of_tasks_say_nothing_of_it() -> None:
    task = TaskUsage(
        version=1, at_ms=1, cell="main", job_id="j", task_id="t", host_id="h", host="h"
    )
    assert told(NoiseNews(is_load_counted=True), task) == {}
