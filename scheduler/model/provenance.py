"""Where an image came from, as a job's attributes of fixed names; it travels with every task.

The one thing to know: these are the submitter's own words, and the cell believes them. Only the
digest is a fact: where nobody gives it, it is that of the image which runs.
"""

from typing import Final

from scheduler.model.job import JobSpec

PREFIX: Final = "flumina.provenance."
COMMIT: Final = "flumina.provenance.commit"
BUILD: Final = "flumina.provenance.build"
PIPELINE: Final = "flumina.provenance.pipeline"
BASE_IMAGE: Final = "flumina.provenance.baseImage"
DIGEST: Final = "flumina.provenance.digest"
VARIABLES: Final = {
    BASE_IMAGE: "FLUMINA_BASE_IMAGE",
    BUILD: "FLUMINA_BUILD",
    COMMIT: "FLUMINA_COMMIT",
    DIGEST: "FLUMINA_IMAGE_DIGEST",
    PIPELINE: "FLUMINA_PIPELINE",
}
"""The attributes, by name, and the variable that a task finds each in."""

Provenance = tuple[tuple[str, str], ...]
"""The attributes that are given, sorted by name."""


def provenance_of(spec: JobSpec) -> Provenance:
    """Where what the job runs came from, as far as that is said; most jobs say nothing."""
    found = {name: value for name, value in spec.attributes if name in VARIABLES and value}
    if spec.container.image_digest:
        found.setdefault(DIGEST, spec.container.image_digest)
    return tuple(sorted(found.items()))


def variables_of(provenance: Provenance) -> tuple[tuple[str, str], ...]:
    """The same as a task finds it in its environment."""
    return tuple((VARIABLES[name], value) for name, value in provenance)


def provenance_text(provenance: Provenance) -> str:
    """The same as words: ``commit 1a2b, pipeline nightly``."""
    return ", ".join(f"{name.removeprefix(PREFIX)} {value}" for name, value in provenance)
