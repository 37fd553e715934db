"""Keys wrapped by AWS KMS: moto's own server, over HTTP, by boto3 as it runs."""

import boto3
import pytest

from connectors.objects.opening import open_store
from connectors.secrets.errors import ProviderUnusable, SecretsUnavailable
from connectors.secrets.providers import KmsProvider
from connectors.secrets.ring import KeyRing, Tenant
from connectors.secrets.sealing import Variable, open_sealed, seal
from tests.support.moto import moto_endpoint, s3_url

pytestmark = pytest.mark.integration  # It starts a stand-in for AWS.

__all__ = ["moto_endpoint", "s3_url"]


def test_a_ring_on_s3_and_kms(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kms = boto3.session.Session().client("kms")
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    ring = KeyRing(open_store(s3_url), KmsProvider(key_id))
    text = seal(ring, Variable(Tenant("a@b.c", "web"), "j", "KEY"), "s3cret")
    again = KeyRing(open_store(s3_url), KmsProvider(key_id))
    assert open_sealed(again, "j", "KEY", text) == "s3cret"
    context = {"a": "b"}
    made = KmsProvider(key_id).new_key(context)
    assert KmsProvider(key_id).unwrapped(made.wrapped, made.by, context) == made.plain
    with pytest.raises(ProviderUnusable, match="refused decrypt"):
        KmsProvider(key_id).unwrapped(made.wrapped, made.by, {"a": "c"})
    with pytest.raises(ProviderUnusable, match="NotFoundException"):
        KmsProvider("00000000-0000-0000-0000-000000000000").new_key(context)
    assert ring.forget_job("j", "carol").job_keys == 1
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(SecretsUnavailable, match="did not answer"):
        KmsProvider(key_id).new_key(context)
