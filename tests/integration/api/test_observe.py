"""A stream of events over real Kafka: the api that serves it is killed, another goes on with it.

What is shown: behind the last event that was read, the other process tells exactly what the first
one would have told, and the reader ends up with what the fold knows. The witness is a reader that
was never broken off.
"""

import http.client
import threading
from collections.abc import Callable

import pytest

from tests.support.api_process import ApiProcess
from tests.support.event_reader import Event, events_of
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration
StartApi = Callable[[], ApiProcess]
PATH = "/api/v3/observe/jobs?jobState=Any&taskStates=Any"
READ_S_MAX = 90.0
SERVE = "trap 'exit 0' TERM; while :; do sleep 0.1; done"


class Following(threading.Thread):
    """Reads a stream until it breaks off, or until these jobs have ended."""

    def __init__(self, api: ApiProcess, jobs: str, last_id: str = "") -> None:
        super().__init__(daemon=True)
        self.events: list[Event] = []
        self.has_begun = threading.Event()
        self._jobs = set(jobs.split())
        self._connection = http.client.HTTPConnection(api.address, timeout=READ_S_MAX)
        self._headers = {"Last-Event-ID": last_id} if last_id else {}
        self.start()

    def run(self) -> None:
        """Read it."""
        text = ""
        try:
            self._connection.request("GET", PATH, headers=self._headers)
            answer = self._connection.getresponse()
            assert answer.status == 200, answer.read()
            while piece := answer.read1(65_536):
                whole, gap, text = (text + piece.decode()).rpartition("\n\n")
                self.events += events_of(whole + gap)
                if any(each.kind == "SnapshotEnd" for each in self.events):
                    self.has_begun.set()
                ends = [each.data["job"]["id"] for each in self.events if _is_end(each)]
                if self._jobs.issubset(ends):
                    return
        except (OSError, http.client.HTTPException):
            return  # The api was killed.
        finally:
            self._connection.close()

    def until_over(self) -> list[Event]:
        """All events with an id, once there is nothing more to read."""
        self.join(READ_S_MAX)
        assert not self.is_alive(), self.events[-3:]
        return [each for each in self.events if each.id and each.kind != "KeepAlive"]


def _is_end(each: Event) -> bool:
    return each.kind == "JobUpdate" and bool(each.data["archived"])


def test_a_reader_goes_on_at_another_api_when_its_own_is_killed(
    world: World, cluster_port: int, start_api: StartApi
) -> None:
    world.start_cluster(cluster_port)
    apis = [start_api() for _ in range(2)]
    world.start_cell("cell-0")
    for each in apis:
        each.until("/health", lambda said: said.json["leader"] == "cell-0", "the leader is known")
    stayed = Following(apis[1], "a last")
    first = Following(apis[0], "a last")
    assert stayed.has_begun.wait(READ_S_MAX)
    assert first.has_begun.wait(READ_S_MAX)
    assert apis[1].ask("POST", "/api/v3/jobs?jobId=a", service_of(3, SERVE)).status == 201
    apis[1].until(
        "/api/v3/tasks/a-worker-0-1", lambda it: it.json["status"]["state"] == "Started", "it runs"
    )
    apis[0].process.kill()
    had = first.until_over()
    assert len(had) > 4
    assert apis[1].ask("DELETE", "/api/v3/jobs/a").status == 200
    assert apis[1].ask("POST", "/api/v3/jobs?jobId=last", batch_of(2, "true")).status == 201
    rest = Following(apis[1], "a last", had[-1].id).until_over()
    assert not any(each.kind in {"restart", "SnapshotEnd"} for each in rest)

    whole = stayed.until_over()
    after = whole.index(next(each for each in whole if each.kind == "SnapshotEnd")) + 1
    begun = next(place for place, each in enumerate(had) if each.kind == "SnapshotEnd") + 1
    told = [*had[begun:], *rest]
    assert [each.id for each in told] == [each.id for each in whole[after:]]
    assert told == whole[after:]
    assert len({each.id for each in told}) == len(told)
    known = {each.data["task"]["id"]: each.data["task"] for each in told if "task" in each.data}
    shown = apis[1].ask("GET", "/api/v3/tasks?taskStates=Any").json["items"]
    states = {name: each["status"]["state"] for name, each in known.items()}
    assert {each["id"]: each["status"]["state"] for each in shown} == states
    assert set(states.values()) == {"Finished"}
