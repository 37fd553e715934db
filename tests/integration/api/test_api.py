"""POST to Kafka to fold to GET, with every part real: api, Kafka, cell process, dev cluster.

What is shown: an answer means that the cell has answered; a lost leader loses no request; a fold
that is halted says so and goes on after a skip; the process stops cleanly and comes back the same.
"""

from collections.abc import Callable
from typing import Any

import pytest

from scheduler.model.codec import digest_of
from tests.support.api_process import Answer, ApiProcess
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration

JOBS = "/api/v3/jobs"
TASKS = "/api/v3/tasks"
ACTOR = {"X-Flumina-Actor": "ada"}
POISON = b'{"version":99,"epoch":1,"at_ms":1,"events":[]}'
StartApi = Callable[[], ApiProcess]


def _state_is(state: str) -> Callable[[Answer], bool]:
    return lambda answer: answer.status == 200 and answer.json["status"]["state"] == state


def _asks_of_other_instants(api: ApiProcess, lines: list[dict[str, Any]]) -> None:
    """The time machine's own process answers: state, diff, why, timeline and causes of then."""
    begun, ended = lines[0]["address"], lines[-1]["address"]
    then = api.ask("GET", f"/api/flumina/state?at={begun}")
    assert (then.status, then.json["jobs"]) == (200, {"Accepted": 1})
    assert then.json["tasks"] == {"Accepted": 2}
    found = api.ask("GET", f"/api/flumina/diff?from={begun}&to={ended}").json
    assert any(ended in each.get("addresses", ()) for each in found["entities"])
    assert api.ask("GET", f"{TASKS}/s-worker-0-1/why?at={begun}").json["state"] == "Accepted"
    page = api.ask("GET", "/api/flumina/timeline/s-worker-0-1").json
    assert [each["address"] for each in page["lines"]][-1] == ended
    steps = api.ask("GET", f"/api/flumina/trace?address={ended}").json["steps"]
    assert steps[0]["address"] == begun
    assert api.ask("GET", "/api/flumina/state?at=-1000d").status == 400


def test_a_job_from_its_submission_to_its_output_and_its_end(
    world: World, cluster_port: int, start_api: StartApi
) -> None:
    world.start_cluster(cluster_port)
    api = start_api()
    early = api.ask("POST", f"{JOBS}?jobId=early", batch_of(1, "true"))
    assert early.status == 503  # Nobody leads yet.
    assert api.ask("GET", "/health").status == 503  # And the log is empty.
    world.start_cell("cell-0")
    api.until("/health", lambda each: each.json["leader"] == "cell-0", "the leader is known")

    shell = "echo out; echo err >&2; trap 'exit 0' TERM; while :; do sleep 0.1; done"
    made = api.ask("POST", f"{JOBS}?jobId=s", service_of(2, shell), ACTOR)
    assert (made.status, made.json) == (201, {"id": "s"})
    shown = api.ask("GET", f"{JOBS}/s")  # Read your writes: no waiting needed.
    assert shown.json["jobDescriptor"]["service"]["capacity"]["desired"] == 2
    assert "x-flumina-stale" not in shown.headers

    task = f"{TASKS}/s-worker-0-1"
    api.until(task, _state_is("Started"), "the task runs")
    out = api.until(f"{task}/log", lambda each: each.body == b"out\n", "its output is read")
    assert out.headers["x-flumina-log-next-offset"] == "4"
    assert api.ask("GET", f"{task}/log?file=stderr&tail=true").body == b"err\n"
    assert api.ask("GET", f"{task}/log?offset=4").body == b""

    assert api.ask("PUT", f"{JOBS}/s/instances", {"desired": 1, "max": 4}, ACTOR).status == 200
    assert api.ask("DELETE", f"{JOBS}/s?why=over", headers=ACTOR).status == 200
    api.until(f"{JOBS}/s", _state_is("Finished"), "the job ended")
    sentences = " ".join(api.ask("GET", f"{JOBS}/s/why").json["sentences"])
    assert "ada" in sentences
    lines = api.ask("GET", f"{task}/events").json["lines"]
    offsets = [int(each["address"].partition(":")[2].partition("[")[0]) for each in lines]
    world.until(lambda: len(world.log) > max(offsets), "every address of a line is in the log")
    _asks_of_other_instants(api, lines)
    assert api.ask("POST", f"{JOBS}?jobId=s", batch_of(1, "true")).status == 409
    world.until(world.all_ended, "the log says so, too")
    world.check_sound()


