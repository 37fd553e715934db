"""Values that nobody has marked: seen by who may run the job, masked for who may only look."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.web.secret_views import Curtain
from projections.masking import Masker
from tests.support.access import People, bearer
from tests.support.asgi import call
from tests.support.cell import service, submission
from tests.support.web_cell import WebCell

ADA, EVE = "ada@example.org", "eve@example.org"
VALUE = "plain-but-private"


@pytest.fixture
def people(tmp_path: Path) -> People:
    found = People(tmp_path / "principals.json")
    found.token("root", "admin")
    found.token("looker", "viewer")
    found.token("ada", "producer", owners=(ADA,))
    return found


@pytest.fixture
def web(people: People) -> WebCell:
    web = WebCell(door=people.door())
    for name, owner in (("of-ada", ADA), ("of-eve", EVE)):
        spec = msgspec.structs.replace(service(1), owner_email=owner)
        container = msgspec.structs.replace(spec.container, environment=(("DB", VALUE),))
        spec = msgspec.structs.replace(spec, container=container)
        web.cell.copy("jobs", submission(spec, name))
    assert web.view.next_offset == len(web.cell.log)
    return web


@pytest.mark.parametrize(
    ("who", "job", "is_seen"),
    [
        ("root", "of-eve", True),
        ("looker", "of-eve", False),
        ("ada", "of-ada", True),
    ],
)
@pytest.mark.parametrize("path", ["/api/v3/jobs/{}", "/api/v2/jobs/{}"])
def test_who_may_run_a_job_sees_its_values(  # noqa: PLR0917 - fixtures and cases
    web: WebCell, people: People, who: str, job: str, is_seen: bool, path: str
) -> None:
    token = people.tokens[who]
    answer = call(web.app, "GET", path.format(job), headers=bearer(token))
    assert answer.status == 200
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert (VALUE in answer.body.decode()) is is_seen


def test_a_list_has_what_each_may_see(web: WebCell, people: People) -> None:
    """Somebody may look at all jobs and run some: of each job it is decided by itself."""
    whole = call(web.app, "GET", "/api/v3/jobs", headers=bearer(people.tokens["root"])).body
    seen = msgspec.json.decode(Curtain(lambda owner, _: owner == ADA, Masker()).json(whole))
    values = {each["id"]: each["jobDescriptor"]["container"]["env"]["DB"] for each in seen["items"]}
    assert values == {"of-ada": VALUE, "of-eve": "masked"}


EVENT: dict[str, Any] = {
    "job": {
        "owner": {"teamEmail": EVE},
        "applicationName": "web",
        "container": {"env": {"DB": VALUE}},
    }
}


def test_lines_of_a_stream_are_masked_one_by_one() -> None:
    data = b"id: 1\ndata: " + msgspec.json.encode(EVENT) + b"\n\nid: 2\ndata: {}\n\n"
    hidden = Curtain(lambda *_: False, Masker()).events(data)
    assert VALUE.encode() not in hidden
    assert (hidden.count(b"\n"), hidden.count(b"data: ")) == (data.count(b"\n"), 2)
    assert Curtain(lambda owner, _: owner == EVE, Masker()).events(data) == data


def test_an_environment_without_an_owner_is_nobodys() -> None:
    curtain = Curtain(lambda *_: True, Masker())
    assert curtain.json(b'{"env":{"A":"b"}}') == b'{"env":{"A":"masked"}}'
