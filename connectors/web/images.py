"""The tag of a submitted image becomes a digest, before the submission is a record of the log.

The one thing to know: this is done at the edge, for the fold asks nobody. The descriptor that is
published has tag and digest, and tasks run by the digest: a tag that moves moves no running job.
Records that others publish to topic ``jobs`` do not come by here; whether such a job may run by its
tag is the cell's policy (``image_tags_tolerated``).
"""

from typing import Final, NamedTuple

from msgspec.structs import replace

from connectors.ports import ImageRegistry, ImageUnknown, RegistryUnavailable
from connectors.registry.checks import Check
from connectors.web.problems import refused, unavailable
from scheduler.model.descriptor import descriptor_of, spec_digest, spec_of
from scheduler.model.inbound import Fault
from scheduler.model.job import JobSpec

WARNING: Final = "X-Flumina-Warning"


class Images(NamedTuple):
    """How the API treats tags, and whom it asks."""

    check: Check = "off"
    registry: ImageRegistry | None = None


class Known(NamedTuple):
    """The job that has the submission's id already: what was submitted then, and its digest."""

    spec: JobSpec
    digest: str


class Admitted(NamedTuple):
    """The job as it is published, and what its sender should know; empty where nothing."""

    spec: JobSpec
    warning: str = ""


async def with_digest(images: Images, spec: JobSpec, known: Known | None) -> Admitted:
    """The job with the digest of its image; raises a `Problem` where that is demanded and fails.

    ``known`` is the job that has this id already: the same submission again is the same, whatever
    its tag has come to mean.
    """
    container = spec.container
    if images.check == "off" or images.registry is None or not container.image:
        return Admitted(spec)
    if container.image_digest or not container.image_tag:
        return Admitted(spec)
    if known is not None:
        again = _with(spec, known.spec.container.image_digest)
        if spec_digest(again) == known.digest:
            return Admitted(again)
    try:
        return Admitted(_with(spec, await images.registry.digest_of(*_named(spec))))
    except ImageUnknown as error:
        if images.check == "hard":
            hint = "push the image first, or name a tag that is there"
            raise refused([Fault("container.image.tag", f"is unknown: {error}", hint)]) from error
        why = str(error)
    except RegistryUnavailable as error:
        if images.check == "hard":
            raise unavailable(
                f"What {':'.join(_named(spec))} means cannot be told: {error}",
                "Nothing was written. Ask again, or name the image by its digest.",
            ) from error
        why = str(error)
    return Admitted(spec, f"the image runs by its tag: {why}")


async def described_with_digest(images: Images, descriptor: object) -> object:
    """The descriptor of an update with the digest of its image; as it is where it cannot be read.

    Whoever reads it next says then what is wrong with it.
    """
    if images.check == "off":
        return descriptor
    spec = spec_of(descriptor)
    if isinstance(spec, tuple):
        return descriptor
    admitted = await with_digest(images, spec, None)
    return descriptor if admitted.spec is spec else descriptor_of(admitted.spec)


def _named(spec: JobSpec) -> tuple[str, str]:
    return spec.container.image, spec.container.image_tag


def _with(spec: JobSpec, digest: str) -> JobSpec:
    return replace(spec, container=replace(spec.container, image_digest=digest))
