"""The gate of secrets: what a job marks as secret is sealed here, before anything is published.

The one thing to know: a marked value leaves this process sealed or not at all. Without a key ring a
job that has secrets is refused, and so it is where the ring does not answer.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from connectors.web.problems import Problem, refused, unavailable
from connectors.web.secret_guess import NAMES_SHOWN_MAX, Detection, unmarked_secrets
from projections.masking import Masker
from scheduler.model.ids import JobId
from scheduler.model.inbound import Fault
from scheduler.model.job import JobSpec
from scheduler.model.sealed import SECRET_ATTRIBUTE, needs_ring

if TYPE_CHECKING:
    from connectors.secrets.ring import KeyRing

T = TypeVar("T")
NO_RING: Final = "this api process has no key ring"
SET_RING: Final = "set FLUMINA_SECRET_KEYS and FLUMINA_SECRET_PROVIDER for api and cell processes"


class Sealed(NamedTuple):
    """The job as it may be published, and what its sender should know; empty where nothing."""

    spec: JobSpec
    warning: str = ""


@dataclass(frozen=True, slots=True)
class SecretGate:
    """What stands between a submission and the log."""

    open_ring: Callable[[], "KeyRing | None"] = lambda: None
    """The key ring, the same at each call; None where there is none."""
    detection: Detection = "off"
    masker: Masker = field(default_factory=Masker)

    async def sealed(
        self, job_id: JobId, spec: JobSpec, known: JobSpec | None, *, is_dry: bool = False
    ) -> Sealed:
        """The job with its secrets sealed; raises `Problem` where they can't be.

        ``known`` is the job that has this id already. A dry run seals nothing, and shows nothing.
        """
        warning = self._guessed(spec)
        if not needs_ring(spec.container):
            return Sealed(spec, warning)
        # The ciphers are loaded by the first job that has a secret.
        from connectors.secrets.sealing import sealed_spec, unshown_spec  # noqa: PLC0415

        if is_dry and known is None:
            return Sealed(unshown_spec(spec), warning)
        ring = self.ring(f"container.attributes.{SECRET_ATTRIBUTE}")
        made = await within(lambda: sealed_spec(ring, job_id, spec, known), "container.env")
        return Sealed(made, warning)

    def ring(self, name: str) -> "KeyRing":
        """The key ring; raises a 400 `Problem` about field ``name`` where there is none."""
        ring = self.open_ring()
        if ring is None:
            raise refused([Fault(name, f"needs a key ring, and {NO_RING}", SET_RING)])
        return ring

    def _guessed(self, spec: JobSpec) -> str:
        """A warning of variables that look secret; raises `Problem` where they are refused."""
        if self.detection == "off":
            return ""
        names = unmarked_secrets(spec.container, self.masker)
        if not names:
            return ""
        hint = f"list it in the container's attribute {SECRET_ATTRIBUTE}, and it is sealed"
        if self.detection == "refuse":
            text = "looks like a secret and is not marked as one"
            raise refused([Fault(f"container.env.{name}", text, hint) for name in names])
        more = len(names) - NAMES_SHOWN_MAX
        shown = ", ".join(names[:NAMES_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
        return f"these look like secrets and are in the log in clear: {shown}; {hint}"


async def within(act: Callable[[], T], name: str) -> T:
    """What a call to the ring answers, made in a thread; its errors as `Problem`s."""
    from connectors.secrets.errors import SecretError, SecretsUnavailable  # noqa: PLC0415 - heavy

    try:
        return await asyncio.to_thread(act)
    except SecretsUnavailable as error:
        raise _away(error) from error
    except SecretError as error:
        text, _, hint = str(error).partition(". ")
        raise refused([Fault(name, f"cannot be sealed or opened: {text}", hint)]) from error


def _away(error: Exception) -> Problem:
    return unavailable(str(error), "Nothing was written. Ask again when Retry-After has passed.")
