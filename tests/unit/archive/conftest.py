"""The S3 on loopback for the tests of this folder."""

from tests.support.moto import moto_endpoint, s3_url

__all__ = ["moto_endpoint", "s3_url"]
