"""What was measured of how much the tasks of a host disturb each other.

The one thing to know: it is told from outside and only remembered here, until it is told anew. It
refuses nothing and wakes nobody: it makes a host less fit in later rounds.
"""

from scheduler.cpu_sets.noise import NOISE_MAX
from scheduler.fold.context import Fold
from scheduler.model.address import Source
from scheduler.model.changes import JobRejected, RequestAccepted
from scheduler.model.inbound import Fault, HostNoiseMeasured


def host_noise_measured(fold: Fold, source: Source, body: HostNoiseMeasured) -> None:
    """Remember a host's noise; the same again is taken and changes nothing."""
    state, host_id = fold.state, body.host_id
    if host_id not in state.hosts:
        # So the memory is bounded by the hosts that Mesos has told us of.
        fault = Fault("hostId", f"no host {host_id}", "its next offer makes it known; tell it then")
        fold.report(JobRejected(source=source, faults=(fault,)))
        return
    noise_milli = min(body.noise_milli, NOISE_MAX)
    if noise_milli != state.host_noise.get(host_id, 0):
        if noise_milli:
            state.host_noise[host_id] = noise_milli
        else:
            del state.host_noise[host_id]
        fold.touch("noise", host_id)
        state.hosts_changed[host_id] = None
    fold.report(RequestAccepted(source=source, what=f"host noise {noise_milli}"))
