"""The tag of a submitted image becomes a digest before the job is in the log, or is refused.

The registry is a real HTTP server on loopback that speaks the distribution API; the application is
the real one over a cell in memory.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp

from connectors.ports import ImageUnknown, RegistryUnavailable
from connectors.registry.checks import Check
from connectors.registry.client import HttpRegistry
from connectors.registry.credentials import Credentials
from connectors.registry.translate import place_of, token_url
from connectors.web.app import web_app
from connectors.web.images import Images
from scheduler.model.ids import JobId
from tests.support.asgi import Answer, call
from tests.support.registry import Registry, registry
from tests.support.web_cell import WAIT_S, WebCell, descriptor


@pytest.fixture
def hub() -> Iterator[Registry]:
    """A registry with one image."""
    with registry() as there:
        there.push("team/worker", "1.4")
        yield there


class OneTime(HttpRegistry):
    """A registry's client that keeps no connection: each request here has a loop of its own."""

    async def digest_of(self, image: str, tag: str) -> str:
        try:
            return await super().digest_of(image, tag)
        finally:
            await self.close()


def _asked(hub: Registry, tag: str = "1.4", timeout_s: float = 5.0) -> str:
    return asyncio.run(OneTime(hub.url, timeout_s).digest_of("team/worker", tag))


# The registry.


def test_a_tag_is_asked_for_by_one_head(hub: Registry) -> None:
    digest = hub.push("team/worker", "1.4", b'{"other": 1}')
    assert _asked(hub) == digest
    assert hub.asked == ["HEAD /v2/team/worker/manifests/1.4"]


def test_a_registry_that_does_not_say_the_digest_is_asked_for_the_manifest(hub: Registry) -> None:
    hub.is_digest_told = False
    assert _asked(hub) == hub.push("team/worker", "1.4")


def test_an_anonymous_token_is_fetched_where_the_registry_wants_one(hub: Registry) -> None:
    hub.token = "let-me-in"
    assert _asked(hub).startswith("sha256:")
    assert hub.asked[1].startswith("GET /token?service=test&scope=repository")


def _logged_in(hub: Registry, tmp_path: Path, entry: dict[str, str]) -> str:
    """What the registry tells who has this entry for it."""
    path = tmp_path / "config.json"
    host = hub.url.removeprefix("http://")
    others = {"other.example.org": {"auth": "bm8="}}
    path.write_text(json.dumps({"auths": {host: entry, **others}, "credsStore": "x"}), "ascii")
    client = OneTime(hub.url, credentials=Credentials(path))
    return asyncio.run(client.digest_of("team/worker", "1.4"))


@pytest.mark.parametrize("token", ["", "let-me-in"])
@pytest.mark.parametrize("is_word", [True, False])
def test_a_login_is_used_where_the_registry_wants_one(
    hub: Registry, tmp_path: Path, token: str, *, is_word: bool
) -> None:
    hub.token, hub.login = token, "ada:a:b"
    with pytest.raises(RegistryUnavailable):
        _asked(hub)
    both = {"username": "ada", "password": "a:b"}
    entry = {"auth": "YWRhOmE6Yg=="} if is_word else both
    assert _logged_in(hub, tmp_path, entry).startswith("sha256:")


def test_a_login_that_is_refused_or_cannot_be_used_says_so_and_no_secret(
    hub: Registry, tmp_path: Path
) -> None:
    hub.login = "ada:a:b"
    for entry, said in (
        ({"username": "ada", "password": "hunter2"}, "does not let us read team/worker"),
        ({"auth": "aHVudGVyMg=="}, "no user and password"),
        ({"identitytoken": "hunter2"}, "identity token"),
        ({"registrytoken": "hunter2"}, "does not let us read"),
    ):
        with pytest.raises(RegistryUnavailable, match=said) as refused:
            _logged_in(hub, tmp_path, entry)
        assert "hunter2" not in str(refused.value)
    nowhere = OneTime(hub.url, credentials=Credentials(tmp_path / "none"))
    with pytest.raises(RegistryUnavailable, match="cannot be read"):
        asyncio.run(nowhere.digest_of("team/worker", "1.4"))


def test_what_is_not_there_and_what_does_not_answer_differ(hub: Registry) -> None:
    with pytest.raises(ImageUnknown, match=r"no team/worker:9\.9"):
        _asked(hub, "9.9")
    hub.status = 500
    with pytest.raises(RegistryUnavailable, match="answers 500"):
        _asked(hub)
    hub.status, hub.delay_s = 0, 1.0
    with pytest.raises(RegistryUnavailable, match=r"did not answer within 0\.1 s"):
        _asked(hub, timeout_s=0.1)
    with pytest.raises(RegistryUnavailable, match="does not answer"):
        asyncio.run(OneTime("http://127.0.0.1:1").digest_of("a", "b"))
    with pytest.raises(RegistryUnavailable, match="names no registry"):
        asyncio.run(OneTime().digest_of("team/worker", "1"))


