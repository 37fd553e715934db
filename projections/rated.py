"""The size that a cell is rated for: numbers by which its door refuses and its alert is raised."""

from typing import NamedTuple


class Rated(NamedTuple):
    """How large a cell may be; 0 is no limit."""

    hosts: int = 0
    tasks: int = 0
    """Of its unfinished jobs, ended ones included until their job ends: what its memory holds."""
    launches_per_s: int = 0
    """Asked for, on average over a minute."""
