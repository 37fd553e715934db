"""Settings: what Mesos would refuse later, or what would end tasks, is refused at once."""

import pytest

from connectors.mesos.settings import MesosSettings, Timeouts, masters_of

ONE = ("127.0.0.1:5050",)


def test_defaults_keep_tasks_for_a_week() -> None:
    settings = MesosSettings(masters=ONE, framework_id="cell-1")
    assert settings.failover_timeout_s == 604800
    assert settings.role == "*"


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e12])
def test_a_failover_timeout_that_ends_tasks_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="kills every task and burns the framework id"):
        MesosSettings(masters=ONE, framework_id="cell-1", failover_timeout_s=seconds)


@pytest.mark.parametrize("framework_id", ["", ".", "..", "a/b", "a b", "ü", "x" * 129])
def test_a_framework_id_that_mesos_refuses_is_refused(framework_id: str) -> None:
    with pytest.raises(ValueError, match="cannot be a framework id"):
        MesosSettings(masters=ONE, framework_id=framework_id)


@pytest.mark.parametrize("role", ["", "/a", "a/", "a//b", "a b", "-a", "a/-b", "a/*", "..", "a\tb"])
def test_a_role_that_mesos_refuses_is_refused(role: str) -> None:
    with pytest.raises(ValueError, match="cannot be a Mesos role"):
        MesosSettings(masters=ONE, framework_id="cell-1", role=role)


@pytest.mark.parametrize("role", ["*", "flumina", "eng/web", "a-b", "a*b"])
def test_a_good_role_is_taken(role: str) -> None:
    assert MesosSettings(masters=ONE, framework_id="cell-1", role=role).role == role


@pytest.mark.parametrize(
    ("text", "masters"),
    [
        ("127.0.0.1:5050", ("127.0.0.1:5050",)),
        ("m1, m2:6060 ,", ("m1:5050", "m2:6060")),
        ("http://m1:5050/", ("m1:5050",)),
        ("[::1]:5050", ("[::1]:5050",)),
    ],
)
def test_masters_are_read(text: str, masters: tuple[str, ...]) -> None:
    assert masters_of(text) == masters


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names 0 Mesos masters"),
        (",", "names 0 Mesos masters"),
        ("m1:0", "no Mesos master"),
        ("m1:65536", "no Mesos master"),
        ("https://m1:5050", "no Mesos master"),
        ("m1:5050/path", "no Mesos master"),
        ("zk://z1:2181/mesos", "does not speak"),
        (",".join(["m:1"] * 17), "names 17 Mesos masters"),
    ],
)
def test_what_is_no_master_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        masters_of(text)


def test_settings_without_a_master_are_refused() -> None:
    with pytest.raises(ValueError, match="no Mesos master is named"):
        MesosSettings(masters=(), framework_id="cell-1")


@pytest.mark.parametrize(
    ("connect_s", "answer_s", "missed"), [(0, 1, 5), (1, -1, 5), (1, 601, 5), (1, 1, 0)]
)
def test_timeouts_have_bounds(connect_s: float, answer_s: float, missed: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        Timeouts(connect_s=connect_s, answer_s=answer_s, heartbeats_missed_max=missed)
