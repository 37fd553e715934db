"""How large a query, and what it remembers, may become.

The one thing to know: a query is a stranger's program that runs beside everybody else's. Whatever
it asks ends in an error that names the limit, or in counted drops; never in memory that grows.
"""

from typing import Final

QUERY_CHARACTERS_MAX: Final = 65_536
DEPTH_MAX: Final = 64
"""Of conditions within conditions."""
PARTS_MAX: Final = 1_000
"""Of operands, conditions, items of a list."""
STEPS_MAX: Final = 32
"""Of one path."""
WINDOW_S_MAX: Final = 86_400.0
WINDOW_EVENTS_MAX: Final = 1_000_000
GROUPS_MAX: Final = 100_000
"""Of one window; events of further groups are dropped and counted."""
ROWS_HELD_MAX: Final = 1_000_000
"""Events or rows that a window, an order without one, or a join may hold."""
PAIRS_MAX: Final = 10_000
"""Of one event with those of a joined stream."""
SUBSCRIPTIONS_MAX: Final = 10_000
"""Of one stream."""
PATTERN_CHARACTERS_MAX: Final = 1_000
"""Matching takes time linear in the text, times the pattern's length."""
PATTERN_BYTES_MAX: Final = 8 * 1024 * 1024
"""What a compiled pattern may take."""