def test_a_lost_leader_loses_no_request_and_its_token_is_kept(
    world: World, cluster_port: int, start_api: StartApi
) -> None:
    """The leader dies; a request is taken all the same, and the next leader obeys it."""
    world.start_cluster(cluster_port)
    world.start_cell("cell-0")
    api, other = start_api(), start_api()
    api.until("/health", lambda each: each.json["leader"] == "cell-0", "the leader is known")
    assert api.ask("POST", f"{JOBS}?jobId=first", batch_of(1, "true")).status == 201
    world.kill_cell("cell-0")
    key = {"Idempotency-Key": "one"}
    late = api.ask("POST", JOBS, batch_of(1, "true"), key)
    assert late.status == 202
    job, token = late.json["id"], late.json["token"]
    assert api.ask("GET", f"{JOBS}/{job}?atLeast={token}").status == 503
    assert api.ask("POST", f"{JOBS}?jobId=first", batch_of(1, "true")).status == 201  # As before.
    world.start_cell("cell-1")
    for each in (api, other):  # A token holds for every api of the cell.
        each.until(f"{JOBS}/{job}?atLeast={token}", lambda said: said.status == 200, "it is made")
    again = other.ask("POST", JOBS, batch_of(1, "true"), key)
    assert (again.status, again.json) == (201, {"id": job})
    api.until(f"{JOBS}/{job}", _state_is("Finished"), "it has run")
    world.until(lambda: world.is_normal(job), "the log says so, too")
    world.check_sound()


def test_a_halted_fold_says_so_and_goes_on_after_a_skip(
    world: World, cluster_port: int, start_api: StartApi
) -> None:
    world.start_cluster(cluster_port)
    world.start_cell("cell-0")
    api = start_api()
    api.until("/health", lambda each: each.json["leader"] == "cell-0", "the leader is known")
    assert api.ask("POST", f"{JOBS}?jobId=before", service_of(1, "sleep 1000")).status == 201
    poison = world.publish("cell", "", POISON)
    health = api.until("/health", lambda each: bool(each.json["halt"]), "the fold is halted")
    assert health.status == 503
    assert f"offset {poison}" in health.json["halt"]
    read = api.ask("GET", f"{JOBS}/before")
    assert read.status == 200
    assert read.headers["x-flumina-stale"].startswith("halted: ")
    assert api.ask("POST", f"{JOBS}?jobId=x", batch_of(1, "true")).status == 503
    skip = {"offset": poison, "digest": digest_of(POISON), "why": "a stranger's, see the test"}
    asked = api.ask("POST", "/api/flumina/commands/skip", skip, ACTOR)
    assert asked.status in {200, 202}
    world.passed_over = {poison}
    api.until_healthy()
    assert api.ask("GET", f"{JOBS}/before").status == 200
    made = api.ask("POST", f"{JOBS}?jobId=after", batch_of(1, "true"))
    assert made.status in {201, 202}
    api.until(f"{JOBS}/after", _state_is("Finished"), "a job of afterwards has run")
    world.until(lambda: world.is_normal("after"), "the log says so, too")
    world.check_sound()


def test_it_stops_cleanly_and_comes_back_the_same(
    world: World, cluster_port: int, start_api: StartApi
) -> None:
    world.start_cluster(cluster_port)
    world.start_cell("cell-0")
    first = start_api()
    first.until("/health", lambda each: each.json["leader"] == "cell-0", "the leader is known")
    assert first.ask("POST", f"{JOBS}?jobId=b", batch_of(2, "true")).status == 201
    first.until(f"{JOBS}/b", _state_is("Finished"), "the job ended")
    jobs = first.ask("GET", f"{JOBS}?jobState=Any").json
    offset = first.ask("GET", f"{JOBS}/b").headers["x-flumina-offset"]
    assert first.stop() == 0
    said = first.log.read_text("utf-8")
    assert "Traceback" not in said, said
    second = start_api()
    second.until(f"{JOBS}?atLeast=cell:0:{offset}", lambda each: each.status == 200, "folded")
    assert second.ask("GET", f"{JOBS}?jobState=Any").json == jobs
    second.close()  # As a crash would: nothing is kept that could be lost.
    third = start_api()
    third.until_healthy()
    assert third.ask("GET", f"{JOBS}?jobState=Any").json == jobs
