"""Plug-ins: exactly the version that the rules name is loaded and used, or nothing is placed.

How: a distribution of two functions is installed into a directory of its own, as `pip install
--target` would, and a Python of its own has that directory on its path: what is found there is
found by `importlib.metadata`, and no part of it is known to this process.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.machine import Refusal
from scheduler.model.events import PolicySet
from scheduler.model.reading.faults import Faults
from scheduler.model.rules import Plugin
from streams.cell.plugins import Equipment, PluginMissing, loaded
from streams.policy_file.installed import complete, installed_plugins
from tests.support.cell import CellInMemory, batch, running_cell

ROOT = Path(__file__).parents[3]
CODE = '''
"""Two rules of a site's own."""


def near_data(request, host):
    return 1000 if host.hostname.endswith("3") else 0


def not_on_two(request, host):
    return "host 2 is for guests" if host.hostname.endswith("2") else ""
'''
PLACE = """
import json, sys
from msgspec.structs import replace
from scheduler.model.events import PolicySet
from scheduler.model.policy import Policy
from scheduler.model.rules import PlacementRules, Plugin, Profile
from streams.cell.plugins import Equipment
from streams.policy_file.installed import installed_plugins
from tests.support.cell import batch, running_cell

version = sys.argv[1]
plugins = (
    Plugin("fitness", "nearData", "acme-flumina", version),
    Plugin("constraint", "notOnTwo", "acme-flumina", version),
)
rules = PlacementRules()
profiles = tuple(replace(each, weights=(("nearData", 1),)) for each in rules.profiles)
cell = running_cell(hosts=3)
cell.write(PolicySet(version=2, policy=Policy(placement=replace(
    rules, plugins=plugins, profiles=profiles))))
equipment = Equipment()
equipment.equip(cell.machine)
cell.submit(batch(size=12))
cell.launched()
hosts = [str(cell.host_of(each.task_id)) for each in cell.tasks()]
print(json.dumps({"why": equipment.why_not, "hosts": hosts,
    "installed": [[each.kind, each.name, each.version] for each in installed_plugins()]}))
"""


def install(folder: Path, version: str = "1.2.0") -> None:
    """Put the distribution ``acme-flumina`` into a directory, as an installer does."""
    (folder / "acme_rules.py").write_text(CODE)
    info = folder / f"acme_flumina-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: acme-flumina\nVersion: {version}\n"
    )
    (info / "entry_points.txt").write_text(
        "[flumina.fitness]\nnearData = acme_rules:near_data\n\n"
        "[flumina.constraints]\nnotOnTwo = acme_rules:not_on_two\n"
    )
    files = ["acme_rules.py", *(f"{info.name}/{each.name}" for each in info.iterdir())]
    (info / "RECORD").write_text("".join(f"{each},,\n" for each in files))


def placed(folder: Path, version: str) -> dict[str, Any]:
    """What a cell places in a Python that has the directory on its path."""
    done = subprocess.run(
        [sys.executable, "-c", PLACE, version],
        cwd=ROOT,
        env={"PYTHONPATH": f"{folder}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.integration  # It starts processes.
def test_a_cell_places_by_the_functions_of_the_version_that_its_rules_name(tmp_path: Path) -> None:
    install(tmp_path)
    told = placed(tmp_path, "1.2.0")
    assert told["why"] == ""
    assert ["fitness", "nearData", "1.2.0"] in told["installed"]
    assert ["constraint", "notOnTwo", "1.2.0"] in told["installed"]
    assert told["hosts"].count("host3") == 8, "it is best, until it is full"
    assert told["hosts"].count("host1") == 4, "host 2 is as good, and forbidden"


@pytest.mark.integration  # It starts processes.
def test_another_version_places_nothing_and_says_what_to_install(tmp_path: Path) -> None:
    install(tmp_path, "1.3.0")
    told = placed(tmp_path, "1.2.0")
    assert told["hosts"] == ["None"] * 12
    assert told["why"] == (
        "the rules name fitness nearData of acme-flumina 1.2.0, and 1.3.0 is installed here; "
        "`pip install 'acme-flumina==1.2.0'`"
    )


def test_a_package_that_is_not_installed_is_named_and_a_replay_refuses() -> None:
    wanted = (Plugin("constraint", "notOnTwo", "acme-flumina", "1.2.0"),)
    with pytest.raises(Refusal, match=r"not installed here; `pip install 'acme-flumina==1\.2\.0'`"):
        loaded(wanted)


def test_a_cell_without_its_plug_ins_goes_on_with_all_but_placing() -> None:
    cell = running_cell()
    (task_id,) = cell.run(batch(size=1))
    set_plugins(cell, Plugin("fitness", "nearData", "acme-flumina", "1.2.0"))
    equipment = Equipment()
    equipment.equip(cell.machine)
    assert "pip install" in equipment.why_not
    cell.kill_task(task_id)
    cell.submit(batch(size=1), "other")
    kinds = {type(each).__name__ for each in cell.decide_and_carry_out()}
    assert "KillTask" in kinds
    assert "LaunchTasks" not in kinds
    set_plugins(cell)
    equipment.equip(cell.machine)
    assert equipment.why_not == ""
    assert cell.launched()


def set_plugins(cell: CellInMemory, *plugins: Plugin) -> None:
    """Make these the plug-ins of the rules."""
    policy = cell.state.policy
    after = replace(policy, placement=replace(policy.placement, plugins=plugins))
    cell.write(PolicySet(version=cell.state.policy_version + 1, policy=after))


def test_what_the_file_leaves_out_is_filled_in_by_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert Plugin("fitness", "nearData", "acme-flumina", "1.2.0") in installed_plugins()
    whole = {"kind": "fitness", "name": "x", "distribution": "d", "version": "1"}
    document = {"plugins": [dict(whole), {"kind": "fitness", "name": "nearData"}]}
    faults = Faults()
    complete(document, faults)
    assert not faults
    filled = {"distribution": "acme-flumina", "version": "1.2.0"}
    assert document == {"plugins": [whole, {"kind": "fitness", "name": "nearData", **filled}]}
    complete({"plugins": [{"kind": "fitness", "name": "nearDate"}]}, faults)
    (fault,) = faults.all()
    assert fault.field == "plugins[0].name"
    assert "did you mean 'nearData'?" in fault.hint


def test_what_is_installed_and_broken_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path)
    (tmp_path / "acme_rules.py").write_text("raise RuntimeError('no database')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginMissing, match=r"cannot be loaded .RuntimeError: no database"):
        loaded((Plugin("fitness", "nearData", "acme-flumina", "1.2.0"),))
