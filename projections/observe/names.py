"""The names of the streams of events.

The one thing to know: who only names a stream imports this, and none of what is folded.
"""

from typing import Final, Literal, get_args

Stream = Literal["jobs", "agents", "eviction", "relocation", "scheduler", "membership"]
STREAMS: Final[tuple[Stream, ...]] = get_args(Stream)
