"""Scaling policies and what they decide by: the records of application autoscaling.

The one thing to know: every number is a whole one, values of metrics in thousandths of their unit
and times in milliseconds, because the fold decides by them. Names and meanings of fields are those
of Titus' API v3, which are those of AWS' application autoscaling.
"""

from typing import Final, Literal, NewType

from scheduler.model.base import Ours
from scheduler.model.ids import JobId

PolicyId = NewType("PolicyId", str)

VALUE_MILLI_MAX: Final = 9_000_000_000_000_000
"""A larger value of a metric is absurd; up to here any reader of JSON keeps it exact (2**53)."""

OURS: Final = "flumina/"
"""What namespaces that are not CloudWatch's begin with."""
OWN_NAMESPACE: Final = "flumina/job"
"""Metrics that the fold knows itself; nobody has to tell them."""
USAGE_NAMESPACE: Final = "flumina/usage"
"""Mean use of the job's tasks, of topic ``metrics``."""
PROMETHEUS_NAMESPACE: Final = "flumina/prometheus"
"""The metric's name is a query of Prometheus."""
SQS_NAMESPACE: Final = "flumina/sqs"
"""A queue's own attributes, which are fresher than what CloudWatch says of it."""

OWN_METRICS: Final = ("waitingTasks", "startedTasks", "desiredTasks", "oldestWaitingSec")
USAGE_METRICS: Final = ("cpuUtilization", "memoryUtilization")
"""In percent of what the tasks may use."""
SQS_METRICS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)

Comparison = Literal[
    "GreaterThanOrEqualToThreshold",
    "GreaterThanThreshold",
    "LessThanOrEqualToThreshold",
    "LessThanThreshold",
]
Statistic = Literal["Average", "Sum", "Minimum", "Maximum", "SampleCount"]
AdjustmentType = Literal["ChangeInCapacity", "PercentChangeInCapacity", "ExactCapacity"]
MissingData = Literal["missing", "ignore", "notBreaching", "breaching"]
ScalingState = Literal["Pending", "Applied", "Error", "Deleting", "Deleted"]
"""Titus: Pending to Pending, Applied or Error; Applied and Error to Pending or Deleting; Deleting
to Deleted."""


class Metric(Ours, frozen=True):
    """What is measured: the namespace says where it comes from."""

    namespace: str
    name: str
    statistic: Statistic = "Average"
    """What the points of one period become."""
    dimensions: tuple[tuple[str, str], ...] = ()
    unit: str = ""
    is_per_task: bool = False
    """Divided by the job's size before it is compared: a queue's depth becomes work a task."""


class StepAdjustment(Ours, frozen=True):
    """What is done where the value is so far from the threshold; None is without a bound."""

    adjustment: int
    lower_milli: int | None = None
    upper_milli: int | None = None


class StepScaling(Ours, frozen=True):
    """An alarm, and steps by how far the value is beyond its threshold."""

    metric: Metric
    comparison: Comparison
    threshold_milli: int
    evaluation_periods: int
    period_ms: int
    adjustment_type: AdjustmentType
    steps: tuple[StepAdjustment, ...]
    cooldown_ms: int = 300_000
    """AWS' default for services, 300 s."""
    magnitude_min: int = 0
    """Of a change in per cent: at least so many tasks."""
    missing: MissingData = "missing"
    is_acting: bool = True
    """False (``actionsEnabled``): the alarm is watched, and changes nothing."""


class Prediction(Ours, frozen=True):
    """Capacity ahead of time: a forecast of the load, so far ahead, at a quantile."""

    horizon_ms: int
    quantile_milli: int = 950
    """The forecast is one that so many thousandths of recent values stayed below."""
    season_ms: int = 86_400_000
    is_only_shown: bool = False


class TargetTracking(Ours, frozen=True):
    """As many tasks as keep the metric at its target."""

    metric: Metric
    target_milli: int
    out_cooldown_ms: int = 300_000
    in_cooldown_ms: int = 300_000
    is_scale_in_disabled: bool = False
    period_ms: int = 60_000
    """AWS watches a target by the minute."""
    predefined: str = ""
    """The predefined metric that it was given as, if it was."""
    prediction: Prediction | None = None


ScalingSpec = StepScaling | TargetTracking


class ScalingPolicySet(Ours, frozen=True):
    """A user gives a service a scaling policy, or changes it."""

    job_id: JobId
    policy_id: PolicyId
    spec: ScalingSpec
    actor: str = ""
    why: str = ""
    if_version: int | None = None
    """Of the policy."""


class ScalingPolicyRemoved(Ours, frozen=True):
    """A user takes a scaling policy away."""

    job_id: JobId
    policy_id: PolicyId
    actor: str = ""
    why: str = ""
    if_version: int | None = None


class MetricPoint(Ours, frozen=True, tag=False):
    """One value of the metric of a policy."""

    policy_id: PolicyId
    version: int
    """Of the policy that it was read for; another version may ask for another metric."""
    at_ms: int
    """When it was so, by the source's clock; of a whole period, its beginning."""
    value_milli: int
    is_whole: bool = False
    """It stands for its whole period already, by the policy's statistic."""


class MetricFailure(Ours, frozen=True, tag=False):
    """The metric of a policy could not be read, or is absurd, and is not asked for for a while."""

    policy_id: PolicyId
    version: int
    why: str


class MetricObserved(Ours, frozen=True):
    """What the sources of metrics said, of any number of policies."""

    points: tuple[MetricPoint, ...] = ()
    failures: tuple[MetricFailure, ...] = ()
    actor: str = ""


ScalingRequest = ScalingPolicySet | ScalingPolicyRemoved | MetricObserved
"""All of them."""
