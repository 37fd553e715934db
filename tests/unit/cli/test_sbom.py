"""The list of what is shipped: every pin with its hashes, valid CycloneDX, the same each time."""

import json
from pathlib import Path

import pytest

import streams
from streams.cli.sbom import locked_packages, read_locks, running, sbom

LOCK = """\
aiohttp==3.14.5 \\
    --hash=sha256:{a} \\
    --hash=sha256:{b}
    # via
    #   flumina (pyproject.toml)
    #   aiohttp-cors
attrs==1.0 --hash=sha256:{a}
    # via aiohttp
pytest==9.2 \\
    --hash=sha256:{b}
    # via flumina (pyproject.toml:dev)
pluggy==1.5 \\
    --hash=sha256:{b}
    # via pytest
""".format(a="a" * 64, b="b" * 64)


def test_a_lock_is_read_with_hashes_and_who_wants_what() -> None:
    found = locked_packages(LOCK)
    assert [(each.name, each.version, len(each.hashes)) for each in found] == [
        ("aiohttp", "3.14.5", 2),
        ("attrs", "1.0", 1),
        ("pytest", "9.2", 1),
        ("pluggy", "1.5", 1),
    ]
    assert running(found) == {"aiohttp", "attrs"}, "what tests need is not needed to run"


def test_a_pin_without_a_hash_is_refused() -> None:
    with pytest.raises(ValueError, match=r"attrs 1\.0 is pinned without a hash"):
        locked_packages("attrs==1.0\n    # via aiohttp\n")


def test_the_document_has_every_pin_and_is_valid() -> None:
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - heavy, and for tests alone
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    root = Path(streams.__file__).parent.parent
    packages, jars = read_locks(root)
    found = sbom("1.0", packages, jars)
    text = json.dumps(found)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    pins = [line for line in (root / "requirements.lock").read_text().splitlines() if "==" in line]
    assert len(packages) == len(pins) > 100
    lines = (root / "streams/kafka/jars.lock").read_text().splitlines()
    assert len(jars) == sum(not line.startswith("#") for line in lines) > 40
    assert all(each["hashes"] for each in found["components"])
    scopes = {each["name"]: each["scope"] for each in found["components"]}
    assert scopes["msgspec"] == "required"
    assert scopes["pytest"] == "excluded"
    assert sbom("1.0", *read_locks(root)) == found
