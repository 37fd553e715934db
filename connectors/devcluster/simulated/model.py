"""The model of simulated tasks and hosts: what makes starts slow and lets them fail.

The one thing to know: without a file every task has the same life, and everything that reports on
such a run calls it uniform. ``docs/dev-cluster.md`` describes the file, field by field.
"""

import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from connectors.devcluster.simulated.distributions import Draw, is_certain, problem
from scheduler.model.reading.bad_bytes import BAD_BYTES

# A command that says by itself how long it runs and how it ends, whatever the model: for tests.
RUN_SECONDS_VARIABLE = "SIMULATED_RUN_SECONDS"
EXIT_STATUS_VARIABLE = "SIMULATED_EXIT_STATUS"

_SIGNALS = range(1, 65)
_SHARE_SLACK = 1e-6
FILE_BYTES_MAX = 1024 * 1024


class ModelError(ValueError):
    """A model that cannot be used; the text names the file, the field, and what to write."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the file; a field that it does not know is an error, not a wish."""


class Images(Part, frozen=True):
    """How long it takes until a task's image is on its host."""

    size_mib: Draw = 0.0
    """Of an image that is not named below; the same image has the same size on every host."""
    sizes_mib: dict[str, float] = {}
    cache_mib: float = 20_000.0
    """Of each host; the image that was not used for longest goes first."""
    host_mib_per_s: float = 100.0
    """Shared by all pulls of a host."""
    pull_mib_per_s_max: float = 0.0
    """Of one pull, whatever the host could take; 0 is no limit."""
    registry_pulls_max: int = 0
    """At a time, by all hosts; the others wait in turn. 0 is no limit."""
    unpack_s: Draw = 0.0
    failure_share: float = 0.0
    """Of the pulls."""


class Interfaces(Part, frozen=True):
    """Network interfaces and addresses, as a cloud hands them to a host."""

    tasks: str = "none"
    """Which tasks need an address: none, asked (with network_infos), all."""
    per_host: int = 8
    addresses_each: int = 30
    attach_s: Draw = 0.0
    """Of an interface; a host attaches one at a time and keeps what it has."""
    address_s: Draw = 0.0
    """Of a task's address; one at a time on each host."""


class Start(Part, frozen=True):
    """From the image and the address to the running command."""

    seconds: Draw = 0.02
    failure_share: float = 0.0


class Exit(Part, frozen=True):
    """One way to end, and how often."""

    status: int = 0
    signal: int = 0
    share: float = 1.0


class Run(Part, frozen=True):
    """How long a command runs and how it ends; the first that matches a task is its own."""

    label: str = ""
    """``key=value`` of the task's labels; empty matches all."""
    variable: str = ""
    """``NAME=value`` of the command's environment; empty matches all."""
    seconds: Draw = 60.0
    exits: tuple[Exit, ...] = (Exit(),)


class Stop(Part, frozen=True):
    """What happens between SIGTERM and the end."""

    seconds: Draw = 0.01
    ignores_term_share: float = 0.0
    """Of the commands: they live until SIGKILL, when the grace is over."""


class Hosts(Part, frozen=True):
    """Hosts that die and return; without ``uptime_s`` they live."""

    uptime_s: Draw | None = None
    downtime_s: Draw = 60.0


class Model(Part, frozen=True):
    """All of it. The values here are the uniform model."""

    name: str = "uniform"
    seed: int | None = None
    delay_s: Draw = 0.0005
    """Of a message between master and agent."""
    images: Images = Images()
    interfaces: Interfaces = Interfaces()
    start: Start = Start()
    runs: tuple[Run, ...] = (Run(),)
    stop: Stop = Stop()
    hosts: Hosts = Hosts()


UNIFORM = Model()


@dataclass(frozen=True)
class Weather:
    """A model with the seed that its chances come from: what a run can be repeated by."""

    model: Model
    seed: int
    path: str = ""

    @property
    def title(self) -> str:
        """What reports call it: a run in which all are alike says so."""
        if is_uniform(self.model):
            run = self.model.runs[-1].seconds
            where = f" ({self.path})" if self.path else ""
            return (
                f"uniform model: each task starts in {_number(self.model.start.seconds):g} s and "
                f"runs {_number(run):g} s, nothing fails{where}, seed {self.seed}"
            )
        return f"model {self.model.name!r} ({self.path}), seed {self.seed}"


def _number(value: Draw) -> float:
    return value if isinstance(value, float | int) else getattr(value, "value", 0.0)


def is_uniform(model: Model) -> bool:
    """Whether every task has the same life, so that no figure of it says anything of real ones."""
    times = [model.images.size_mib, model.start.seconds, model.stop.seconds, model.delay_s]
    return (
        all(is_certain(time) for time in [*times, *(run.seconds for run in model.runs)])
        and len({_number(run.seconds) for run in model.runs}) == 1
        and not model.images.sizes_mib
        and _number(model.images.size_mib) == 0
        and model.interfaces.tasks == "none"
        and not (model.start.failure_share or model.stop.ignores_term_share)
        and all(e.status == 0 and e.signal == 0 for run in model.runs for e in run.exits)
        and model.hosts.uptime_s is None
    )


