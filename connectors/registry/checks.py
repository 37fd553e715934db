"""How strictly an image's tag is looked up: a setting of the edge.

The one thing to know: it is a module of its own, so that whoever reads settings imports nothing.
"""

from typing import Final, Literal

Check = Literal["off", "soft", "hard"]
"""Not at all; where the registry answers; or else the job is refused."""
CHECKS: Final[tuple[Check, ...]] = ("off", "soft", "hard")