@pytest.mark.parametrize(
    ("image", "url", "repository"),
    [
        ("team/worker", "https://hub", "team/worker"),
        ("worker", "https://hub", "worker"),
        ("reg.example.org/team/worker", "https://reg.example.org", "team/worker"),
        ("reg:5000/worker", "https://reg:5000", "worker"),
        ("localhost:5000/worker", "http://localhost:5000", "worker"),
    ],
)
def test_a_name_says_which_registry_has_it(image: str, url: str, repository: str) -> None:
    assert place_of(image, "https://hub") == (url, repository)


def test_a_challenge_that_is_none_leads_nowhere() -> None:
    assert token_url('Basic realm="x"') == ""
    assert token_url('Bearer realm="file:///etc/passwd"') == ""
    assert token_url("Bearer") == ""


# Submissions.


def _app(hub: Registry, check: Check, timeout_s: float = 5.0) -> tuple[WebCell, ASGIApp]:
    web = WebCell()
    images = Images(check, OneTime(hub.url, timeout_s))
    return web, web_app(web, web.files, wait_s=WAIT_S, images=images)


def _submit(app: ASGIApp, tag: str = "1.4", job_id: str = "job", query: str = "") -> Answer:
    body: dict[str, Any] = descriptor()
    body["container"]["image"] = {"name": "team/worker", "tag": tag}
    return call(app, "POST", f"/api/v3/jobs?jobId={job_id}{query}", body)


def test_the_job_in_the_log_has_tag_and_digest(hub: Registry) -> None:
    web, app = _app(hub, "hard")
    assert _submit(app).status == 201
    container = web.cell.state.jobs[JobId("job")].spec.container
    assert container.image_tag == "1.4"
    assert container.image_digest == hub.push("team/worker", "1.4")
    assert container.full_image == f"team/worker@{container.image_digest}"


def test_the_same_submission_again_is_the_same_though_the_tag_has_moved(hub: Registry) -> None:
    web, app = _app(hub, "hard")
    assert _submit(app).status == 201
    before = web.cell.state.jobs[JobId("job")].spec.container.image_digest
    assert hub.push("team/worker", "1.4", b'{"moved": 1}') != before
    again = _submit(app)
    assert again.status == 201
    assert again.headers["x-flumina-repeated"] == "true"
    assert _submit(app, job_id="next").status == 201
    assert web.cell.state.jobs[JobId("next")].spec.container.image_digest != before


def test_hard_refuses_what_is_not_there_and_waits_for_what_does_not_answer(hub: Registry) -> None:
    unknown, app = _app(hub, "hard")
    answer = _submit(app, "9.9")
    assert answer.status == 400
    assert list(answer.json["errorContext"]["constraintViolations"]) == ["container.image.tag"]
    hub.delay_s = 1.0
    silent, app = _app(hub, "hard", timeout_s=0.2)
    answer = _submit(app)
    assert answer.status == 503
    assert answer.headers["retry-after"]
    assert unknown.published == silent.published == []


@pytest.mark.parametrize("status", [404, 500])
def test_soft_takes_the_job_by_its_tag_and_says_so(hub: Registry, status: int) -> None:
    web, app = _app(hub, "soft")
    hub.status = status
    answer = _submit(app)
    assert answer.status == 201
    assert "runs by its tag" in answer.headers["x-flumina-warning"]
    container = web.cell.state.jobs[JobId("job")].spec.container
    assert (container.image_tag, container.image_digest) == ("1.4", "")


def test_off_asks_nobody_and_a_digest_that_is_given_is_taken(hub: Registry) -> None:
    _, app = _app(hub, "off")
    assert _submit(app).status == 201
    web, app = _app(hub, "hard")
    body: dict[str, Any] = descriptor()
    body["container"]["image"] = {"name": "x", "tag": "1", "digest": f"sha256:{'0' * 64}"}
    assert call(app, "POST", "/api/v3/jobs?jobId=given", body).status == 201
    assert hub.asked == []
    assert JobId("given") in web.cell.state.jobs


def test_a_dry_run_shows_the_digest(hub: Registry) -> None:
    _, app = _app(hub, "hard")
    shown = _submit(app, query="&dryRun=true").json
    assert shown["jobDescriptor"]["container"]["image"]["digest"].startswith("sha256:")


def test_a_cell_may_refuse_every_image_without_a_digest(hub: Registry) -> None:
    """What producers publish to Kafka does not come by the API: the fold says it then."""
    web, app = _app(hub, "off")
    web.cell.set_policy(image_tags_tolerated=0)
    answer = _submit(app)
    assert answer.status == 400
    assert list(answer.json["errorContext"]["constraintViolations"]) == ["container.image.digest"]
    assert JobId("job") not in web.cell.state.jobs
