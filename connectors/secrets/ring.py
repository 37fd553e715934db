"""The key ring: a tenant's keys by version, wrapped by the provider, and each job's key below them.

The one thing to know: the ring stands in a store of its own, beside the log, and holds wrapped keys
only. To forget is to remove them: of a job its one key, of a tenant all. What was removed leaves a
mark, so that a number never comes again, and so that everybody can say when it was forgotten.

| object | holds |
| --- | --- |
| ``tenants/T/V.key`` | a tenant's key of version V, wrapped by the provider |
| ``jobs/T/J/V.key`` | a job's key, wrapped by the tenant's of version V |
| ``….gone`` | that there was one, and when and by whom it was forgotten |
"""

import re
import time
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag

from connectors.ports import NoSuchObject, ObjectExists, ObjectStore, StoreFailed
from connectors.secrets.envelope import (
    digest_of,
    new_key,
    place_of,
    unwrapped_key,
    wrapped_key,
)
from connectors.secrets.errors import ProviderUnusable, SecretForgotten, SecretsUnavailable
from connectors.secrets.providers import KeyProvider
from scheduler.model.reading.bad_bytes import BAD_BYTES
from scheduler.model.sealed import TENANT_CHARACTERS

SEEN_S: Final = 5.0
"""For so long what the ring holds is not read again: so soon a removed key is gone everywhere."""
UNWRAPPED_S: Final = 300.0
"""For so long the provider's answer serves; an outage of KMS is survived for that time."""
REMEMBERED_MAX: Final = 10_000
"""Keys in memory, about 2 MB."""
_OURS: Final = re.compile(
    rf"(tenants/|jobs/[A-Za-z0-9_-]{{{TENANT_CHARACTERS}}}/)[A-Za-z0-9_-]{{{TENANT_CHARACTERS}}}"
    r"/[0-9]{8}\.(key|gone)",
    re.ASCII,
)
"""How the ring names its objects."""


class Tenant(NamedTuple):
    """Whose secrets have keys of their own: an owner's application."""

    owner: str
    application: str

    @property
    def name(self) -> str:
        """The tenant as sealed values and the ring name it."""
        return digest_of("tenant", self.owner, self.application)


