"""Constraints and fitness functions of others, as the index of hosts takes them.

The one thing to know: a plug-in is one plain function of a request and a host, nothing else. It
never loads itself: whoever makes a `Placement` hands it over, under the name that the rules give
it. One that raises fails the request it was asked about, in its own words, and no other.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from scheduler.placement.host import HostView
from scheduler.placement.request import Request

FitnessFunction = Callable[[Request, HostView], int]
"""How well the host suits one more task of the request: 0 to 1,000; more or less is cut off."""
ConstraintFunction = Callable[[Request, HostView], str]
"""What the host lacks for the request, in words; empty where it may have it."""


class Plugins(msgspec.Struct, frozen=True):
    """Functions of others by the names that the rules use."""

    fitness: Mapping[str, FitnessFunction] = MappingProxyType({})
    constraints: Mapping[str, ConstraintFunction] = MappingProxyType({})


NO_PLUGINS: Final = Plugins()


class PluginFailed(Exception):
    """A function of others raised; the request that it was asked about is not placed."""

    def __init__(self, name: str, fault: Exception) -> None:
        super().__init__(f"{name} raised {type(fault).__name__}: {fault}")
        self.name = name
        self.said = f"raised {type(fault).__name__}: {fault}"
