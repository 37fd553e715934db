"""What looks like a secret by name or by value, and what does not."""

import pytest

from connectors.web.secret_guess import looks_secret, unmarked_secrets
from projections.masking import Masker
from scheduler.model.job import Container
from scheduler.model.resources import Need


@pytest.mark.parametrize(
    "value",
    [
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "postgres://web:hunter2@db.example.org/web",
        "Zx81qPLm90AcVt42Ks7Wd3Ye",
    ],
)
def test_keys_and_tokens_look_secret(value: str) -> None:
    assert looks_secret(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "production",
        "/usr/local/lib/python3.11/site-packages/Thing",
        "https://hub.example.org:5000/team/worker",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "sha256:" + "9f86d081884c7d65" * 4,
        "com.example.team.service.WorkerMain2",
        "the Quick brown fox 2 jumps over the lazy dog",
        "us-east-1a,us-east-1b,us-east-1c",
        "-Xmx4096m -Xms512m -XX:+UseG1GC",
        "a" * 100_000,
    ],
)
def test_paths_names_digests_and_sentences_do_not(value: str) -> None:
    assert not looks_secret(value)


def test_marked_sealed_and_empty_values_are_left_out() -> None:
    container = Container(
        need=Need(cpu_milli=1, memory_mib=1, disk_mib=0),
        command=("true",),
        environment=(
            ("A_PASSWORD", "x"),
            ("B_PASSWORD", ""),
            ("C_PASSWORD", "flumina-sealed:1:x"),
            ("D_PASSWORD", "x"),
            ("E", "Zx81qPLm90AcVt42Ks7Wd3Ye"),
        ),
        attributes=(("flumina.secretEnvironment", "D_PASSWORD"),),
    )
    assert unmarked_secrets(container, Masker()) == ("A_PASSWORD", "E")
