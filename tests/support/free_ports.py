"""Free ports in a row: the agents of a dev cluster listen right behind their master."""

from streams.kafka.ports import free_ports, is_free

ATTEMPTS = 100


def free_block(count: int) -> int:
    """The first of ``count`` free ports in a row."""
    for _ in range(ATTEMPTS):
        (first,) = free_ports(1)
        if first + count < 65_536 and all(is_free(first + more) for more in range(1, count)):
            return first
    raise AssertionError(f"no {count} free ports in a row")