class _Held(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object of the ring."""

    owner: str
    application: str
    wrapped: str = ""
    by: str = ""
    """What wrapped it: the provider's word of it, or the tenant's version."""
    job: str = ""
    made_at_ms: int = 0
    forgotten_at_ms: int = 0
    actor: str = ""

    def bytes(self) -> bytes:
        """The wrapped key; raises `ProviderUnusable`."""
        try:
            return b64decode(self.wrapped, validate=True)
        except ValueError as error:
            whose = f"job {self.job}" if self.job else f"{self.owner} {self.application}"
            raise _damaged(f"The key of {whose}", "it is no base64") from error


class TenantKeys(msgspec.Struct, frozen=True, rename="camel"):
    """What the ring has of one tenant."""

    owner: str
    application: str
    tenant: str
    versions: tuple[int, ...]
    forgotten: tuple[int, ...]
    jobs: int


class Removed(msgspec.Struct, frozen=True, rename="camel"):
    """What was forgotten."""

    tenant_keys: int
    job_keys: int


class KeyRing:
    """The keys of one installation. Calls block; several threads may use one ring."""

    def __init__(
        self,
        store: ObjectStore,
        provider: KeyProvider,
        *,
        elapsed_s: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """``elapsed_s`` is for how long keys are remembered, ``now_ms`` for what is written."""
        self._store = store
        self.provider = provider
        self._elapsed_s = elapsed_s
        self._now_ms = now_ms
        self._lock = Lock()
        self._seen: OrderedDict[str, tuple[float, object]] = OrderedDict()

    @property
    def url(self) -> str:
        """Where the ring is."""
        return self._store.url

    def job_key(self, tenant: str, job_id: str, version: int) -> bytes:
        """The job's key of this version; raises a `SecretError` where there is none."""
        held = self._held(_job_path(tenant, job_id, version), f"job {job_id}")
        above = self._tenant_key(tenant, version)
        try:
            place = place_of("job", tenant, job_id, version)
            return unwrapped_key(above, held.bytes(), place)
        except InvalidTag as error:
            raise ProviderUnusable(
                f"The key of job {job_id} does not fit the ring. It was changed by hand, or comes "
                "from another ring. Restore the ring from a backup."
            ) from error

    def newest_job_key(self, tenant: Tenant, job_id: str) -> tuple[int, bytes]:
        """The version and key to seal new values of a job with; made where there is none."""
        version = self._newest(tenant)
        path = _job_path(tenant.name, job_id, version)
        if not self._is_there(path):
            above = self._tenant_key(tenant.name, version)
            place = place_of("job", tenant.name, job_id, version)
            wrapped = wrapped_key(above, new_key(), place)
            self._put(path, self._new(tenant, wrapped, str(version), job_id))
        return version, self.job_key(tenant.name, job_id, version)

    def rotate(self, tenant: Tenant) -> int:
        """The number of a new key of the tenant; what was sealed before still opens."""
        return self._begun(tenant, (self._numbers(tenant.name) or [0])[-1] + 1)

    def tenants(self) -> list[TenantKeys]:
        """What the ring has, by owner and application."""
        names = {path.split("/")[1] for path in self._paths("tenants/")}
        return sorted(map(self._facts_of, names), key=lambda each: (each.owner, each.application))

    def tenants_of(self, owner: str, application: str = "") -> list[Tenant]:
        """The tenants of an owner, or the one of his application."""
        return [
            Tenant(each.owner, each.application)
            for each in self.tenants()
            if each.owner == owner and application in {"", each.application}
        ]

    def forget_tenant(self, tenant: Tenant, actor: str) -> Removed:
        """Destroy every key of a tenant and of its jobs; again is nothing."""
        tenant_keys = self._forget(f"tenants/{tenant.name}/", actor)
        return Removed(tenant_keys, self._forget(f"jobs/{tenant.name}/", actor))

    def forget_job(self, job_id: str, actor: str) -> Removed:
        """Destroy every key of a job, whoever its owner was; again is nothing."""
        word = f"/{digest_of('job', job_id)}/"
        folders = {path.rpartition("/")[0] for path in self._paths("jobs/") if word in path}
        return Removed(0, sum(self._forget(f"{each}/", actor) for each in sorted(folders)))

    def _tenant_key(self, tenant: str, version: int) -> bytes:
        held = self._held(_tenant_path(tenant, version), f"{tenant}.{version}")
        name = f"unwrapped {tenant} {version} {held.wrapped}"
        known = self._remembered(name, UNWRAPPED_S)
        if isinstance(known, bytes):
            return known
        context = {"flumina:tenant": tenant, "flumina:version": str(version)}
        key = self.provider.unwrapped(held.bytes(), held.by, context)
        self._remember(name, key)
        return key

    def _newest(self, tenant: Tenant) -> int:
        """The newest version of a tenant's key; the first, or one after those that are gone."""
        name = f"newest {tenant.name}"
        known = self._remembered(name, SEEN_S)
        if isinstance(known, int):
            return known
        there = self._numbers(tenant.name, ".key")
        version = there[-1] if there else self.rotate(tenant)
        self._remember(name, version)
        return version

    def _begun(self, tenant: Tenant, version: int) -> int:
        context = {"flumina:tenant": tenant.name, "flumina:version": str(version)}
        made = self.provider.new_key(context)
        self._put(_tenant_path(tenant.name, version), self._new(tenant, made.wrapped, made.by))
        self._remember(f"newest {tenant.name}", version)
        return version

    def _new(self, tenant: Tenant, wrapped: bytes, by: str, job: str = "") -> _Held:
        return _Held(*tenant, b64encode(wrapped).decode(), by, job, self._now_ms())

    def _numbers(self, tenant: str, ending: str = "") -> list[int]:
        """The versions that a tenant has or had."""
        paths = [each for each in self._paths(f"tenants/{tenant}/") if each.endswith(ending)]
        return sorted({_version_of(each) for each in paths})

    def _facts_of(self, tenant: str) -> TenantKeys:
        gone = self._numbers(tenant, ".gone")
        there = [each for each in self._numbers(tenant, ".key") if each not in gone]
        ending = ".key" if there else ".gone"
        held = self._read(f"tenants/{tenant}/{[*gone, *there][-1]:08}{ending}")
        jobs = {path.split("/")[2] for path in self._paths(f"jobs/{tenant}/") if _is_key(path)}
        return TenantKeys(
            held.owner, held.application, tenant, tuple(there), tuple(gone), len(jobs)
        )

    def _forget(self, folder: str, actor: str) -> int:
        count = 0
        for path in [each for each in self._paths(folder) if _is_key(each)]:
            held = self._read(path)
            # The mark first: a key without it would be one that never was.
            mark = _Held(
                held.owner,
                held.application,
                job=held.job,
                made_at_ms=held.made_at_ms,
                forgotten_at_ms=self._now_ms(),
                actor=actor,
            )
            self._put(f"{path.removesuffix('.key')}.gone", mark)
            with _answering():
                self._store.delete(path)
            count += 1
        with self._lock:
            self._seen.clear()
        return count

    def _held(self, path: str, whose: str) -> _Held:
        """An object of the ring, read again every few seconds."""
        known = self._remembered(path, SEEN_S)
        if isinstance(known, _Held):
            return known
        try:
            held = self._read(path)
        except NoSuchObject as error:
            with self._lock:
                self._seen.clear()  # Nothing of what is gone stays in memory.
            raise self._gone(path, whose) from error
        self._remember(path, held)
        return held

    def _gone(self, path: str, whose: str) -> SecretForgotten:
        mark = f"{path.removesuffix('.key')}.gone"
        if not self._is_there(mark):
            return SecretForgotten(
                f"The key ring at {self.url} has no key of {whose}. The value was sealed for "
                "another job or variable or with another ring, or the ring was lost. Give the "
                "value anew, or restore the ring."
            )
        return SecretForgotten(
            f"The key of {whose} was forgotten by {self._read(mark).actor}: what was sealed with "
            "it cannot be opened by anybody. Give the value anew."
        )

    def _is_there(self, path: str) -> bool:
        if isinstance(self._remembered(path, SEEN_S), _Held):
            return True
        try:
            self._read(path)
        except NoSuchObject:
            return False
        return True

    def _read(self, path: str) -> _Held:
        with _answering():
            data = self._store.get(path)
        try:
            return msgspec.json.decode(data, type=_Held)
        except BAD_BYTES as error:
            raise _damaged(path, str(error)) from error

    def _put(self, path: str, held: _Held) -> None:
        """Write an object, or return where another was first: then his counts."""
        with _answering():
            try:
                self._store.put_new(path, msgspec.json.encode(held))
            except ObjectExists:
                return

    def _paths(self, prefix: str) -> list[str]:
        """The names of the ring's own objects; what else lies in its store is none of its."""
        with _answering():
            return [each.key for each in self._store.facts(prefix) if _OURS.fullmatch(each.key)]

    def _remembered(self, name: str, seconds: float) -> object:
        with self._lock:
            since_s, value = self._seen.get(name, (0.0, None))
            return value if self._elapsed_s() - since_s <= seconds else None

    def _remember(self, name: str, value: object) -> None:
        with self._lock:
            self._seen.pop(name, None)
            self._seen[name] = (self._elapsed_s(), value)
            while len(self._seen) > REMEMBERED_MAX:
                self._seen.popitem(last=False)


def _damaged(what: str, why: str) -> ProviderUnusable:
    return ProviderUnusable(
        f"{what} in the key ring cannot be read: {why}. It was changed by hand, or not written "
        "whole. Restore the ring from a backup."
    )


@contextmanager
def _answering() -> Iterator[None]:
    """Say of a store that fails that secrets are not to be had now."""
    try:
        yield
    except StoreFailed as error:
        raise SecretsUnavailable(f"The key ring does not answer: {error}") from error


def _tenant_path(tenant: str, version: int) -> str:
    return f"tenants/{tenant}/{version:08}.key"


def _job_path(tenant: str, job_id: str, version: int) -> str:
    return f"jobs/{tenant}/{digest_of('job', job_id)}/{version:08}.key"


def _version_of(path: str) -> int:
    return int(path.rpartition("/")[2].partition(".")[0])


def _is_key(path: str) -> bool:
    return path.endswith(".key")
