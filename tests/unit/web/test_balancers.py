"""Load balancers by Titus' API v3, and the endpoints that the registrar asks for.

Each test asks the real application over a cell in memory; each answer is held against the
description of the API.
"""

import pytest

from scheduler.model.resources import Need
from tests.support.asgi import call
from tests.support.cell import batch, service
from tests.support.web_cell import WebCell

PATH = "/api/v3/loadBalancers"
ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/73e2d6bc24d8a067"


@pytest.fixture
def web() -> WebCell:
    found = WebCell()
    found.cell.submit(service(2))
    return found


def test_a_load_balancer_is_added_shown_and_removed(web: WebCell) -> None:
    asked = f"{PATH}?jobId=job&loadBalancerId={ARN}"
    added = call(web.app, "POST", f"{asked}&why=new")
    assert (added.status, added.json) == (200, {"id": ARN})
    of_job = {"jobId": "job", "loadBalancers": [{"id": ARN}]}
    assert call(web.app, "GET", PATH).json == {"jobLoadBalancers": [of_job]}
    assert call(web.app, "GET", f"{PATH}/job").json == of_job
    noted = call(web.app, "GET", "/api/v3/jobs/job/events").json["lines"]
    assert [each["message"] for each in noted if each["what"] == "load balancers"] == [ARN]
    assert call(web.app, "DELETE", asked).json == {"id": ARN}
    assert call(web.app, "GET", PATH).json == {"jobLoadBalancers": []}
    assert call(web.app, "GET", f"{PATH}/job").json == {"jobId": "job", "loadBalancers": []}


def test_what_cannot_be_is_refused_by_the_one_table(web: WebCell) -> None:
    web.cell.submit(batch(1), "batch")
    asked = {
        "jobId=no&loadBalancerId=a": 404,
        "jobId=batch&loadBalancerId=a": 400,
        "jobId=job&loadBalancerId=a%20b": 400,
        "loadBalancerId=a": 400,
        "jobId=job": 400,
    }
    assert {each: call(web.app, "POST", f"{PATH}?{each}").status for each in asked} == asked
    assert call(web.app, "DELETE", f"{PATH}?jobId=job&loadBalancerId=a").status == 404
    assert call(web.app, "GET", f"{PATH}/no").status == 404
    late = call(web.app, "POST", f"{PATH}?jobId=job&loadBalancerId=a", None, {"If-Match": '"7"'})
    assert late.status == 412
    web.cell.set_policy(load_balancers_of_job_max=1)
    assert call(web.app, "POST", f"{PATH}?jobId=job&loadBalancerId=b").status == 200
    assert call(web.app, "POST", f"{PATH}?jobId=job&loadBalancerId=a").status == 429


def test_endpoints_are_started_tasks_with_an_address() -> None:
    web = WebCell()
    spec = service(2, need=Need(cpu_milli=500, memory_mib=256, disk_mib=10, ports=1))
    ids = web.cell.run(spec)
    web.cell.status(ids[0], "TASK_RUNNING", container_ip="10.0.0.7")
    path = "/api/flumina/endpoints"
    assert call(web.app, "GET", path).json["items"] == []
    told = call(web.app, "GET", f"{path}?services=true").json
    assert told["isCurrent"] is True
    (item,) = told["items"]
    assert item == {
        "taskId": ids[0],
        "jobId": "job",
        "service": spec.application_name,
        "address": "10.0.0.7",
        "ports": list(web.cell.place(ids[0]).ports),
        "version": "",
        "specVersion": 1,
        "isHealthy": True,
        "loadBalancers": [],
        "healthProviders": [],
    }
    assert len(item["ports"]) == 1
    call(web.app, "POST", f"{PATH}?jobId=job&loadBalancerId=a")
    assert call(web.app, "GET", path).json["items"] == [item | {"loadBalancers": ["a"]}]
    web.cell.kill_task(ids[0])
    assert call(web.app, "GET", path).json["items"] == []
    web.halt = "the fold halted"
    assert call(web.app, "GET", path).json["isCurrent"] is False