def weather_of(path: Path | None, seed: int | None) -> Weather:
    """The model in the file, or the uniform one; with this seed, or its own, or a new one."""
    model = UNIFORM if path is None else load(path)
    if seed is None:
        seed = model.seed
    if seed is None:
        seed = secrets.randbelow(2**31)
    return Weather(model, seed, "" if path is None else str(path))


def load(path: Path) -> Model:
    """The model in a TOML or JSON file; raises ``ModelError`` with a sentence for its writer."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ModelError(
            f"the tasks model {path} cannot be read: {error.strerror}; name a TOML or JSON file"
        ) from error
    if len(raw) > FILE_BYTES_MAX:
        raise ModelError(f"the tasks model {path} is longer than {FILE_BYTES_MAX} bytes")
    try:
        value = msgspec.json.decode(raw) if path.suffix == ".json" else tomllib.loads(raw.decode())
    except (ValueError, *BAD_BYTES) as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise ModelError(f"the tasks model {path} is not {kind}: {error}") from error
    try:
        model = msgspec.convert(value, Model)
    except msgspec.ValidationError as error:
        raise ModelError(
            f"the tasks model {path} is not understood: {error}; docs/dev-cluster.md lists the "
            "fields, under 'Simulated agents'"
        ) from error
    if found := check(model):
        raise ModelError(f"the tasks model {path} makes no sense: {found}")
    return model


def check(model: Model) -> str | None:
    """What is wrong with a model whose fields have the right kinds, or None."""
    return (
        _draws_problem(model)
        or _limits_problem(model)
        or _shares_problem(model)
        or _runs_problem(model.runs)
    )


def _draws_problem(model: Model) -> str | None:
    draws: dict[str, Draw | None] = {
        "delay_s": model.delay_s,
        "images.size_mib": model.images.size_mib,
        "images.unpack_s": model.images.unpack_s,
        "interfaces.attach_s": model.interfaces.attach_s,
        "interfaces.address_s": model.interfaces.address_s,
        "start.seconds": model.start.seconds,
        "stop.seconds": model.stop.seconds,
        "hosts.uptime_s": model.hosts.uptime_s,
        "hosts.downtime_s": model.hosts.downtime_s,
    }
    draws |= {f"images.sizes_mib.{name}": size for name, size in model.images.sizes_mib.items()}
    draws |= {f"runs[{n}].seconds": run.seconds for n, run in enumerate(model.runs)}
    for name, value in draws.items():
        if value is not None and (found := problem(value)):
            return f"{name} {found}"
    return None


def _limits_problem(model: Model) -> str | None:
    images, interfaces = model.images, model.interfaces
    if images.host_mib_per_s <= 0:
        return "images.host_mib_per_s must be above 0: nothing would ever be pulled"
    for name, value in (
        ("images.cache_mib", images.cache_mib),
        ("images.pull_mib_per_s_max", images.pull_mib_per_s_max),
        ("images.registry_pulls_max", images.registry_pulls_max),
    ):
        if value < 0:
            return f"{name} is {value:g}, which must not be negative"
    if interfaces.tasks not in ("none", "asked", "all"):
        return f"interfaces.tasks is {interfaces.tasks!r}; it is none, asked or all"
    if interfaces.per_host < 1 or interfaces.addresses_each < 1:
        return "interfaces.per_host and interfaces.addresses_each must be at least 1"
    return None


def _shares_problem(model: Model) -> str | None:
    for name, share in (
        ("images.failure_share", model.images.failure_share),
        ("start.failure_share", model.start.failure_share),
        ("stop.ignores_term_share", model.stop.ignores_term_share),
    ):
        if not 0 <= share <= 1:
            return f"{name} is {share:g}; a share lies between 0 and 1"
    return None


def _runs_problem(runs: tuple[Run, ...]) -> str | None:
    if not runs:
        return "there is no [[runs]]; at least one must match every task"
    if runs[-1].label or runs[-1].variable:
        return "the last of [[runs]] must match every task: give it neither label nor variable"
    for number, run in enumerate(runs):
        where = f"runs[{number}]"
        for name, text in (("label", run.label), ("variable", run.variable)):
            if text and "=" not in text:
                return f"{where}.{name} is {text!r}; write key=value"
        if abs(sum(each.share for each in run.exits) - 1) > _SHARE_SLACK:
            return f"the shares of {where}.exits must add up to 1"
        for each in run.exits:
            if each.share < 0 or not 0 <= each.status <= 255:
                return f"{where}.exits has {each}; a status is 0 to 255, a share not negative"
            if each.signal and (each.signal not in _SIGNALS or each.status):
                return f"{where}.exits has {each}; a signal is 1 to 64, and has no status"
    return None
