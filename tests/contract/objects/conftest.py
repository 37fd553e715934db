"""The three stores, each empty, for the tests that all of them must pass."""

from pathlib import Path

import pytest

from connectors.objects.opening import open_store
from connectors.ports import ObjectStore
from tests.support.moto import moto_endpoint, s3_url

__all__ = ["moto_endpoint", "s3_url"]


@pytest.fixture(params=["directory", "rocks", pytest.param("s3", marks=pytest.mark.integration)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store of each kind."""
    match request.param:
        case "directory":
            return (tmp_path / "store").as_uri()
        case "rocks":
            return f"rocksdict://{tmp_path / 'rocks'}"
        case _:
            found: str = request.getfixturevalue("s3_url")
            return found


@pytest.fixture
def store(url: str) -> ObjectStore:
    """An empty store."""
    return open_store(url)
