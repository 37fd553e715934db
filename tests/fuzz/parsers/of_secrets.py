"""Secrets: sealed values, marks of jobs, the file of keys, the ring's objects, guesses."""

from base64 import b64encode
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connectors.secrets.envelope import Place, _derived, digest_of, place_of, sealed_text
from connectors.secrets.errors import SecretError, SecretForgotten
from connectors.secrets.providers import FileProvider, NewKey
from connectors.secrets.ring import KeyRing, Tenant
from connectors.secrets.sealing import open_sealed
from connectors.web.secret_guess import looks_secret
from connectors.web.secret_views import Curtain
from projections.masking import Masker
from scheduler.model.sealed import SECRET_ATTRIBUTE, parts_of, read_secret_names, secret_names
from tests.fuzz.files import in_file
from tests.fuzz.parser import Parser, Refused, text_of
from tests.support.kept_log import MemoryStore

_JOB: Final = "titus-1"
_TENANT: Final = Tenant("team@example.com", "worker")
_KEY_FILE: Final = b64encode(bytes(range(32))) + b"\n" + b64encode(bytes(range(1, 33))) + b"\n"


class _Known:
    """A provider whose keys are no chance, so that samples are the same in every run."""

    name = "known"

    def new_key(self, _: object) -> NewKey:
        return NewKey(_ABOVE, _ABOVE, "file")

    def unwrapped(self, wrapped: bytes, *_: object) -> bytes:
        return wrapped.ljust(32, b"\0")[:32]


def _ring(objects: dict[str, bytes]) -> KeyRing:
    store = MemoryStore()
    store.objects.update(objects)
    return KeyRing(store, _Known(), elapsed_s=lambda: 0.0, now_ms=lambda: 1)


def _held(wrapped: bytes, by: str, job: str = "") -> bytes:
    """An object of the ring."""
    text = b64encode(wrapped).decode()
    held = {"owner": _TENANT.owner, "application": _TENANT.application, "wrapped": text}
    return msgspec.json.encode(held | {"by": by, "job": job, "made_at_ms": 1})


def _wrapped() -> bytes:
    """The job's key as `connectors.secrets.envelope` wraps it, without its chance."""
    nonce, place = bytes(12), place_of("job", _TENANT.name, _JOB, 1)
    return nonce + AESGCM(_derived(_ABOVE, b"wrap")).encrypt(nonce, _JOB_KEY, place)


_ABOVE: Final = b"k" * 32
_JOB_KEY: Final = b"j" * 32
_TENANT_PATH: Final = f"tenants/{_TENANT.name}/00000001.key"
_JOB_PATH: Final = f"jobs/{_TENANT.name}/{digest_of('job', _JOB)}/00000001.key"
_TENANT_OBJECT: Final = _held(_ABOVE, "file")
_JOB_OBJECT: Final = _held(_wrapped(), "1", _JOB)
_OBJECTS: Final = {_TENANT_PATH: _TENANT_OBJECT, _JOB_PATH: _JOB_OBJECT}
_SEALED: Final = sealed_text(_JOB_KEY, Place(_TENANT.name, 1, _JOB, "PASSWORD"), "open sesame")

_FORGOTTEN: Final = (
    b'{"owner":"team@example.com","application":"worker","forgotten_at_ms":1,"actor":"ada"}'
)
_SHOWN: Final = (
    b'{"items":[{"owner":{"teamEmail":"a"},"applicationName":"a","container":{"env":{"A":"b"}}}]}',
    b'{"user":"a","appName":"b","env":{"PASSWORD":"x"}}',
)


def _opened(data: bytes) -> object:
    text = text_of(data)
    return open_sealed(_ring(_OBJECTS), _JOB, "PASSWORD", text)


def _tenant_object(data: bytes) -> object:
    ring = _ring(_OBJECTS | {_TENANT_PATH: data})
    return ring.job_key(_TENANT.name, _JOB, 1), ring.tenants()


def _job_object(data: bytes) -> object:
    return _ring(_OBJECTS | {_JOB_PATH: data}).job_key(_TENANT.name, _JOB, 1)


def _mark(data: bytes) -> object:
    path = _TENANT_PATH.replace(".key", ".gone")
    ring = _ring({path: data})
    found = ring.tenants()
    try:
        ring.job_key(_TENANT.name, _JOB, 1)
    except SecretForgotten:
        return found
    raise AssertionError("there is no key")


def _names(data: bytes) -> object:
    """Names of objects in the ring's store, one a line, as any store may have them."""
    names = text_of(data).splitlines()
    ring = _ring(_OBJECTS | dict.fromkeys(names, _TENANT_OBJECT))
    return ring.tenants(), ring.rotate(_TENANT), ring.forget_job(_JOB, "ada")


def _key_file(path: Path) -> object:
    path.chmod(0o600)
    made = FileProvider(path).new_key({"a": "b"})
    return FileProvider(path).unwrapped(made.wrapped, made.by, {"a": "b"})


def _parts(data: bytes) -> object:
    found = parts_of(text_of(data))
    if found is None:
        raise Refused("it has no such form")
    return found


def _marked(data: bytes) -> object:
    text = text_of(data)
    read_secret_names(text)
    return secret_names([(SECRET_ATTRIBUTE, text)])


def _guess(data: bytes) -> object:
    return looks_secret(text_of(data))


def _curtain(data: bytes) -> object:
    curtain = Curtain(lambda owner, application: owner != application, Masker())
    return curtain.json(data), curtain.events(b"data: " + data.replace(b"\n", b" "))


PARSERS: Final = (
    Parser("sealed-value", "text", _opened, (SecretError,), (_SEALED.encode(),)),
    Parser("form-of-a-sealed-value", "text", _parts, (), (_SEALED.encode(),)),
    Parser("marks-of-secrets", "text", _marked, (ValueError,), (b"DB_PASSWORD, API_KEY", b"*")),
    Parser("key-file", "text", in_file("secret.key", _key_file), (SecretError,), (_KEY_FILE,)),
    Parser("tenant-key-of-the-ring", "json", _tenant_object, (SecretError,), (_TENANT_OBJECT,)),
    Parser("job-key-of-the-ring", "json", _job_object, (SecretError,), (_JOB_OBJECT,)),
    Parser("mark-of-the-ring", "json", _mark, (SecretError,), (_FORGOTTEN,)),
    Parser(
        "names-in-the-ring",
        "text",
        _names,
        (SecretError,),
        (f"{_TENANT_PATH}\n{_JOB_PATH}\n".encode(),),
        tolerant=True,
    ),
    Parser(
        "guess-at-a-secret",
        "text",
        _guess,
        (),
        (b"AKIAABCDEFGHIJKLMNOP", b"http://ada:secret@example.com/"),
        tolerant=True,
    ),
    Parser("curtain-before-secrets", "json", _curtain, (), _SHOWN, tolerant=True),
)
