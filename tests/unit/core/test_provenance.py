"""Where an image came from travels from the job to the task, its labels, events, usage and why."""

from msgspec.structs import replace

from connectors.mesos.usage import tags_of
from projections.cell_view import CellView
from projections.provenance import provenance_header, provenance_of_task
from projections.why import Unknown, why
from scheduler.effects import effect_of
from scheduler.model.changes import JobChanged
from scheduler.model.codec import decode_record
from scheduler.model.effects import AcceptOffers
from scheduler.model.job import JobSpec
from tests.support.asgi import call
from tests.support.cell import CellInMemory, batch, running_cell, service
from tests.support.web_cell import WebCell

ATTRIBUTES = (
    ("flumina.provenance.baseImage", "debian:12"),
    ("flumina.provenance.commit", "1a2b3c"),
    ("flumina.provenance.pipeline", "https://ci/run/7"),
    ("other", "x"),
)
DIGEST = f"sha256:{'0' * 64}"


def _spec() -> JobSpec:
    spec = batch(1, image="team/worker", image_tag="1", image_digest=DIGEST)
    return replace(spec, attributes=ATTRIBUTES)


def _launched() -> tuple[CellInMemory, AcceptOffers]:
    cell = running_cell()
    cell.submit(_spec())
    decisions: list[AcceptOffers] = []
    for _ in range(5):
        for decision in list(cell.state.decisions.values()):
            effect = effect_of(cell.state, decision)
            if isinstance(effect, AcceptOffers):
                decisions.append(effect)
        if decisions:
            break
        cell.write(*cell.machine.decide())
    return cell, decisions[0]


def test_a_task_finds_it_in_its_environment_and_mesos_in_labels() -> None:
    _, effect = _launched()
    environment, labels = dict(effect.tasks[0].environment), dict(effect.tasks[0].labels)
    assert environment["FLUMINA_COMMIT"] == "1a2b3c"
    assert environment["FLUMINA_IMAGE_DIGEST"] == DIGEST
    assert environment["FLUMINA_BASE_IMAGE"] == "debian:12"
    assert "FLUMINA_BUILD" not in environment
    assert labels["flumina.provenance.commit"] == "1a2b3c"
    assert "other" not in labels


def test_the_usage_of_a_task_is_marked_with_it() -> None:
    _, effect = _launched()
    task = effect.tasks[0]
    labels = [{"key": key, "value": value} for key, value in task.labels]
    state = {
        "frameworks": [
            {
                "id": "f",
                "executors": [{"id": "e", "tasks": [{"id": task.task_id, "labels": labels}]}],
            }
        ]
    }
    assert tags_of(state)["f", "e"].provenance["flumina.provenance.pipeline"] == "https://ci/run/7"


def test_the_event_of_the_job_and_why_say_it() -> None:
    cell = running_cell()
    (task_id,) = cell.run(_spec())
    told = [each for _, _, each in cell.changes if isinstance(each, JobChanged)]
    assert dict(told[0].provenance)["flumina.provenance.commit"] == "1a2b3c"
    view = CellView()
    for offset, data in enumerate(cell.log):
        view.apply(offset, decode_record(data))
    for name in ("job", task_id):
        answer = why(view, name)
        assert not isinstance(answer, Unknown)
        assert any("commit 1a2b3c" in each for each in answer.sentences), name
    header = provenance_header(provenance_of_task(view, task_id))
    assert "commit=1a2b3c; " in header


def test_what_a_task_wrote_comes_with_it() -> None:
    cell = running_cell()
    (task_id,) = cell.run(_spec())
    web = WebCell(cell)
    web.files.files[task_id, "stdout"] = b"hello"
    answer = call(web.app, "GET", f"/api/v3/tasks/{task_id}/log")
    assert answer.status == 200
    assert "commit=1a2b3c" in answer.headers["x-flumina-provenance"]


def test_a_job_that_says_nothing_costs_nothing() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service())
    told = [each for _, _, each in cell.changes if isinstance(each, JobChanged)]
    assert told[0].provenance == ()
    web = WebCell(cell)
    web.files.files[task_id, "stdout"] = b"hello"
    answer = call(web.app, "GET", f"/api/v3/tasks/{task_id}/log")
    assert "x-flumina-provenance" not in answer.headers
