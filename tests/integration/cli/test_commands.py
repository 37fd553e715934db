"""Every command against everything real: what it prints, what it asks for, how it ends.

The jobs of each test have names of its own, so the order of tests does not matter.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.processes import wait_until
from tests.support.command_line import ROOT, flumina

pytestmark = pytest.mark.integration

EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.json"))
# Less than after what a hanging test's process is ended, so that it is told what is missing.
WAIT = ("--wait", "--timeout", "180")
SERVICE = str(ROOT / "docs" / "examples" / "service-5.json")


def done(here: Path, *words: str, text: str = "") -> str:
    """What a command printed that has to succeed."""
    result = flumina(here, *words, text=text)
    assert result.returncode == 0, result.stderr
    return result.stdout


def told(here: Path, *words: str) -> Any:
    """What a command with ``--json`` said."""
    return json.loads(done(here, *words, "--json"))


def refused(here: Path, code: int, *words: str, text: str = "") -> str:
    """What a command said that has to end with this code: a sentence, never a traceback."""
    result = flumina(here, *words, text=text)
    assert result.returncode == code, result.stdout + result.stderr
    # On a slow machine lines of progress stand before it.
    assert "\nflumina: " in f"\n{result.stderr}"
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_every_example_is_taken_and_does_what_it_says(here: Path, path: Path) -> None:
    name = f"example-{path.stem}"
    assert "nothing was submitted" in done(here, "submit", str(path), "--dry-run")
    assert done(here, "submit", str(path), "--id", name, *WAIT) == f"{name}\n"
    # The same file under the same name is the same submission.
    assert told(here, "submit", str(path), "--id", name) == {"id": name}
    assert name in done(here, "jobs", "--all")
    if "service" in json.loads(path.read_bytes()):
        # The next tests want room: this one's tasks need most of the hosts.
        done(here, "kill", name, "--why", "over")
        wait_until(lambda: _running(here, name) == 0, "its tasks have ended")


def test_a_service_from_submission_to_its_end(here: Path) -> None:
    done(here, "submit", SERVICE, "--id", "life", *WAIT)
    tasks = told(here, "tasks", "--job", "life")["items"]
    assert [each["status"]["state"] for each in tasks] == ["Started"] * 5
    first = tasks[0]["id"]
    assert done(here, "logs", first) == "started\n"

    assert "wants 7 tasks (from 1 to 10)" in done(here, "scale", "life", "7", "--why", "sale")
    assert "out of service" in done(here, "job", "disable", "life", "--why", "incident")
    assert "is in service" in done(here, "job", "enable", "life")
    assert "disableDecreaseDesired is True" in done(here, "job", "hold", "life", "--decrease")
    assert "disableDecreaseDesired" in refused(here, 1, "scale", "life", "1")
    done(here, "job", "hold", "life", "--allow-decrease")
    assert "team=a" in done(here, "job", "attributes", "life", "--set", "team=a")
    assert "removed" in done(here, "job", "attributes", "life", "--remove", "team")
    assert "a=b" in done(here, "job", "attributes", first, "--set", "a=b")
    assert "is the source job" in refused(here, 1, "job", "move", first, "life")
    assert first in done(here, "kill", first, "--shrink", "--why", "too many")
    wait_until(lambda: _running(here, "life") == 6, "six of them run")

    table = done(here, "jobs")
    assert "life" in table
    assert "service" in table
    why = done(here, "why", first)
    assert "tester" in why
    assert "too many" in why
    assert told(here, "why", first)["reason"] == "scaledDown"
    assert "scale asked" in done(here, "events", "life")
    assert "TASK_RUNNING" in done(here, "events", "life", "--tasks")

    done(here, "kill", "life", "--why", "over")
    wait_until(lambda: told(here, "tasks", "--job", "life")["items"] == [], "all have ended")
    assert "ended" in done(here, "logs", "-f", tasks[1]["id"])


def _running(here: Path, job: str) -> int:
    items = told(here, "tasks", "--job", job)["items"]
    return sum(each["status"]["state"] == "Started" for each in items)


def test_logs_follow_a_task_to_its_end(here: Path) -> None:
    descriptor = json.loads((ROOT / "docs" / "examples" / "batch-20.json").read_text())
    descriptor["batch"]["size"] = 1
    descriptor["container"]["command"] = [
        *("/bin/sh", "-c", "for n in 1 2 3; do echo line $n; echo oops $n >&2; sleep 0.3; done")
    ]
    done(here, "submit", "-", "--id", "talks", text=json.dumps(descriptor))
    assert done(here, "logs", "-f", "talks-worker-0-1") == "line 1\nline 2\nline 3\n"
    assert "oops 3" in done(here, "logs", "talks-worker-0-1", "--file", "stderr")
    assert "oops 3" in done(here, "logs", "talks-worker-0-1", "--stderr", "--since", "-1h")
    assert "core of task" in refused(here, 4, "logs", "talks-worker-0-1", "--file", "core")


def test_a_submission_is_refused_with_every_reason(here: Path) -> None:
    error = refused(here, 1, "submit", "-", text='{"owner": {"teamEmail": "x"}, "batch": {}}')
    for field in ("owner.teamEmail", "applicationName", "container", "batch.size"):
        assert field in error
    assert "JSON" in refused(here, 1, "submit", "-", text="no json")
    assert "cannot be read" in refused(here, 1, "submit", "/nowhere.json")
    assert "batch.size" in refused(
        here, 1, "submit", "-", "--dry-run", text='{"batch": {"size": -1}}'
    )


def test_a_name_with_other_content_is_refused(here: Path) -> None:
    done(here, "submit", str(EXAMPLES[0]), "--id", "taken")
    assert "duplicate id" in refused(here, 1, "submit", SERVICE, "--id", "taken")


@pytest.mark.parametrize(
    "words",
    [
        ("why", "nobody"),
        ("why", "nobody-worker-0-1"),
        ("events", "nobody"),
        ("logs", "nobody-worker-0-1"),
        ("tasks", "--job", "nobody"),
        ("kill", "nobody"),
        ("scale", "nobody", "3"),
    ],
    ids=" ".join,
)
def test_what_is_not_there_ends_with_4(here: Path, words: tuple[str, ...]) -> None:
    assert "nobody" in refused(here, 4, *words)


def test_a_batch_job_does_not_scale_and_a_job_does_not_shrink(here: Path) -> None:
    done(here, "submit", str(EXAMPLES[0]), "--id", "fixed")
    assert "fixed size" in refused(here, 1, "scale", "fixed", "3")
    assert "No size" in refused(here, 1, "scale", "fixed")
    assert "no task" in refused(here, 1, "kill", "fixed", "--shrink")


def test_state_shows_the_cell_and_its_hosts(here: Path) -> None:
    text = done(here, "state")
    assert "leader" in text
    assert "agent1" in text
    said = told(here, "state")
    assert said["standing"]["leader"].startswith("cell-")
    assert said["standing"]["halt"] == ""


def test_a_policy_is_shown_and_changed_with_a_reason(here: Path) -> None:
    before = told(here, "policy")
    assert before["policy"]["unreachable_timeout_ms"] == 3_000  # As `up` was told for a new cell.
    assert "No reason" in refused(here, 1, "policy", "kill_retry_ms=5000")
    assert "no such policy" in refused(here, 1, "policy", "kil_retry_ms=5000", "--why", "test")
    assert "sets no policy" in refused(here, 1, "policy", "kill_retry_ms=soon", "--why", "test")
    done(here, "policy", "kill_retry_ms=5000", "--why", "test")
    after = told(here, "policy")
    assert after["policy"]["kill_retry_ms"] == 5_000
    assert after["version"] == before["version"] + 1


def test_the_policy_as_a_file_goes_there_and_back(here: Path, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(done(here, "policy", "show"))
    assert "Nothing changed" in done(here, "policy", "apply", str(file), "--why", "test")
    before = told(here, "policy")
    file.write_text(file.read_text().replace("lost_zones: []", "lost_zones: [nowhere]"))
    assert "lost_zones: [] -> [nowhere]" in done(here, "policy", "diff", str(file))
    done(here, "policy", "apply", str(file), "--why", "test")
    done(here, "policy", "zone", "back", "nowhere", "--why", "test")
    assert "Mode failover" in done(here, "policy", "mode", "failover", "--why", "test")
    assert told(here, "policy")["document"]["mode"] == "failover"
    done(here, "policy", "mode", "normal", "--why", "test")
    after = told(here, "policy")
    assert after["document"] == before["document"]
    assert after["version"] == before["version"] + 4
    file.write_text("mode: fail")
    assert "is needed" in refused(here, 1, "policy", "apply", str(file), "--why", "test")
    assert told(here, "policy")["version"] == after["version"]


def test_a_drained_host_gets_no_tasks_until_it_is_enabled(here: Path) -> None:
    host = told(here, "state")["hosts"][0]
    done(here, "host", "drain", host["hostId"], "--why", "test")
    try:
        assert "draining" in done(here, "state")
        done(here, "submit", SERVICE, "--id", "elsewhere", *WAIT)
        tasks = told(here, "tasks", "--job", "elsewhere")["items"]
        there = {each["taskContext"]["agent.instanceId"] for each in tasks}
        assert host["hostId"] not in there
        done(here, "kill", "elsewhere", "--why", "over")
    finally:
        done(here, "host", "enable", host["hostId"], "--why", "test")
    assert "draining" not in done(here, "state")
    assert "no host nobody" in refused(here, 4, "host", "drain", "nobody", "--why", "test")


def test_why_tells_what_a_round_said(here: Path, tmp_path: Path) -> None:
    big = json.loads(Path(SERVICE).read_text())
    big["container"]["resources"]["cpu"] = 60
    (tmp_path / "big.json").write_text(json.dumps(big))
    done(here, "submit", str(tmp_path / "big.json"), "--id", "too-big")
    done(here, "submit", SERVICE, "--id", "just-right", *WAIT)
    try:
        task = told(here, "tasks", "--job", "just-right")["items"][0]["id"]
        placement = told(here, "why", task)["placement"]
        assert placement["parts"]["packing"] > 0
        success = told(here, "why", task, "--round", placement["round"])["success"]
        assert success["parts"] == placement["parts"]
        assert "chosen first" in done(here, "why", task, "--round", placement["round"])
        (waiting, *_) = told(here, "tasks", "--job", "too-big")["items"]
        said = told(here, "why", waiting["id"], "--round", placement["round"])
        assert "cpu" in {each["rule"] for each in said["failures"]}
        assert "hosts refused" in done(here, "why", waiting["id"], "--round", said["round"])
        assert "is no address" in refused(here, 1, "why", waiting["id"], "--round", "yesterday")
    finally:
        done(here, "kill", "just-right", "--why", "over")
        done(here, "kill", "too-big", "--why", "over")


def test_a_skip_of_what_nobody_halted_at_changes_nothing(here: Path) -> None:
    digest = "0" * 32
    assert "No reason" in refused(here, 1, "skip", "0", "--digest", digest)
    refused(here, 1, "skip", "0", "--digest", "short", "--why", "test")
    assert told(here, "state")["standing"]["halt"] == ""


def test_a_cell_that_is_not_safe_says_so_and_has_nothing_to_confirm(here: Path) -> None:
    assert "not safe" in done(here, "safe", "status")
    assert told(here, "safe", "status")["isSafe"] is False
    assert "No reason" in refused(here, 1, "safe", "reject", "7")
    assert "there is no finding" in refused(here, 1, "safe", "reject", "7", "--why", "test")
    asked = ("safe", "confirm", "7", "--tasks", "3", "--why", "test")
    assert "there is no finding" in refused(here, 1, *asked)
    digest = "0" * 32
    assert "No reason" in refused(here, 1, "safe", "skip", "0", "--digest", digest)


def test_there_are_no_orphans(here: Path) -> None:
    assert done(here, "orphans") == "There are no orphans.\n"
    assert told(here, "orphans") == {"items": []}


def test_the_doctor_finds_all_well(here: Path) -> None:
    said = told(here, "doctor")
    found = {each["check"]: each["status"] for each in said["checks"]}
    assert said["isWell"] is True
    for check in ("java", "kafka", "topics", "cell log", "leader", "clocks", "api", "fold"):
        assert found[check] == "ok", said
    for check in ("mesos", "hosts", "framework", "process cell-1", "process api", "process usage"):
        assert found[check] == "ok", said
    # What confines tasks depends on the computer, but something is said of each kind.
    assert found["memory limits"] in {"ok", "warning"}
    assert found["bandwidth"] == "skipped"
    assert "✓ leader" in done(here, "doctor")


def test_the_doctor_says_what_is_wrong_with_an_environment(here: Path) -> None:
    wrong = flumina(here, "doctor", MESOS_FAILOVER_TIMEOUT_S="0")
    assert wrong.returncode == 1
    assert "✗ settings" in wrong.stdout
    assert "MESOS_FAILOVER_TIMEOUT_S" in wrong.stdout
    small = flumina(here, "doctor", MESOS_FAILOVER_TIMEOUT_S="60")
    assert small.returncode == 0
    assert "! failover_timeout" in small.stdout


def test_the_doctor_says_what_does_not_answer(tmp_path: Path) -> None:
    nobody = "127.0.0.1:1"
    found = flumina(
        tmp_path,
        *("doctor", "--api", f"http://{nobody}"),
        KAFKA_BROKERS=nobody,
        MESOS_MASTER=nobody,
    )
    assert found.returncode == 1
    for check in ("kafka", "api", "mesos"):
        assert f"✗ {check}" in found.stdout


def test_the_doctor_names_topics_that_are_missing_and_makes_none(
    tmp_path: Path, kafka: str, topic_prefix: str
) -> None:
    for _ in range(2):
        found = flumina(tmp_path, "doctor", KAFKA_BROKERS=kafka, FLUMINA_TOPIC_PREFIX=topic_prefix)
        assert found.returncode == 1
        assert "✗ topics " in found.stdout
        assert f"{topic_prefix}cell is missing; {topic_prefix}jobs is missing" in found.stdout


def test_nothing_runs_there(tmp_path: Path) -> None:
    assert "Nothing runs on" in refused(tmp_path, 5, "jobs")
    assert "does not answer" in refused(tmp_path, 5, "jobs", "--api", "http://127.0.0.1:1")


def test_a_command_finds_the_api_below_its_directory_and_by_name(
    here: Path, tmp_path: Path
) -> None:
    api = told(here, "doctor")
    url = next(each["text"] for each in api["checks"] if each["check"] == "api").partition(",")[0]
    assert "leader" in done(here.parent, "state")
    assert "leader" in done(tmp_path, "state", "--api", url)
