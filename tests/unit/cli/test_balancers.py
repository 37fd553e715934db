"""`flumina balancers` adds, lists and removes; `flumina registrar` says what it lacks.

How: the real command against the real application over a cell in memory, by a socket on loopback.
"""

import json

import pytest

from streams.cli.main import main
from tests.support.cell import service
from tests.support.web_cell import WebCell
from tests.unit.cli.test_policy import Run, run, web  # noqa: F401 - fixtures

ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/73e2d6bc24d8a067"


def test_load_balancers_are_added_listed_and_removed(web: WebCell, run: Run) -> None:  # noqa: F811
    web.cell.submit(service(1))
    assert run("balancers", "list") == (0, "There are no load balancers.\n", "")
    assert run("balancers", "add", "job", ARN, "--why", "test") == (0, f"{ARN} sends to job.\n", "")
    code, out, _ = run("balancers", "list", "job", "--json")
    assert (code, json.loads(out)) == (0, {"jobId": "job", "loadBalancers": [{"id": ARN}]})
    code, out, _ = run("balancers", "list")
    assert (code, ARN in out) == (0, True)
    code, out, _ = run("balancers", "remove", "job", ARN, "--json")
    assert (code, json.loads(out)) == (0, {"id": ARN})
    assert not web.cell.state.load_balancers


@pytest.mark.usefixtures("web")
def test_a_wrong_job_ends_with_its_code(run: Run) -> None:  # noqa: F811
    assert run("balancers", "add", "no", ARN)[0] == 4
    assert run("balancers", "remove", "no", ARN)[0] == 4
    assert run("balancers", "list", "no")[0] == 4


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "needs the cell's API"),
        ({"FLUMINA_API": "http://127.0.0.1:1"}, "nothing to register with"),
        ({"FLUMINA_DISCOVERY": "ftp://a"}, "file:///DIR"),
        ({"FLUMINA_BALANCERS": "haproxy"}, "elb is wanted"),
    ],
)
def test_the_registrar_says_what_it_lacks(
    settings: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("FLUMINA_API", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        main(["registrar"])
    assert said in capsys.readouterr().err
