"""The metadata endpoint of a task: EC2's rules of version 2, and nothing that is another task's."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from connectors.metadata.answers import TOKEN_HEADER, TTL_HEADER, TaskAnswers
from connectors.metadata.credentials import Credentials, RoleCredentials, RoleNotGranted
from connectors.metadata.facts import TaskFacts, facts_of, role_arn
from connectors.metadata.identity import KeyRing, verified

NOW_S = 1_700_000_000.0
WORKER = "arn:aws:iam::123456789012:role/path/worker"
FACTS = TaskFacts(
    task_id="job-worker-0-1",
    job_id="job",
    owner="team@example.com",
    application="web",
    host="host-1",
    address="10.0.0.9",
    zone="eu-west-1b",
    role_arn=WORKER,
    audiences=("vault", "billing"),
)


class _Time:
    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


class _Roles:
    """Stands for STS: gives an hour, unless told to refuse."""

    def __init__(self, time: _Time) -> None:
        self.time = time
        self.asked: list[tuple[str, str]] = []
        self.refuses = False

    def __call__(self, role_arn: str, session: str, lifetime_s: int) -> Credentials:
        self.asked.append((role_arn, session))
        if self.refuses:
            raise RoleNotGranted("AccessDenied")
        number = len(self.asked)
        return Credentials(f"ASIA{number}", "secret", "token", self.time() + lifetime_s)


class _Endpoint:
    def __init__(self, home: Path, facts: TaskFacts = FACTS, secret: bytes = b"a" * 24) -> None:
        self.time = _Time()
        self.roles = _Roles(self.time)
        credentials = None
        if facts.role_arn:
            credentials = RoleCredentials(facts.role_arn, facts.task_id, self.roles, self.time)
        self.ring = KeyRing(home / "keys")
        self.answers = TaskAnswers(facts, secret, credentials, self.ring, self.time)

    def token(self, ttl_s: str = "60") -> str:
        reply = self.answers.answer("PUT", "/latest/api/token", {TTL_HEADER: ttl_s})
        assert reply.status == 200
        return reply.text

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        given = {TOKEN_HEADER: self.token()} if headers is None else headers
        reply = self.answers.answer("GET", path, given)
        return reply.status, reply.text


@pytest.fixture
def endpoint(tmp_path: Path) -> _Endpoint:
    return _Endpoint(tmp_path)


def test_version_1_is_refused(endpoint: _Endpoint) -> None:
    assert endpoint.get("/latest/meta-data/instance-id", {})[0] == 401


def test_a_token_opens_until_its_end(endpoint: _Endpoint) -> None:
    token = {TOKEN_HEADER: endpoint.token("60")}
    assert endpoint.get("/latest/meta-data/instance-id", token) == (200, "job-worker-0-1")
    endpoint.time.now_s += 61
    assert endpoint.get("/latest/meta-data/instance-id", token)[0] == 401


@pytest.mark.parametrize("ttl", ["", "0", "-1", "21601", "1e9", "9" * 30, "٣", "60 "])
def test_a_token_of_no_or_too_long_a_life_is_refused(endpoint: _Endpoint, ttl: str) -> None:
    assert endpoint.answers.answer("PUT", "/latest/api/token", {TTL_HEADER: ttl}).status == 400


@pytest.mark.parametrize("token", ["", ".", "9999999999.", "9999999999.00", "x.y", "٣.a", "1.é"])
def test_a_token_that_was_made_up_opens_nothing(endpoint: _Endpoint, token: str) -> None:
    assert endpoint.get("/latest/meta-data/", {TOKEN_HEADER: token})[0] == 401


def test_a_token_of_one_task_opens_nothing_of_another(tmp_path: Path) -> None:
    thief, other = _Endpoint(tmp_path), _Endpoint(tmp_path, secret=b"b" * 24)
    stolen = {TOKEN_HEADER: thief.token()}
    assert other.get("/latest/meta-data/iam/security-credentials/worker", stolen)[0] == 401
    assert not other.roles.asked


def test_what_came_through_a_proxy_gets_no_token_and_no_answer(endpoint: _Endpoint) -> None:
    through = {"x-forwarded-for": "10.0.0.1"}
    asked = endpoint.answers.answer("PUT", "/latest/api/token", {TTL_HEADER: "60", **through})
    assert asked.status == 403
    known = {TOKEN_HEADER: endpoint.token(), **through}
    assert endpoint.get("/latest/meta-data/instance-id", known)[0] == 403


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_token_is_put(endpoint: _Endpoint, method: str) -> None:
    assert endpoint.answers.answer(method, "/latest/api/token", {TTL_HEADER: "60"}).status == 405


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("instance-id", "job-worker-0-1"),
        ("hostname", "host-1"),
        ("local-ipv4", "10.0.0.9"),
        ("placement/availability-zone", "eu-west-1b"),
        ("placement/region", "eu-west-1"),
        ("placement/", "availability-zone\nregion"),
        ("iam/security-credentials/", "worker"),
    ],
)
def test_meta_data_say_what_the_host_was_told(endpoint: _Endpoint, path: str, text: str) -> None:
    assert endpoint.get(f"/latest/meta-data/{path}") == (200, text)


def test_a_list_names_what_is_below(endpoint: _Endpoint) -> None:
    names = endpoint.get("/latest/meta-data/")[1].split("\n")
    assert {"instance-id", "iam/", "placement/"} <= set(names)
    document = json.loads(endpoint.get("/latest/dynamic/instance-identity/document")[1])
    assert document["instanceId"] == "job-worker-0-1"


@pytest.mark.parametrize(
    "path",
    [
        "/latest/meta-data/iam/security-credentials/admin",
        "/latest/meta-data/iam/security-credentials/path/worker",
        "/latest/meta-data/../api/token",
        "/latest/user-data",
        "/1.0/meta-data/",
        "/",
    ],
)
def test_another_role_and_another_path_are_not_there(endpoint: _Endpoint, path: str) -> None:
    assert endpoint.get(path)[0] == 404
    assert not endpoint.roles.asked


def test_credentials_are_of_the_task_s_role_kept_and_renewed(endpoint: _Endpoint) -> None:
    path = "/latest/meta-data/iam/security-credentials/worker"
    first = json.loads(endpoint.get(path)[1])
    assert (first["Code"], first["AccessKeyId"]) == ("Success", "ASIA1")
    endpoint.time.now_s += 1_800
    assert json.loads(endpoint.get(path)[1])["AccessKeyId"] == "ASIA1"
    endpoint.time.now_s += 1_000
    assert json.loads(endpoint.get(path)[1])["AccessKeyId"] == "ASIA2"
    assert endpoint.roles.asked == [(WORKER, "job-worker-0-1")] * 2


def test_a_renewal_that_fails_costs_nothing_while_the_old_ones_last(endpoint: _Endpoint) -> None:
    path = "/latest/meta-data/iam/security-credentials/worker"
    endpoint.get(path)
    endpoint.roles.refuses = True
    endpoint.time.now_s += 3_000
    assert json.loads(endpoint.get(path)[1])["AccessKeyId"] == "ASIA1"
    endpoint.get(path)
    assert len(endpoint.roles.asked) == 2, "AWS is not asked again at once"
    endpoint.time.now_s += 601
    refused = json.loads(endpoint.get(path)[1])
    assert (refused["Code"], "AccessKeyId" in refused) == ("AssumeRoleUnauthorizedAccess", False)
    endpoint.roles.refuses = False
    endpoint.time.now_s += 30
    assert json.loads(endpoint.get(path)[1])["Code"] == "Success"


def test_a_task_without_a_role_has_none(tmp_path: Path) -> None:
    endpoint = _Endpoint(tmp_path, TaskFacts(task_id="t", audiences=("vault",)))
    assert endpoint.get("/latest/meta-data/iam/security-credentials/")[0] == 404
    assert endpoint.get("/latest/meta-data/iam/info")[0] == 404


def test_an_identity_is_for_an_audience_that_the_job_names(endpoint: _Endpoint) -> None:
    status, token = endpoint.get("/latest/dynamic/flumina/identity?audience=vault")
    assert status == 200
    keys = json.loads(endpoint.get("/latest/dynamic/flumina/keys")[1])
    assert verified(token, keys, "vault", NOW_S).task_id == "job-worker-0-1"
    for other in ("?audience=root", "", "?audience="):
        assert endpoint.get(f"/latest/dynamic/flumina/identity{other}")[0] == 404


def test_facts_are_read_from_labels_of_the_task_and_its_network() -> None:
    told = {"flumina.iamRole": "worker", "flumina.accountId": "123456789012"}
    network = {"labels": {"labels": [{"key": k, "value": v} for k, v in told.items()]}}
    own = [
        {"key": "flumina.job", "value": "job"},
        {"key": "flumina.identity.audiences", "value": "vault, billing,"},
    ]
    task = {
        "task_id": {"value": "t"},
        "labels": {"labels": own},
        "container": {"network_infos": [network]},
    }
    host = {
        "hostname": "agent1",
        "ip": "127.0.0.1",
        "attributes": [{"name": "zone", "type": "TEXT", "text": {"value": "z1"}}],
    }
    facts = facts_of(task, host)
    assert facts.role_arn == "arn:aws:iam::123456789012:role/worker"
    assert facts.audiences == ("vault", "billing")
    assert (facts.job_id, facts.zone, facts.host, facts.is_served) == ("job", "z1", "agent1", True)
    assert not facts_of({"task_id": {"value": "t"}}, {}).is_served


def test_a_role_without_an_account_is_none() -> None:
    assert role_arn("worker", "") == ""
    assert role_arn(WORKER, "") == WORKER
