"""`flumina simulate` as a person runs it: files in, figures, files and exit codes out."""

import csv
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import ROOT, Done, flumina

DRAIN = ROOT / "docs" / "placement" / "examples" / "drain"


def write_trace(folder: Path, hosts: int = 4, tasks: int = 12) -> tuple[str, ...]:
    """Hosts of 4 cpus in three zones, tasks of 1 cpu in jobs of 6; the options that name them."""
    rows = [f"h{number},4,4096,{'ABC'[number % 3]}" for number in range(hosts)]
    (folder / "hosts.csv").write_text("\n".join(["name,cpus,mem,zone", *rows]) + "\n", "utf-8")
    rows = [f"t{number},j{number // 6},1,512" for number in range(tasks)]
    (folder / "tasks.csv").write_text("\n".join(["id,job,cpus,mem", *rows]) + "\n", "utf-8")
    return ("--hosts", str(folder / "hosts.csv"), "--tasks", str(folder / "tasks.csv"))


def simulate(folder: Path, *words: str) -> Done:
    return flumina(folder, "simulate", *words)


def last_line(done: Done) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.rstrip("\n").rsplit("\n", 1)[-1])
    return found


def test_the_last_line_is_json_with_the_figures(tmp_path: Path) -> None:
    found = last_line(simulate(tmp_path, *write_trace(tmp_path), "--json"))

    assert found["placed"] == 12
    assert found["hosts_used"] == 3, "packed"
    assert found["zone_skew"] >= 1
    assert found["placed_per_sec"] == pytest.approx(12 / found["wall_s"], rel=0.5)
    parts = found["index_s"] + found["placing_s"] + found["records_s"]
    assert parts == pytest.approx(found["wall_s"], abs=2e-3), "each is rounded"
    assert found["cpu_s"] > 0


def test_soft_zone_balance_spreads_each_job_over_the_zones(tmp_path: Path) -> None:
    words = write_trace(tmp_path, hosts=9)

    found = last_line(simulate(tmp_path, *words, "--soft", "zone-balance", "--json"))

    assert (found["placed"], found["zone_skew"]) == (12, 0)


def test_the_placement_names_every_task_in_the_order_of_the_file(tmp_path: Path) -> None:
    words = write_trace(tmp_path, hosts=2, tasks=12)
    done = simulate(tmp_path, *words, "--batch", "5", "--placement", str(tmp_path / "out.csv"))

    assert done.returncode == 0, done.stderr
    rows = list(csv.reader((tmp_path / "out.csv").read_text("utf-8").splitlines()))
    assert rows[0] == ["task", "host"]
    assert [task for task, _ in rows[1:]] == [f"t{number}" for number in range(12)]
    assert sum(host != "" for _, host in rows[1:]) == 8, "two hosts of four"
    assert {host for _, host in rows[1:]} == {"h0", "h1", ""}


def test_the_same_files_give_the_same_placement(tmp_path: Path) -> None:
    words = write_trace(tmp_path, hosts=7)
    for name in ("one.csv", "two.csv"):
        simulate(tmp_path, *words, "--placement", str(tmp_path / name))
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_policies_stand_side_by_side(tmp_path: Path) -> None:
    words = write_trace(tmp_path)
    outputs = ("--placement", str(tmp_path / "out.csv"), "--output", str(tmp_path / "all.json"))
    done = simulate(tmp_path, *words, "--policy", "pack", "--policy", "spread", *outputs, "--json")

    found = last_line(done)
    assert found["policy"] == "pack"
    assert found["policies"]["pack"]["hosts_used"] < found["policies"]["spread"]["hosts_used"]
    assert json.loads((tmp_path / "all.json").read_text("utf-8")) == found
    assert (tmp_path / "out-spread.csv").is_file()
    assert re.search(r"^pack +12 ", done.stdout, re.MULTILINE), done.stdout


def test_a_policy_file_is_a_policy(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "profiles:\n  pack:\n    weights: {spread: 1}\n  spread:\n    weights: {spread: 1}\n",
        "utf-8",
    )
    found = last_line(
        simulate(
            tmp_path, *write_trace(tmp_path), "--policy", str(tmp_path / "mine.yaml"), "--json"
        )
    )

    assert (found["policy"], found["hosts_used"]) == ("mine", 4)


