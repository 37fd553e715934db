"""What other servers answer: registries, clouds, metrics, cells of a federation, our own API."""

import json
from typing import Any, Final

import msgspec

from connectors.cloud.aws.translate import noticed
from connectors.discovery.asking import Answer as RegistryAnswer
from connectors.federation.paging import merged, part_of
from connectors.federation.telling import object_of
from connectors.metrics.translate import cloudwatch_readings, prometheus_readings, queue_reading
from connectors.ports import MetricFailed, RegistrationFailed
from connectors.registry.translate import place_of, token_url
from connectors.webhooks.addresses import networks_of
from projections.masking import Masker
from scheduler.model.reading.bad_bytes import BAD_BYTES
from tests.fuzz.parser import Parser, Refused, text_of


def _value(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except BAD_BYTES as error:
        raise Refused("no JSON") from error


def _prometheus(data: bytes) -> object:
    return prometheus_readings(_value(data))


def _cloudwatch(data: bytes) -> object:
    value = _value(data)
    if not isinstance(value, dict):
        raise Refused("botocore gives objects only")
    return cloudwatch_readings(value)


def _queue(data: bytes) -> object:
    value = _value(data)
    if not isinstance(value, dict):
        raise Refused("botocore gives objects only")
    return queue_reading(value, "ApproximateNumberOfMessages", 1)


def _noticed(data: bytes) -> object:
    found = noticed(text_of(data), 1_763_800_000_000)
    if found is None:
        raise Refused("none of ours")
    return msgspec.json.encode(found)


def _page(data: bytes) -> object:
    return merged([part_of("a", data), part_of("b", data)])


def _challenge(data: bytes) -> object:
    found = token_url(text_of(data))
    if not found:
        raise Refused("no address")
    return found


def _image(data: bytes) -> object:
    return place_of(text_of(data), "https://registry.example.com")


def _networks(data: bytes) -> object:
    return networks_of(text_of(data))


def _registry(data: bytes) -> object:
    return RegistryAnswer(200, data).json()


def _masked(data: bytes) -> object:
    masker = Masker()
    return masker.json(data), masker.event_line(b"data: " + data)


_PAGE: Final = (
    b'{"items":[{"id":"a","status":{"timestamp":1}}],'
    b'"pagination":{"hasMore":true,"totalItems":2,"cursor":"c"}}'
)
_NOTICE: Final = (
    (
        b'{"detail-type":"EC2 Spot Instance Interruption Warning","time":"2026-11-22T12:00:00Z",'
        b'"detail":{"instance-id":"i-1","instance-action":"terminate"}}'
    ),
    b'{"detail-type":"EC2 Instance Rebalance Recommendation","detail":{"instance-id":"i-1"}}',
    (
        b'{"detail-type":"EC2 Instance-terminate Lifecycle Action","detail":{'
        b'"AutoScalingGroupName":"g","EC2InstanceId":"i-1","LifecycleHookName":"h"}}'
    ),
)
_VECTOR: Final = (
    (
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},'
        b'"value":[1763800000.5,"3.5"]}]}}'
    ),
    b'{"status":"success","data":{"resultType":"scalar","result":[1763800000,"1e3"]}}',
)
_SECRETS: Final = (
    json.dumps(
        {"env": {"PASSWORD": "x", "A": ["--token=abc", {"url": "http://u:p@h/"}]}, "n": 1}
    ).encode(),
)
PARSERS: Final = (
    Parser("prometheus-answer", "json", _prometheus, (MetricFailed,), _VECTOR),
    Parser(
        "cloudwatch-answer",
        "json",
        _cloudwatch,
        (MetricFailed,),
        (b'{"MetricDataResults":[{"StatusCode":"Complete","Timestamps":[],"Values":[]}]}',),
    ),
    Parser(
        "queue-answer",
        "json",
        _queue,
        (MetricFailed,),
        (b'{"Attributes":{"ApproximateNumberOfMessages":"17"}}',),
    ),
    Parser("cloud-notice", "json", _noticed, (), _NOTICE),
    Parser("federated-page", "json", _page, (ValueError,), (_PAGE,)),
    Parser("federated-answer", "json", object_of, (), (_PAGE,), tolerant=True),
    Parser("service-registry-answer", "json", _registry, (RegistrationFailed,), (b'[{"a":1}]',)),
    Parser(
        "registry-challenge",
        "text",
        _challenge,
        (),
        (b'Bearer realm="https://auth.example.com/token",service="r",scope="repository:a:pull"',),
    ),
    Parser("image-name", "text", _image, (), (b"team/worker", b"localhost:5000/a"), tolerant=True),
    Parser("networks", "text", _networks, (ValueError,), (b"10.0.0.0/8, ::1/128",)),
    Parser("masked-json", "json", _masked, (), _SECRETS, tolerant=True),
)
