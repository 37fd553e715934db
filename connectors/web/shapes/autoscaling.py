"""Shapes of scaling policies, of how they stand, and of what they did.

The one thing to know: the policy itself is described as Titus has it; its readers
(`scheduler.model.v3.scaling`) name every fault.
"""

import msgspec

from connectors.web.shapes.base import AtMs, Json, Name, Shape

Number = int | float


class ScalingPolicyId(Shape, frozen=True):
    """The id of a policy, in an object as Titus has it."""

    id: str


class PolicyState(Shape, frozen=True, omit_defaults=False):
    """Pending, Applied, Error, Deleting or Deleted, and why."""

    state: str
    pending_reason: str


class ScalingPolicy(Shape, frozen=True, omit_defaults=False):
    """A scaling policy and how it stands."""

    id: ScalingPolicyId
    job_id: str
    scaling_policy: Json
    policy_state: PolicyState
    version: int = msgspec.field(name="flumina.version")
    since_ms: AtMs = msgspec.field(name="flumina.sinceMs")
    alarm: str = msgspec.field(name="flumina.alarm")
    """`high`, `low`, `ok`, `insufficient`, or empty before the first look."""
    value: Number | None = msgspec.field(name="flumina.value")
    """What the last look compared."""
    load: Number | None = msgspec.field(name="flumina.load")
    forecast: Number | None = msgspec.field(name="flumina.forecast")
    point_at_ms: AtMs = msgspec.field(name="flumina.pointAtMs")
    looked_at_ms: AtMs = msgspec.field(name="flumina.lookedAtMs")
    last_scale_out_at_ms: AtMs = msgspec.field(name="flumina.lastScaleOutAtMs")
    last_scale_in_at_ms: AtMs = msgspec.field(name="flumina.lastScaleInAtMs")
    held: str = msgspec.field(name="flumina.held")
    """Why what the job's policies ask for was not done at the last look."""


class ScalingPolicies(Shape, frozen=True, omit_defaults=False):
    """Policies."""

    items: tuple[ScalingPolicy, ...]


class ScalingActivity(Shape, frozen=True, omit_defaults=False):
    """One scaling, and why."""

    job_id: str
    policy_id: str
    at_ms: AtMs
    address: str
    """Of the tick that decided it."""
    before: int
    after: int
    metric: str
    value: Number | None
    threshold: Number
    forecast: bool
    description: str
    cause: str


class ScalingActivities(Shape, frozen=True, omit_defaults=False):
    """What a job's policies did, the newest first."""

    items: tuple[ScalingActivity, ...]


class PutPolicyBody(Shape, frozen=True):
    """A policy for a job."""

    job_id: Name
    scaling_policy: Json


class UpdatePolicyBody(Shape, frozen=True):
    """Another content for a policy."""

    policy_id: ScalingPolicyId
    scaling_policy: Json
