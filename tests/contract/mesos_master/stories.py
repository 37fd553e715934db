"""Stories of a scheduler, made at random: the same one for the same seed.

The one thing to know: a story is told before anybody plays it, so that two clusters can play the
same one. It names agents by zone and tasks by number; ``story_player`` knows who they are.
"""

import random
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

ZONES: Final = ("z1", "z2")
# How a task is meant to end, and how often it is chosen.
TASKS: Final = {
    "long": 8,
    "good": 5,
    "failing": 3,
    "signalled": 1,
    "short": 2,
    "too big": 2,
    "same id": 2,
    "wrong agent": 1,
    "no resources": 1,
    "no command": 1,
    "two commands": 1,
    "bad id": 1,
    "negative": 1,
    "much memory": 1,
    "ports": 2,
}
KNOWN_OFTEN: Final = 0.8
CAPABILITIES: Final = ("PARTITION_AWARE", "TASK_KILLING_STATE")


@dataclass(frozen=True)
class Step:
    """One thing that the scheduler, or the weather, does."""

    kind: str
    what: Json


class Story:
    """The framework of a story, and its steps."""

    def __init__(self, seed: int, length: int, *, weather: bool) -> None:
        self.seed = seed
        self._random = random.Random(seed)
        self._launched = 0
        self._down: list[str] = []
        self.weather = weather
        self.uses_protobuf = self._is(0.3)
        self.info = self._info()
        self.steps = [Step("LOOK", {})]
        while len(self.steps) < length:
            self.steps += self._steps()
        self.steps += [Step("START", {"zone": zone}) for zone in self._down]
        self.steps += [Step("ACKNOWLEDGE ALL", {}), Step("LOOK", {})]

    def _is(self, chance: float) -> bool:
        return self._random.random() < chance

    def _info(self) -> Json:
        capabilities = [c for c in CAPABILITIES if self._is(0.6)]
        info: Json = {"name": f"story-{self.seed}", "checkpoint": self._is(0.7)}
        match self._random.randrange(3):
            case 0:
                capabilities.append("MULTI_ROLE")
                # Which of two roles gets which agent is Mesos' own secret.
                info["roles"] = ["story"]
            case 1:
                info["role"] = "story"
            case _:
                pass
        if "role" in info or "roles" in info:
            info["principal"] = "teller"
            if self._is(0.5):
                capabilities.append("RESERVATION_REFINEMENT")
        info["capabilities"] = [{"type": c} for c in capabilities]
        return info

    def _zone(self) -> str:
        return self._random.choice(ZONES)

    def _task(self) -> str:
        """The name of a task that was launched, or of one that never was."""
        if self._launched and self._is(KNOWN_OFTEN):
            return f"t{self._random.randrange(self._launched)}"
        return f"ghost{self._random.randrange(3)}"

    def _agent(self) -> str | None:
        """Whom a call names as the task's agent: the right one, another, nobody, no one known."""
        return self._random.choice(["right", "right", "z1", "z2", "nobody", None])

    def _steps(self) -> list[Step]:
        kinds = {
            "ACCEPT": 9,
            "ACCEPT ODDLY": 1,
            "KILL": 4,
            "RECONCILE": 3,
            "DECLINE": 2,
            "SUPPRESS": 1,
            "REVIVE": 2,
            "ACKNOWLEDGE": 3,
            "ACKNOWLEDGE ALL": 2,
            "SUBSCRIBE": 1,
            "RETURN": 1,
            "UPDATE_FRAMEWORK": 2,
            "RESERVE": 2 if "principal" in self.info else 0,
            "SILENT CALL": 1,
            "LOOK": 1,
            "WEATHER": 4 if self.weather else 0,
            "MASTER": 1 if self.weather else 0,
        }
        kind = self._random.choices(list(kinds), list(kinds.values()))[0]
        method = getattr(self, "_" + kind.lower().replace(" ", "_"), None)
        return method() if method else [Step(kind, {})]

    def _accept(self) -> list[Step]:
        tasks = [self._one() for _ in range(self._random.choice([1, 1, 1, 2, 3]))]
        what = {
            "zone": self._zone(),
            "tasks": tasks,
            "refuse": self._random.choice([0.1, 0.1, 0.1, 1000]),
            "kill": self._is(0.1),
        }
        return [Step("ACCEPT", what)]

    def _one(self) -> Json:
        name = f"t{self._launched}"
        kind = self._random.choices(list(TASKS), list(TASKS.values()))[0]
        if kind == "same id" and self._launched:
            name = f"t{self._random.randrange(self._launched)}"
        else:
            self._launched += 1
        acknowledged = self._random.choice(["at once", "at once", "at once", "later", "twice"])
        return {"name": name, "kind": kind, "acknowledged": acknowledged}

    def _accept_oddly(self) -> list[Step]:
        how = self._random.choice(
            ["no offers", "ghost", "two agents", "used", "empty", "same twice"]
        )
        return [Step("ACCEPT ODDLY", {"how": how, "task": self._one() | {"kind": "long"}})]

    def _kill(self) -> list[Step]:
        return [
            Step("KILL", {"task": self._task(), "agent": self._agent(), "twice": self._is(0.15)})
        ]

    def _reconcile(self) -> list[Step]:
        if self._is(0.35):
            return [Step("RECONCILE", {"tasks": []})]
        tasks = [(self._task(), self._agent()) for _ in range(self._random.randint(1, 4))]
        return [Step("RECONCILE", {"tasks": tasks})]

    def _decline(self) -> list[Step]:
        refuse = self._random.choice([0.1, 1000, 1e9])
        return [Step("DECLINE", {"zone": self._zone(), "refuse": refuse})]

    def _roles(self) -> list[str]:
        named = self._random.choice([[], [], ["story"], ["other"], ["nobody's"]])
        return list(named)

    def _suppress(self) -> list[Step]:
        return [Step("SUPPRESS", {"roles": self._roles()})]

    def _revive(self) -> list[Step]:
        return [Step("REVIVE", {"roles": self._roles()})]

    def _acknowledge(self) -> list[Step]:
        how = self._random.choice(["right", "wrong uuid", "unknown task", "wrong agent", "again"])
        return [Step("ACKNOWLEDGE", {"task": self._task(), "how": how})]

    def _return(self) -> list[Step]:
        return [Step("RETURN", {"meanwhile": self._random.choice([None, "KILL", "REVIVE"])})]

    def _update_framework(self) -> list[Step]:
        change = self._random.choice(
            ["name", "aware", "unaware", "user", "checkpoint", "principal", "roles", "suppressed",
             "failover_timeout", "labels", "bad role", "hostname"]
        )  # fmt: skip
        return [Step("UPDATE_FRAMEWORK", {"change": change})]

    def _reserve(self) -> list[Step]:
        how = self._random.choice(
            ["good", "good", "unnamed", "too much", "other role", "unreserve", "create", "destroy",
             "no principal", "launch on it"]
        )  # fmt: skip
        return [Step("RESERVE", {"zone": self._zone(), "how": how, "task": self._one()})]

    def _silent_call(self) -> list[Step]:
        kind = self._random.choice(["REQUEST", "MESSAGE", "SHUTDOWN", "RECONCILE_OPERATIONS"])
        return [Step("SILENT CALL", {"kind": kind})]

    def _weather(self) -> list[Step]:
        zone = self._zone()
        if zone in self._down:
            self._down.remove(zone)
            return [Step("START", {"zone": zone})]
        if self._is(0.5):
            return [Step("RESTART", {"zone": zone})]
        self._down.append(zone)
        return [Step("LOSE", {"zone": zone})]

    def _master(self) -> list[Step]:
        if self._down:
            return []
        return [Step("RESTART MASTER", {})]
