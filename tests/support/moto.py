"""An S3 on loopback for tests: moto's own server, in a thread of this process.

The one thing to know: boto3 finds it by ``AWS_ENDPOINT_URL``, as it finds the real one by none; so
what is tested is what runs. A test takes the fixture `s3_url` by importing it into its conftest.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    """The address of a moto server that runs as long as the tests do."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_url(moto_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A URL of an empty bucket's prefix; the environment leads boto3 to moto during the test."""
    for name, value in environment_of(moto_endpoint).items():
        monkeypatch.setenv(name, value)
    bucket = f"bucket-{uuid4().hex[:12]}"
    _client(moto_endpoint).create_bucket(Bucket=bucket)
    return f"s3://{bucket}/some/prefix"


@cache
def _client(endpoint: str) -> Any:
    """A client of that address, made once: it costs a fifth of a second of the processor."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name=ENVIRONMENT["AWS_REGION"],
        aws_access_key_id=ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
    )


def environment_of(endpoint: str) -> dict[str, str]:
    """What a process must find in its environment to take this address for AWS."""
    return {**ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint}
