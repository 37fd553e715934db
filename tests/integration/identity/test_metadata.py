"""The metadata endpoint from inside a task: boto3 unchanged, and nobody else's role.

Real tasks of a dev cluster; STS is moto over HTTP.
"""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from connectors.metadata.credentials import RoleNotGranted
from connectors.metadata.identity import verified
from connectors.metadata.sts import Sts
from tests.integration.identity.conftest import ROLE, Hosted, labels
from tests.support.moto import ENVIRONMENT

pytestmark = pytest.mark.integration

WHO_AM_I = """
import boto3, json
print(json.dumps(boto3.client("sts").get_caller_identity()["Arn"]), flush=True)
"""
ASKS = """
import json, os, sys, time, urllib.error, urllib.request
base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254")
def ask(method, path, headers={}, base=base):
    wanted = urllib.request.Request(base + path, method=method, headers=headers)
    try:
        with urllib.request.urlopen(wanted, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""
token = ask("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "600"})[1]
known = {"X-aws-ec2-metadata-token": token}
def get(path):
    return ask("GET", path, known)
"""
WAITS = "time.sleep(600)"


def _own(aws: str) -> dict[str, str]:
    """What a task is told that speaks to AWS; credentials are not among it."""
    return {"AWS_ENDPOINT_URL": aws, "AWS_DEFAULT_REGION": ENVIRONMENT["AWS_REGION"]}


def test_boto3_in_a_task_is_the_task_s_role(shared: Hosted, aws: str) -> None:
    shared.begin("with-role", WHO_AM_I, labels(iamRole=ROLE), _own(aws))
    assert shared.printed("with-role").endswith(":assumed-role/worker/with-role")


def test_a_task_without_a_role_has_no_endpoint(shared: Hosted, aws: str) -> None:
    program = "import json, os; print(json.dumps([k for k in os.environ if 'METADATA' in k]))"
    shared.begin("without-role", program, labels(job="job"), _own(aws))
    assert shared.printed("without-role") == []


def test_another_task_s_endpoint_tells_nothing(shared: Hosted) -> None:
    """Who finds the port knows no secret of its address; a stolen token is of no use elsewhere."""
    first = ASKS + "print(json.dumps([base, token]), flush=True)\n" + WAITS
    shared.begin("victim", first, labels(iamRole=ROLE), {})
    address, token = shared.printed("victim")
    port = address.partition("://")[2].partition("/")[0]
    thief = (
        ASKS
        + f"""
stolen = {{"X-aws-ec2-metadata-token": {token!r}}}
role = "/latest/meta-data/iam/security-credentials/worker"
print(json.dumps([
    ask("PUT", "/latest/api/token", {{"X-aws-ec2-metadata-token-ttl-seconds": "60"}},
        base="http://{port}")[0],
    ask("GET", role, stolen, base="http://{port}")[0],
    ask("GET", role, stolen)[0],
    get("/latest/meta-data/iam/security-credentials/")[1],
]), flush=True)
"""
    )
    told = labels(iamRole="arn:aws:iam::123456789012:role/other")
    shared.begin("thief", thief, told, {})
    assert shared.printed("thief") == [404, 404, 401, "other"]


def test_an_identity_is_proven_by_the_cluster_s_keys(shared: Hosted) -> None:
    program = (
        ASKS
        + """
identity = "/latest/dynamic/flumina/identity?audience="
print(json.dumps([get(identity + "vault")[1], get(identity + "root")[0],
                  json.loads(get("/latest/dynamic/flumina/keys")[1]), time.time()]), flush=True)
"""
    )
    told = labels(job="the-job", owner="team@example.com", identity_audiences="vault")
    shared.begin("identified", program, told, {})
    token, other, keys, now_s = shared.printed("identified")
    found = verified(token, keys, "vault", now_s)
    assert (found.task_id, found.job_id, found.host) == ("identified", "the-job", "agent1")
    assert other == 404


def test_the_endpoint_is_there_again_after_the_agent_was_killed(shared: Hosted) -> None:
    program = (
        ASKS
        + """
print(json.dumps("begun"), flush=True)
gone = False
while True:
    try:
        if get("/latest/meta-data/instance-id")[1] == "survivor" and gone:
            break
    except OSError:
        gone = True
    time.sleep(0.05)
open("again", "w").write("yes")
"""
    )
    shared.begin("survivor", program, labels(iamRole=ROLE), {})
    assert shared.printed("survivor") == "begun"
    shared.cluster.kill("agent1")
    shared.cluster.start_node("agent1")
    shared.framework.acknowledge(shared.framework.await_state("survivor", "TASK_FINISHED"))


class _Refusing(BaseHTTPRequestHandler):
    """Answers as STS does where the trust policy of a role does not name the host."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        text = (
            "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
            "<Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>"
        )
        self.send_response(403)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


def test_a_role_that_is_not_granted_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServer(("127.0.0.1", 0), _Refusing) as refusing:
        thread = threading.Thread(target=refusing.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            for name, value in ENVIRONMENT.items():
                monkeypatch.setenv(name, value)
            address = f"http://127.0.0.1:{refusing.server_port}"
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", address)
            with pytest.raises(RoleNotGranted, match=r"worker.*AccessDenied"):
                Sts()(ROLE, "session", 3600)
        finally:
            refusing.shutdown()
            thread.join()
