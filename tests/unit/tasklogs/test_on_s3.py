"""The same output over a real S3 API: parts, a failing store in the middle, and the end."""

from pathlib import Path

from connectors.objects.opening import open_store
from connectors.tasklogs.limits import Limits
from tests.support.task_logs import LogWorld

PART = 8_192


def test_a_log_goes_to_s3_and_comes_back(tmp_path: Path, s3_url: str) -> None:
    limits = Limits(part_bytes_max=PART, host_parts_max=1, file_bytes_max=64 * PART)
    world = LogWorld(tmp_path, limits, open_store(s3_url))
    data = b"".join(i.to_bytes(8) for i in range(5 * PART // 8))
    try:
        for begin, weather in ((0, "good"), (2, "before"), (3, "after"), (4, "good")):
            world.store.weather = weather  # type: ignore[assignment] # one of the three
            world.write("stdout", data[begin * PART : (begin + 1) * PART])
            world.look()
            world.ship()
        # What 1 wrote is missing on purpose: the offsets count what was written.
        data = data[:PART] + data[2 * PART :]
        world.crash()
        world.end()
        world.is_host_gone = True
        assert world.read_all("stdout") == data
        assert world.read_all("stdout", 3 * PART - 5) == data[3 * PART - 5 :]
    finally:
        world.shipper.close()
