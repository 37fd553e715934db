"""The shortest script that still fails: deeds are left out for as long as it does.

The one thing to know: it is delta debugging (Zeller, Hildebrandt 2002), with the run itself as the
test. A shorter script counts only if it breaks the same promise; another failure is another story.
"""

from collections.abc import Callable

from msgspec.structs import replace

from streams.simulation.script import Deed, Script
from streams.simulation.world import Outcome

Run = Callable[[Script], Outcome]


def shrunk(
    script: Script, run: Run, runs_max: int = 200, tell: Callable[[int, int], None] | None = None
) -> Script:
    """The script with as few deeds as still break the first promise that it breaks.

    Raises ValueError where the script breaks none. ``tell`` hears of runs made and deeds left.
    """
    broken = run(script).violations
    if not broken:
        raise ValueError(f"the script of seed {script.seed} breaks no promise; there is no less")
    invariant = broken[0].invariant
    runs = 0

    def fails(deeds: tuple[Deed, ...]) -> bool:
        nonlocal runs
        runs += 1
        found = run(replace(script, deeds=deeds)).violations
        if tell is not None:
            tell(runs, len(deeds))
        return any(each.invariant == invariant for each in found)

    deeds, parts = script.deeds, 2
    while len(deeds) >= 2 and runs < runs_max:
        size = max(1, len(deeds) // parts)
        for begin in range(0, len(deeds), size):
            less = deeds[:begin] + deeds[begin + size :]
            if runs < runs_max and fails(less):
                deeds, parts = less, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(deeds), parts * 2)
    return replace(script, deeds=deeds)
