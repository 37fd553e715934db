"""What is masked wherever something is shown: by names of keys, in JSON and inside texts.

A secret is put in each place where secrets are found, and must be nowhere in what comes out; what
is no secret must come out as it went in.
"""

import time

import msgspec
import pytest

from projections.masking import MASK, Masker
from streams.errors import OperatorError
from streams.settings import settings_of

SECRET = "hunter2-Zx9"


@pytest.mark.parametrize(
    "value",
    [
        {"env": {"HARMLESS": SECRET}},
        {"container": {"env": {"A": SECRET, "B": SECRET}}},
        {"environment": [["A", SECRET]]},
        {"environment": {"variables": [{"name": "A", "type": "VALUE", "value": SECRET}]}},
        {"db_password": SECRET},
        {"dbPassword": SECRET},
        {"auth-token": SECRET},
        {"secrets": [{"deep": [SECRET]}]},
        {"name": "API_KEY", "value": SECRET},
        [["AWS_SECRET_ACCESS_KEY", SECRET]],
        {"command": ["run", "--password", SECRET]},
        {"command": ["run", f"--api-key={SECRET}"]},
        {"message": f"connect with password={SECRET} failed"},
        {"message": f"connect with password = '{SECRET} and more' failed"},
        {"message": f"Authorization: Bearer {SECRET}"},
        {"message": f"postgres://user:{SECRET}@db:5432/x"},
        {"message": f"run --token {SECRET} --size 3"},
        {"line": msgspec.json.encode({"password": SECRET, "user": "ada"}).decode()},
        {"line": msgspec.json.encode(msgspec.json.encode({"password": SECRET}).decode()).decode()},
        {"token": {"kind": SECRET}},
    ],
)
def test_a_secret_is_in_no_answer(value: object) -> None:
    masker = Masker()
    assert SECRET not in repr(masker.value(value))
    assert SECRET.encode() not in masker.json(msgspec.json.encode(value))
    line = b"data: " + msgspec.json.encode(value) + b"\n"
    assert SECRET.encode() not in masker.event_line(line)
    assert MASK.encode() in masker.event_line(line)


@pytest.mark.parametrize(
    "value",
    [
        {"eviction_tokens_max": 500, "token": 7, "secret": None, "password": ""},
        {"message": "TASK_FAILED: exit code 1, at 12:30:01.123, see https://host:80/x?y=1"},
        {"command": ["sh", "-c", "sleep 3; echo --done"]},
        {"tokens": "are bad ids"},
        {"address": "main/1a2b3c4d:1042[0]", "password": None},
        [["cpu", "3"], {"name": "a", "value": "b"}],
    ],
)
def test_what_is_no_secret_stays_the_same_object(value: object) -> None:
    data = msgspec.json.encode(value)
    masker = Masker()
    assert masker.value(value) is value
    assert masker.json(data) is data
    assert masker.event_line(b"data: " + data) == b"data: " + data


def test_shapes_and_names_stay() -> None:
    masked = Masker().value(
        {"environment": {"variables": [{"name": "A", "value": "x"}]}, "env": {"B": "y"}, "n": 1}
    )
    assert masked == {
        "environment": {"variables": [{"name": "A", "value": MASK}]},
        "env": {"B": MASK},
        "n": 1,
    }


def test_own_patterns() -> None:
    masker = Masker(("*plan*",))
    assert masker.value({"The Plan": "x", "password": "y"}) == {"The Plan": MASK, "password": "y"}
    assert Masker(()).value({"env": {"A": "x"}, "password": "y"})["env"] == {"A": MASK}


def test_no_json_is_text_and_other_lines_stay() -> None:
    masker = Masker()
    assert masker.json(b"\xff password=" + SECRET.encode()) == b"\xff password=" + MASK.encode()
    assert masker.event_line(b"data: token=" + SECRET.encode()) == b"data: token=" + MASK.encode()
    assert masker.json(b"\xff password=") == b"\xff password="
    assert masker.event_line(b"event: row\n") == b"event: row\n"
    assert masker.event_line(b": ping\n") == b": ping\n"


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ({"env": 7}, {"env": 7}),
        ({"env": "A=b"}, {"env": MASK}),
        ({"env": ["A=b", ["A", "b"], 7]}, {"env": [MASK, ["A", MASK], MASK]}),
        ({"env": [{"name": "A", "b": 1}]}, {"env": [{"name": "A", "b": MASK}]}),
    ],
)
def test_an_environment_in_a_shape_that_nobody_knows_has_no_value(
    value: object, masked: object
) -> None:
    assert Masker().value(value) == masked


def test_more_names_than_are_remembered_are_masked_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.masking._NAMES_REMEMBERED_MAX", 2)
    masker = Masker()
    for name, is_secret in (("a", False), ("token", True), ("b", False), ("password", True)) * 2:
        assert masker.is_secret(name) is is_secret
    assert len(masker._known) == 2


def test_deep_nesting_is_masked_whole() -> None:
    value: object = SECRET
    for _ in range(300):
        value = [value]
    assert SECRET not in repr(Masker().value(value))


@pytest.mark.parametrize("piece", ["a", "a=", "a:", "--a ", '"', "'a\"=", "password", "://a:"])
def test_a_mebibyte_of_anything_is_walked_once(piece: str) -> None:
    """Twice the text must not take much longer than twice the time."""
    masker = Masker()
    times = []
    for characters in (1 << 18, 1 << 20):
        text = piece * (characters // len(piece))
        began = time.process_time()
        masker.text(text)
        times.append(time.process_time() - began)
    assert times[1] < 20 * max(times[0], 0.05)


def test_the_setting() -> None:
    default = settings_of({}).masked_keys
    assert "*password*" in default
    assert settings_of({"FLUMINA_MASKED_KEYS": "+pin, *plan*"}).masked_keys == (
        *default,
        "pin",
        "*plan*",
    )
    assert settings_of({"FLUMINA_MASKED_KEYS": "pin"}).masked_keys == ("pin",)
    with pytest.raises(OperatorError, match="names are wanted"):
        settings_of({"FLUMINA_MASKED_KEYS": "+"})


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ValueError: token=hunter2", "ValueError: token=masked"),
        ('msg="login password=hunter2 failed"', 'msg="login password=masked failed"'),
        ("a: b: c: api_key: hunter2", "a: b: c: api_key: masked"),
        ("error: authorization: Bearer abc.def", "error: authorization: Bearer masked"),
        ("password=password=hunter2", "password=masked"),
    ],
)
def test_a_secret_name_behind_another_name_is_seen(text: str, masked: str) -> None:
    assert Masker().text(text) == masked


def test_a_long_line_of_names_is_a_walk_along_it() -> None:
    begun_s = time.perf_counter()
    Masker().text("a:" * 500_000)
    Masker().text("a" * 1_000_000 + ":")
    assert time.perf_counter() - begun_s < 10, "a mebibyte; quadratic would take hours"
