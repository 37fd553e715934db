"""Plug-ins: constraints and fitness functions of others, found by their entry points.

The one thing to know: the policy names each by distribution and version, and exactly that one is
loaded or none. A cell without it places nothing and says which package is missing; a replay that
would have to decide again refuses. The entry points are in the groups `flumina.fitness` and
`flumina.constraints`, and each is a plain function of a request and a host (see
`scheduler.placement.plugins`).
"""

import importlib
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any, Final

import structlog

from scheduler.machine import Machine, Refusal
from scheduler.model.rules import Plugin
from scheduler.placement.plugins import Plugins
from streams.clock import elapsed_s
from streams.policy_file.installed import GROUPS, Kind

logger = structlog.get_logger(__name__)

AGAIN_S: Final = 5.0
"""A package that was missing is looked for again after so long: it may be installed by then."""


class PluginMissing(Refusal):
    """What the rules name is not what is installed here; says which, and what to do."""


def loaded(wanted: Iterable[Plugin]) -> Plugins:
    """The functions that the rules name; raises `PluginMissing` where one is not that very one."""
    functions: dict[Kind, dict[str, Callable[..., Any]]] = {"fitness": {}, "constraint": {}}
    for each in wanted:
        functions[each.kind][each.name] = _function(each)
    return Plugins(fitness=functions["fitness"], constraints=functions["constraint"])


def _function(wanted: Plugin) -> Callable[..., Any]:
    install = f"`pip install '{wanted.distribution}=={wanted.version}'`"
    what = f"{wanted.kind} {wanted.name} of {wanted.distribution} {wanted.version}"
    importlib.invalidate_caches()
    here = [
        each
        for each in metadata.entry_points(group=GROUPS[wanted.kind], name=wanted.name)
        if each.dist is not None and _same(each.dist.name, wanted.distribution)
    ]
    versions = sorted({each.dist.version for each in here if each.dist is not None})
    if not versions:
        raise PluginMissing(f"the rules name {what}, which is not installed here; {install}")
    if versions != [wanted.version]:
        there = ", ".join(versions)
        raise PluginMissing(f"the rules name {what}, and {there} is installed here; {install}")
    begun = _LOADED.setdefault(wanted.distribution, wanted.version)
    if begun != wanted.version:
        raise PluginMissing(
            f"the rules name {what}, and this process has loaded {begun} of it before; start the "
            "process again"
        )
    try:
        function = here[0].load()
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise PluginMissing(f"{what} cannot be loaded ({why}); mend it, or {install}") from error
    if not callable(function):
        raise PluginMissing(f"{what} is {type(function).__name__} and no function; see its package")
    found: Callable[..., Any] = function
    return found


_LOADED: Final[dict[str, str]] = {}
"""Versions of distributions whose code this process has imported: Python keeps the first."""


def _same(left: str, right: str) -> bool:
    """Whether two names of distributions are one, as pip compares them."""
    return left.lower().replace("_", "-") == right.lower().replace("_", "-")


class Equipment:
    """Hands a machine the plug-ins of its rules, and pages once where it cannot."""

    def __init__(self) -> None:
        self._failed: tuple[Plugin, ...] = ()
        self._again_at_s = 0.0
        self.why_not = ""
        """Why the cell places nothing now; empty while it may."""

    def equip(self, machine: Machine) -> None:
        """Let the machine place by its rules' plug-ins, if they are what is installed here."""
        wanted = machine.state.policy.placement.plugins
        if machine.equipped_with == wanted:
            self.why_not, self._failed = "", ()
            return
        if self._failed == wanted and elapsed_s() < self._again_at_s:
            return
        self._again_at_s = elapsed_s() + AGAIN_S
        try:
            plugins = loaded(wanted)
        except PluginMissing as error:
            if self._failed != wanted or self.why_not != str(error):
                logger.critical("placement pauses: a plug-in is missing", page=True, why=str(error))
            self._failed, self.why_not = wanted, str(error)
            return
        machine.equip(wanted, plugins)
        self.why_not, self._failed = "", ()