def test_the_page_stands_by_itself(tmp_path: Path) -> None:
    words = write_trace(tmp_path)
    simulate(
        tmp_path,
        *words,
        "--policy",
        "pack",
        "--policy",
        "spread",
        "--html",
        str(tmp_path / "p.html"),
    )

    page = (tmp_path / "p.html").read_text("utf-8")
    assert "Hosts used" in page
    assert page.count("<svg") >= 5
    assert not re.findall(r"https?:|//[a-z]|<script|@import|url\(", page), "it asks no network"
    assert "nan" not in page.lower().replace("nano", "")


def test_each_call_is_recorded_with_its_refusals(tmp_path: Path) -> None:
    words = write_trace(tmp_path, hosts=2, tasks=12)
    simulate(tmp_path, *words, "--batch", "6", "--events", str(tmp_path / "calls.jsonl"))

    calls = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    assert [len(each["placed"]) for each in calls] == [6, 2]
    assert calls[1]["refused"] == [
        {"job": "j1", "tasks": 4, "rules": [["cpu", 2]], "words": calls[1]["refused"][0]["words"]}
    ]


def test_packing_leaves_nine_of_twelve_hosts_free_and_spreading_none(tmp_path: Path) -> None:
    """The show: 12 hosts of 4 slots, filled and drained to a quarter."""
    done = simulate(tmp_path, str(DRAIN), "--policy", "pack", "--policy", "spread", "--json")

    policies = last_line(done)["policies"]
    assert policies["pack"]["placed"] == policies["spread"]["placed"] == 48
    assert 12 - policies["pack"]["hosts_busy_at_end"] == 9
    assert 12 - policies["spread"]["hosts_busy_at_end"] <= 1


