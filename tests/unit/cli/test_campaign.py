"""`flumina campaign` and `flumina capacity` as a person types them, against a cell in memory.

How: the REST API of a cell in memory listens on a socket of this computer; commands ask it.
"""

import json

import pytest
from msgspec.structs import replace

from scheduler.model.job import JobSpec
from tests.support.cell import service
from tests.support.web_cell import WebCell
from tests.unit.cli.test_policy import Run, run, web

__all__ = ("run", "web")


def _spec(owner: str) -> JobSpec:
    spec = service(2)
    container = replace(spec.container, image="team/worker", image_tag="1")
    base = (("flumina.provenance.baseImage", "debian:12"),)
    return replace(spec, owner_email=owner, container=container, attributes=base)


def test_owners_are_listed_updates_begun_and_progress_shown(
    web: WebCell,
    run: Run,
) -> None:
    web.cell.run(_spec("ada@example.org"), "web")
    web.cell.run(_spec("bob@example.org"), "api")
    code, said, _ = run("campaign", "base:debian")
    assert code == 0
    assert "4 tasks. ada@example.org: 2, bob@example.org: 2" in said
    code, said, _ = run(
        "campaign",
        "base:debian",
        "--start",
        "openssl",
        "--tag",
        "2",
        "--provenance",
        "baseImage=debian:12.1",
        "--jobs",
        "1",
    )
    assert code == 0
    assert "campaign openssl: 0 of 2 tasks; 1 running" in said
    (begun,) = [job for job in web.cell.state.jobs.values() if job.update is not None]
    assert begun.update is not None
    assert begun.update.plan.campaign == "openssl"
    assert begun.spec.container.image_tag == "2"
    assert begun.spec.attributes == (("flumina.provenance.baseImage", "debian:12.1"),)
    code, said, _ = run("campaign", "--progress", "openssl", "--json")
    assert json.loads(said)["states"] == {"running": 1}
    assert run("campaign", "--progress", "nobody")[0] == 4
    assert run("campaign", "colour:red")[0] != 0
    assert run("campaign")[0] != 0


def test_what_only_a_start_uses_is_refused_without_one(web: WebCell, run: Run) -> None:
    web.cell.run(_spec("ada@example.org"), "web")
    code, _, told = run("campaign", "base:debian", "--tag", "2")
    assert code == 1
    assert "--start" in told
    code, _, told = run("campaign", "base:debian", "--start", "x", "--provenance", "foo=bar")
    assert "Known here: baseImage" in told
    code, _, told = run("campaign", "age:30x")
    assert "missing" not in told, "a match that is wrong is there"


@pytest.mark.parametrize("as_json", [False, True])
def test_capacity_is_shown(
    web: WebCell,
    run: Run,
    as_json: bool,
) -> None:
    assert web.cell.state.policy_version == 1
    words = ("capacity", "--types", "docs/examples/instance-types.yaml")
    code, said, _ = run(*words, *(("--json",) if as_json else ()))
    assert code == 0
    assert "Flex" in said


@pytest.mark.usefixtures("web")
def test_what_is_no_match_is_refused_with_words_that_can_be_typed(run: Run) -> None:
    code, _, told = run("campaign", "ag:30d")
    assert code == 1
    assert "Such as image:team/worker, " in told
