"""What a failure is by Mesos' reason and message, and whose retries it uses.

How: texts as Mesos' agent, its command executor and container runtimes write them.
"""

import pytest

from scheduler.end_reasons import refined
from scheduler.model.ids import JobId
from scheduler.model.task import SYSTEM_ERRORS, Finished, KillInitiated
from tests.support.cell import batch, running_cell


@pytest.mark.parametrize(
    ("mesos_reason", "message", "wanted"),
    [
        ("", "", "failed"),
        ("REASON_COMMAND_EXECUTOR_FAILED", "Command exited with status 1", "failed"),
        ("", "Command terminated with signal Killed", "failed"),
        ("REASON_CONTAINER_LIMITATION_MEMORY", "Memory limit exceeded: 32MB", "failed"),
        ("REASON_CONTAINER_LAUNCH_FAILED", "Failed to fetch all URIs", "failed"),
        ("REASON_CONTAINER_LAUNCH_FAILED", "image team/x:v9 not found", "invalidRequest"),
        ("", "pull access denied for team/x", "invalidRequest"),
        ("", "exec: run.sh: executable file not found in $PATH", "invalidRequest"),
        ("REASON_TASK_INVALID", "uses more than it has", "invalidRequest"),
        ("REASON_EXECUTOR_TERMINATED", "Executor terminated", "crashed"),
        ("", "the executor died", "crashed"),
        ("REASON_EXECUTOR_REGISTRATION_TIMEOUT", "", "localSystemError"),
        ("REASON_CONTAINER_LAUNCH_FAILED", "mkdir: No space left on device", "localSystemError"),
        ("", "Failed to isolate container 1a2b", "localSystemError"),
        ("REASON_AGENT_RESTARTED", "", "transientSystemError"),
        ("", "registry: TLS handshake timeout", "transientSystemError"),
        ("", "dial tcp: connection refused", "transientSystemError"),
        ("", "internal error", "unknownSystemError"),
        ("", "x" * 5_000 + "internal error", "failed"),
    ],
)
def test_what_a_failure_is(mesos_reason: str, message: str, wanted: str) -> None:
    assert refined(mesos_reason, message) == wanted


def test_a_command_cannot_make_its_own_end_the_systems_fault() -> None:
    text = "Command exited with status 1: internal error, no space left on device"
    assert refined("REASON_EXECUTOR_TERMINATED", text) == "failed"


@pytest.mark.parametrize("reason", [each for each in SYSTEM_ERRORS if each.endswith("Error")])
def test_titus_system_errors_never_use_the_users_retries(reason: str) -> None:
    messages = {
        "transientSystemError": "service unavailable",
        "localSystemError": "read-only file system",
        "unknownSystemError": "system error",
    }
    cell = running_cell()
    (task_id,) = cell.run(batch(1, retries=0))
    cell.status(task_id, "TASK_FAILED", message=messages[reason])
    assert cell.is_in(task_id, Finished).reason == reason
    task = cell.task()
    assert (task.resubmit_of, task.system_resubmit_number) == (task_id, 1)
    cell.pass_ms(60_000)
    cell.offer("host9")
    (task_id,) = cell.launched()
    cell.status(task_id, "TASK_FAILED", message="Command exited with status 1")
    assert cell.state.jobs[JobId("job")].state == "Finished"


def test_an_invalid_request_uses_the_users_retries() -> None:
    cell = running_cell()
    (task_id,) = cell.run(batch(1, retries=0))
    cell.status(task_id, "TASK_FAILED", message="manifest unknown")
    assert cell.is_in(task_id, Finished).reason == "invalidRequest"
    assert cell.state.jobs[JobId("job")].reason == "invalidRequest"


def test_what_is_killed_ended_because_it_was_killed_whatever_is_said() -> None:
    cell = running_cell()
    (task_id,) = cell.run(batch(1, retries=5))
    cell.kill_job()
    assert isinstance(cell.task_state(task_id), KillInitiated)
    cell.status(task_id, "TASK_FAILED", reason="REASON_EXECUTOR_TERMINATED")
    assert cell.is_in(task_id, Finished).reason == "killed"