def test_a_full_disk_is_a_sentence_and_no_traceback(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full to write to")
    words = write_trace(tmp_path)
    for option in ("--placement", "--html", "--output", "--events"):
        done = simulate(tmp_path, *words, option, "/dev/full")
        assert done.returncode == 1
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_mistake_in_the_words_is_an_object_for_machines(tmp_path: Path) -> None:
    done = simulate(tmp_path, *write_trace(tmp_path), "--batch", "0", "--json")

    assert done.returncode == 2
    told = json.loads(done.stdout.rstrip("\n").rsplit("\n", 1)[-1])
    assert "--batch" in told["error"]
    assert told["exitCode"] == 2


def test_a_tier_that_no_policy_has_is_noted(tmp_path: Path) -> None:
    words = write_trace(tmp_path, tasks=0)
    (tmp_path / "tasks.csv").write_text(
        "id,job,cpus,mem,tier,group\nt,j,1,1,critical,webb\nu,k,1,1,Flex,DEFAULT\n", "utf-8"
    )

    done = simulate(tmp_path, *words)

    assert done.returncode == 0, done.stderr
    assert "tier 'critical' is none of policy pack (Flex)" in done.stderr
    assert "group 'webb' is not listed in policy pack" in done.stderr
    assert "'Flex'" not in done.stderr


REFUSED = """
--hosts none.csv --tasks TASKS                        | none.csv cannot be read
--hosts HOSTS                                         | --tasks is missing
--tasks TASKS                                         | --hosts is missing
                                                      | A trace is missing
HERE --hosts HOSTS                                    | two traces
/nowhere                                              | has no hosts.csv
--hosts HOSTS --tasks TASKS --policy pakc             | Did you mean pack?
--hosts HOSTS --tasks TASKS --policy pack --policy pack | named twice
--hosts HOSTS --tasks TASKS --policy ./none.yaml      | none.yaml cannot be read
--hosts HOSTS --tasks TASKS --policy HOSTS            | is no policy
--hosts HOSTS --tasks TASKS --soft zone-balanse       | Did you mean zone-balance?
--hosts HOSTS --tasks TASKS --batch 0                 | --batch
--hosts HOSTS --tasks TASKS --placement /nowhere/o.csv | cannot be written
--hosts HOSTS --tasks TASKS --placement HOSTS         | would be overwritten
--hosts HOSTS --tasks TASKS --html HERE               | cannot be written
--hosts HOSTS --tasks TASKS --nodes HOSTS             | belong to a trace
--trace opneb --nodes HOSTS --pods TASKS              | no trace 'opneb'
--trace openb --nodes HOSTS                           | needs --nodes and --pods
--trace openb --nodes HOSTS --pods TASKS              | hosts.csv:1: columns sn and
--trace openb --nodes HOSTS --pods TASKS --hosts HOSTS | takes no hosts
"""


@pytest.mark.parametrize("case", REFUSED.strip("\n").splitlines())
def test_what_is_wrong_is_said_and_the_code_is_2(tmp_path: Path, case: str) -> None:
    words, _, said = (each.strip() for each in case.partition("|"))
    write_trace(tmp_path)
    paths = {"HOSTS": tmp_path / "hosts.csv", "TASKS": tmp_path / "tasks.csv", "HERE": tmp_path}
    before = (tmp_path / "hosts.csv").read_bytes()

    done = simulate(tmp_path, *(str(paths.get(word, word)) for word in words.split()))

    assert done.returncode == 2, done.stdout
    assert said in re.sub(r"[\s│]+", " ", done.stderr)
    assert "Traceback" not in done.stderr
    assert (tmp_path / "hosts.csv").read_bytes() == before


THREE = ("--policy", "gpu", "--policy", "fgd", "--policy", "bestfit")


def openb_files(folder: Path) -> tuple[str, ...]:
    """A small cluster and pods in the form of the Alibaba trace; the options that name them."""
    nodes = [f"n{number},32000,65536,4,{'T4' if number % 2 else 'P100'}" for number in range(6)]
    (folder / "nodes.csv").write_text(
        "\n".join(["sn,cpu_milli,memory_mib,gpu,model", *nodes]) + "\n"
    )
    pods = [
        f"p{n},{1000 + n % 3 * 1000},1024,1,{(300, 500, 1000)[n % 3]},{'T4' if n % 7 == 0 else ''}"
        for n in range(40)
    ]
    pods += ["q1,2000,1024,0,0,", "q2,4000,1024,2,1000,"]
    text = "\n".join(["name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec", *pods]) + "\n"
    (folder / "openb_pod_list_default.csv.gz").write_bytes(gzip.compress(text.encode()))
    return (
        *("--trace", "openb", "--nodes", str(folder / "nodes.csv")),
        *("--pods", str(folder / "openb_pod_list_default.csv.gz")),
    )


def test_the_published_protocol_ends_with_its_figures(tmp_path: Path) -> None:
    words = openb_files(tmp_path)

    found = last_line(
        simulate(tmp_path, *words, *THREE, "--seeds", "2", "--demand", "130", "--json")
    )

    assert found["policy"] == "gpu"
    assert 70 < found["gpu_allocated_at_100"] <= 100
    assert found["gpu_allocated_at_95"] <= found["gpu_allocated_at_100"]
    assert 0 <= found["fragmented_at_90"] <= 100
    assert set(found["mixes"]["default"]["policies"]) == {"gpu", "fgd", "bestfit"}
    assert last_line(simulate(tmp_path, *words, *THREE, "--seeds", "2")) == found, "by the seed"


def test_a_small_demand_has_its_figures_at_its_end(tmp_path: Path) -> None:
    found = last_line(simulate(tmp_path, *openb_files(tmp_path), "--demand", "20"))

    # A pod more or less, of 24 devices: demand ends near 20 per cent.
    (end,) = [int(key.rpartition("_")[2]) for key in found if key.startswith("gpu_allocated_at_")]
    assert 16 <= end <= 24
    assert 0 < found[f"gpu_allocated_at_{end}"] <= end
    assert 0 <= found[f"fragmented_at_{end}"] <= 100


def test_one_mix_is_named_once(tmp_path: Path) -> None:
    words = openb_files(tmp_path)
    done = simulate(tmp_path, *words, *words[-2:])

    assert (done.returncode, "Mix default is named twice" in done.stderr) == (2, True)


def test_published_figures_stand_beside_ours(tmp_path: Path) -> None:
    words = openb_files(tmp_path)
    for name in ("analysis_allo_discrete.csv.gz", "analysis_frag_ratio_discrete.csv.gz"):
        rows = ["workload,sc_policy,tune,seed,90,95,100,130"]
        rows += [
            f"openb_pod_list_{mix},06-FGD,1.3,{seed},{value},{value},{value},{value}"
            for mix in ("default", "cpu050")
            for seed, value in ((42, 10.0), (43, 30.0), (44, 20.5))
        ]
        (tmp_path / name).write_bytes(gzip.compress(("\n".join(rows) + "\n").encode()))

    done = simulate(tmp_path, *words, "--published", str(tmp_path), "--json")

    assert last_line(done)["mixes"]["default"]["published"]["FGD"]["gpu_allocated_at_100"] == 20.5
    assert "published FGD" in done.stdout
    assert "gpu: above the published FGD on 1 of 1 mixes" in done.stdout
