"""Scripts on hosts: only what is allowed is run, once, and what is known of its end is told.

How: real children of this process; for AWS moto's Systems Manager on loopback.
"""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from connectors.healing.allow_list import AllowList, NotAllowed, Script, read_allow_list
from connectors.healing.faults import break_probe, broken, mend
from connectors.healing.instances import InstanceChecks, attachments
from connectors.healing.local import LocalCommands
from connectors.healing.opening import DEV_SCRIPTS, healing_place, open_commands
from connectors.healing.ports import ScriptRan, ScriptToRun
from connectors.healing.ssm import SsmCommands
from tests.support.moto import environment_of, moto_endpoint  # noqa: F401 - a fixture

CODE = "import os, sys; print(os.environ['FLUMINA_HOSTNAME'], *sys.argv[1:]); sys.exit(3)"
SAY = Script((sys.executable, "-c", CODE), ("docker",))


def script(
    name: str, *arguments: str, timeout_ms: int = 20_000, instance_id: str = ""
) -> ScriptToRun:
    """An order to run a script on agent1."""
    return ScriptToRun("heal-1.0.0.0", "h1", "agent1", instance_id, name, arguments, timeout_ms)


def test_a_script_runs_with_its_hosts_names_and_tells_code_and_output(tmp_path: Path) -> None:
    (tmp_path / "agent1").mkdir()
    commands = LocalCommands(AllowList({"say": SAY}), tmp_path)
    ran = asyncio.run(commands.run(script("say", "docker")))
    assert ran == ScriptRan("sent", "", 3, "agent1 docker\n")


def test_what_is_not_on_the_list_is_not_run() -> None:
    commands = LocalCommands(AllowList({"say": SAY}))
    refused = asyncio.run(commands.run(script("rm", "-rf")))
    assert (refused.fate, refused.detail) == (
        "refused",
        "script rm is not on the allow-list; known are say",
    )
    refused = asyncio.run(commands.run(script("say", "docker; reboot")))
    assert refused.fate == "refused"
    assert "allowed are docker" in refused.detail


@pytest.mark.slow
def test_a_script_that_hangs_is_ended_with_all_that_it_started() -> None:
    commands = LocalCommands(AllowList({"hang": Script(("/bin/sh", "-c", "echo begun; sleep 60"))}))
    ran = asyncio.run(commands.run(script("hang", timeout_ms=1_500)))
    assert (ran.fate, ran.exit_code) == ("unknown", None)
    assert ran.output == "begun\n"


def test_a_program_that_is_not_there_is_refused() -> None:
    commands = LocalCommands(AllowList({"x": Script(("/nowhere/x",))}))
    assert asyncio.run(commands.run(script("x"))).fate == "refused"


def test_hosts_of_a_dev_cluster_can_be_looked_at_and_mended(tmp_path: Path) -> None:
    home = tmp_path / "agent1"
    home.mkdir()
    break_probe(home, "disk", "2 % free")
    commands = LocalCommands(DEV_SCRIPTS, tmp_path)
    looked = asyncio.run(commands.run(script("status")))
    assert (looked.exit_code, looked.output) == (1, "disk: 2 % free\n")
    assert asyncio.run(commands.run(script("mend"))).exit_code == 0
    assert not broken(home)
    assert asyncio.run(commands.run(script("status"))).exit_code == 0
    mend(home, "disk")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a: b: c", "cannot be read as YAML"),
        ("scripts: []", "must hold one field, scripts"),
        ("scripts: {X y: {command: [a]}}", "'X y' is no name of a script"),
        ("scripts: {a: {command: a}}", "scripts.a: Expected `array`"),
        ("scripts: {a: {command: []}}", "must be a program"),
        ("scripts: {a: {command: [b], shell: true}}", "unknown field"),
    ],
)
def test_a_list_that_is_wrong_says_where(tmp_path: Path, text: str, wanted: str) -> None:
    path = tmp_path / "scripts.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"scripts\.yaml") as error:
        read_allow_list(path)
    assert wanted in str(error.value)


