"""Shapes of campaigns: what has to be deployed again, and how far that has come."""

from connectors.web.shapes.base import AtMs, Shape, Texts


class CampaignJob(Shape, frozen=True, omit_defaults=False):
    """A job with tasks that match."""

    job_id: str
    owner: str
    application_name: str
    kind: str
    image: str
    provenance: Texts
    tasks: int
    task_ids: list[str]
    """The first of them."""
    oldest_start_ms: AtMs
    can_update: bool
    is_updating: bool
    unavailable_max: int
    """So many at once, by the job's budget."""


class Candidates(Shape, frozen=True, omit_defaults=False):
    """What matches, by owner."""

    match: str
    items: list[CampaignJob]
    owners: dict[str, int]
    tasks: int


class JobProgress(Shape, frozen=True, omit_defaults=False):
    """One job of a campaign."""

    job_id: str
    owner: str
    state: str
    update: int
    why: str
    tasks: int
    redeployed: int


class Progress(Shape, frozen=True, omit_defaults=False):
    """How far a campaign has come."""

    name: str
    items: list[JobProgress]
    states: dict[str, int]
    tasks: int
    redeployed: int
