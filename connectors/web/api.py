"""What every handler is given: the cell, the tasks' files, and the metrics.

The one thing to know: there is one of these for each application; nothing about a request is
kept here.
"""

from dataclasses import dataclass, field

from connectors.access.door import Door
from connectors.access.principals import Action, Principal
from connectors.web.admission import Admission
from connectors.web.cell import Cell, TaskFiles
from connectors.web.exec_sessions import Execs
from connectors.web.images import Images
from connectors.web.limits.rules import RateLimits
from connectors.web.metrics import Metrics
from connectors.web.observing import Observing
from connectors.web.secret_gate import SecretGate
from connectors.web.travelling import NoTravel, Travel
from projections.alerts.rules import RuleBook
from projections.alerts.whole import Alerting
from projections.rated import RatedDoor
from scheduler.model.v3.titan import TitanSite

WAIT_S_MAX = 2.0
"""How long a request waits for the fold before it is answered with a token (DESIGN, processes)."""


@dataclass(frozen=True, slots=True)
class Api:
    """The API of one cell."""

    cell: Cell
    files: TaskFiles
    metrics: Metrics
    admission: Admission
    wait_s: float = WAIT_S_MAX
    travel: Travel = field(default_factory=NoTravel)
    log_store: str = ""
    """The URL of the store that task logs are shipped to; empty where there is none."""
    rate_limits: RateLimits = field(default_factory=RateLimits)
    images: Images = field(default_factory=Images)
    secrets: SecretGate = field(default_factory=SecretGate)
    """What seals secrets before a job is published."""
    execs: Execs = field(default_factory=Execs)
    """Sessions beside tasks."""
    rated: RatedDoor = field(default_factory=RatedDoor)
    """What the cell bears; above it new jobs are refused."""
    titan: TitanSite = field(default_factory=TitanSite)
    """What places are called, for specs of 2015."""
    alerting: Alerting = field(default_factory=lambda: Alerting(RuleBook()))
    """Alerts and objectives; whoever follows the cell folds each record into it."""
    observing: Observing = field(default_factory=Observing)
    """What streams of events read from; whoever follows the cell tells it of each record."""
    door: Door = field(default_factory=Door)
    """Who is let in; open to everybody where no principals are set up."""
    asking: Principal | None = None
    """Who asks, in the API as one request may use it; None behind an open door."""
    asked: Action = "look"
    """What is wanted, in the same."""