def test_a_list_is_read_and_opened_by_its_setting(tmp_path: Path) -> None:
    path = tmp_path / "scripts.yaml"
    path.write_text("scripts: {restart: {command: [systemctl, restart], arguments: [a.service]}}")
    allowed = read_allow_list(path)
    assert allowed.command("restart", ("a.service",)) == ["systemctl", "restart", "a.service"]
    with pytest.raises(NotAllowed):
        allowed.command("restart", ("b.service",))
    assert isinstance(open_commands(f"local:{path}"), LocalCommands)
    assert isinstance(open_commands(f"ssm:{path}"), SsmCommands)
    assert healing_place(f"dev:{tmp_path}") == f"dev:{tmp_path}"
    for wrong in ("ssh:x", "dev:", "ssm"):
        with pytest.raises(ValueError, match="ssm:FILE"):
            healing_place(wrong)


def test_an_instance_runs_a_script_by_systems_manager(
    moto_endpoint: str,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment_of(moto_endpoint).items():
        monkeypatch.setenv(name, value)
    instance_id = "i-0a1b2c3d4e5f60718"
    commands = SsmCommands(AllowList({"restart": Script(("systemctl", "restart", "a b"))}))
    ran = asyncio.run(commands.run(script("restart", instance_id=instance_id)))
    assert (ran.fate, ran.exit_code) == ("sent", 0)
    listed = boto3.client("ssm").list_commands()["Commands"]
    # moto sends it to every instance that it has, those of other tests as well.
    sent = next(each for each in listed if instance_id in each["InstanceIds"])
    assert sent["Parameters"]["commands"] == ["systemctl restart 'a b'"]
    assert sent["Comment"] == "flumina heal-1.0.0.0"
    assert asyncio.run(commands.run(script("restart"))).fate == "refused"
    asyncio.run(commands.close())


def test_instances_are_checked_by_what_their_cloud_says(
    moto_endpoint: str,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment_of(moto_endpoint).items():
        monkeypatch.setenv(name, value)
    instance_id = _instance()
    checks = InstanceChecks()
    first = asyncio.run(checks.probes([instance_id], 1))[instance_id]
    assert [each.name for each in first] == ["instance", "volume", "attachment"]
    assert first[2].state == "good"
    assert first[0].name == "instance"
    assert first[0].state == "good"
    boto3.client("ec2").stop_instances(InstanceIds=[instance_id])
    after = asyncio.run(checks.probes([instance_id], 2))[instance_id]
    assert (after[0].state, after[0].detail) == ("bad", "it is stopped")


@pytest.mark.parametrize(
    ("kind", "status", "minutes", "detail"),
    [
        ("volume", "attached", 600, ""),
        ("volume", "attaching", 4, ""),
        ("volume", "attaching", 6, "vol-1 has been attaching for 6 min"),
        ("interface", "attaching", 6, "eni-1 has been attaching for 6 min"),
        ("volume", "busy", 1, "vol-1 is busy: it could not be taken off"),
        ("interface", "detaching", 600, ""),  # Somebody takes it off, which is no fault of it.
    ],
)
def test_what_hangs_on_an_instance_is_given_minutes_to_attach(
    kind: str, status: str, minutes: int, detail: str
) -> None:
    began = datetime(2026, 11, 23, 3, 12, tzinfo=UTC)
    hangs = {"Status": status, "AttachTime": began}
    shapes: dict[str, dict[str, Any]] = {
        "volume": {"BlockDeviceMappings": [{"Ebs": {"VolumeId": "vol-1", **hangs}}]},
        "interface": {
            "NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "Attachment": hangs}],
            "BlockDeviceMappings": [{"DeviceName": "ephemeral"}],
        },
    }
    found = attachments(shapes[kind], round(began.timestamp() * 1_000) + minutes * 60_000)
    assert (found.state, found.detail) == ("bad" if detail else "good", detail)


def _instance() -> str:
    ec2 = boto3.client("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)
    return str(made["Instances"][0]["InstanceId"])
