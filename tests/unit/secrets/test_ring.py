"""The key ring: keys by version, remembered for a while, destroyed for ever."""

from pathlib import Path

import pytest

from connectors.objects.directory import DirectoryStore
from connectors.ports import ObjectStore, StoreFailed
from connectors.secrets.errors import (
    ProviderUnusable,
    SecretForgotten,
    SecretMisplaced,
    SecretsUnavailable,
)
from connectors.secrets.providers import FileProvider, write_key_file
from connectors.secrets.ring import SEEN_S, KeyRing, Tenant
from connectors.secrets.sealing import Variable, open_sealed, seal

ADA = Tenant("ada@example.org", "web")
BOB = Tenant("bob@example.org", "web")


class Watch:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def __call__(self) -> float:
        return self.s


def _ring(folder: Path, watch: Watch | None = None) -> KeyRing:
    key = folder / "secret.key"
    if not key.exists():
        write_key_file(key)
    provider = FileProvider(key)
    return KeyRing(DirectoryStore(folder / "ring"), provider, elapsed_s=watch or Watch())


def _sealed(ring: KeyRing, tenant: Tenant = ADA, job: str = "j", value: str = "s3cret") -> str:
    return seal(ring, Variable(tenant, job, "KEY"), value)


def test_another_process_opens_what_one_has_sealed(tmp_path: Path) -> None:
    text = _sealed(_ring(tmp_path))
    assert open_sealed(_ring(tmp_path), "j", "KEY", text) == "s3cret"
    kept = b"".join(path.read_bytes() for path in (tmp_path / "ring").rglob("*.key"))
    assert b"s3cret" not in kept


def test_a_new_key_is_for_new_values_and_the_old_one_still_opens(tmp_path: Path) -> None:
    ring = _ring(tmp_path)
    before = _sealed(ring)
    assert ring.rotate(ADA) == 2
    after = _sealed(ring)
    assert before != after
    assert seal(ring, Variable(ADA, "j", "KEY"), "s3cret", before) == before, "an update keeps it"
    assert seal(ring, Variable(ADA, "j", "KEY"), "other", before) != before
    assert {open_sealed(ring, "j", "KEY", each) for each in (before, after)} == {"s3cret"}


def test_who_forgets_a_job_forgets_that_job(tmp_path: Path) -> None:
    ring = _ring(tmp_path)
    lost, kept = _sealed(ring), _sealed(ring, job="k")
    assert ring.forget_job("j", "carol").job_keys == 1
    with pytest.raises(SecretForgotten, match="forgotten by carol"):
        open_sealed(ring, "j", "KEY", lost)
    assert open_sealed(ring, "k", "KEY", kept) == "s3cret"
    assert ring.forget_job("j", "carol").job_keys == 0, "again is nothing"


def test_who_forgets_an_owner_forgets_all_of_his_and_nothing_else(tmp_path: Path) -> None:
    ring = _ring(tmp_path)
    lost = [_sealed(ring), _sealed(ring, job="k")]
    kept = _sealed(ring, BOB, "b")
    for tenant in ring.tenants_of(ADA.owner):
        removed = ring.forget_tenant(tenant, "carol")
        assert (removed.tenant_keys, removed.job_keys) == (1, 2)
    for job, text in zip(("j", "k"), lost, strict=True):
        with pytest.raises(SecretForgotten):
            open_sealed(ring, job, "KEY", text)
    assert open_sealed(ring, "b", "KEY", kept) == "s3cret"
    new = _sealed(ring)
    assert ".2:" in new, "a number never comes again"
    ada, bob = ring.tenants()
    assert (ada.versions, ada.forgotten, ada.jobs) == ((2,), (1,), 1)
    assert (bob.versions, bob.forgotten) == ((1,), ())


def test_a_process_that_remembers_a_key_forgets_it_soon(tmp_path: Path) -> None:
    watch = Watch()
    here, there = _ring(tmp_path, watch), _ring(tmp_path)
    text = _sealed(here)
    assert open_sealed(here, "j", "KEY", text) == "s3cret"
    there.forget_job("j", "carol")
    watch.s += SEEN_S + 0.1
    with pytest.raises(SecretForgotten):
        open_sealed(here, "j", "KEY", text)


def test_two_that_seal_at_once_use_one_key(tmp_path: Path) -> None:
    """Each makes a key; the store takes the first, and both seal with that."""
    here, there = _ring(tmp_path), _ring(tmp_path)
    store, provider = DirectoryStore(tmp_path / "ring"), FileProvider(tmp_path / "secret.key")
    text = _sealed(there)
    late = KeyRing(Late(store), provider, elapsed_s=Watch())  # type: ignore[arg-type]
    assert _sealed(late) == text == _sealed(here)


class Late:
    """A store that shows nothing until something was written through it: a race lost each time."""

    def __init__(self, store: DirectoryStore) -> None:
        self._store = store
        self._has_written = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def facts(self, prefix: str) -> object:
        return self._store.facts(prefix) if self._has_written else iter(())

    def put_new(self, key: str, data: bytes) -> None:
        self._has_written = True
        self._store.put_new(key, data)


class Away:
    """A store that fails, after it has served for a while."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.is_away = False

    def __getattr__(self, name: str) -> object:
        if self.is_away:
            raise StoreFailed("the disk is gone")
        return getattr(self._store, name)


def test_a_store_that_fails_is_no_key_that_is_gone(tmp_path: Path) -> None:
    write_key_file(tmp_path / "k")
    store, watch = Away(DirectoryStore(tmp_path / "ring")), Watch()
    ring = KeyRing(store, FileProvider(tmp_path / "k"), elapsed_s=watch)  # type: ignore[arg-type]
    text = _sealed(ring)
    store.is_away = True
    assert open_sealed(ring, "j", "KEY", text) == "s3cret", "for a while it is remembered"
    watch.s += SEEN_S + 0.1
    with pytest.raises(SecretsUnavailable, match="the disk is gone"):
        open_sealed(ring, "j", "KEY", text)


def test_a_ring_from_elsewhere_says_so(tmp_path: Path) -> None:
    text = _sealed(_ring(tmp_path))
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(SecretForgotten, match="another ring"):
        open_sealed(_ring(other), "j", "KEY", text)
    with pytest.raises(SecretMisplaced):
        open_sealed(_ring(tmp_path), "j", "KEY", "flumina-sealed:1:nonsense")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_file_that_others_can_read_is_not_used(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "k"
    write_key_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(mode)
    with pytest.raises(ProviderUnusable, match="others can read it"):
        FileProvider(path).new_key({})


def test_a_line_put_before_the_others_wraps_and_they_still_open(tmp_path: Path) -> None:
    path, more = tmp_path / "k", tmp_path / "more"
    write_key_file(path)
    provider, context = FileProvider(path), {"a": "b"}
    old = provider.new_key(context)
    write_key_file(more)
    path.write_bytes(more.read_bytes() + path.read_bytes())
    new = provider.new_key(context)
    assert new.by != old.by
    for each in (old, new):
        assert provider.unwrapped(each.wrapped, each.by, context) == each.plain
    with pytest.raises(ProviderUnusable, match="does not fit"):
        provider.unwrapped(old.wrapped, old.by, {"a": "c"})
    path.write_bytes(more.read_bytes())
    with pytest.raises(ProviderUnusable, match="Put the line back"):
        provider.unwrapped(old.wrapped, old.by, context)


@pytest.mark.parametrize("text", [b"", b"abc", b"!!!", b"AAAA\n"])
def test_what_is_no_key_file_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "k"
    write_key_file(path)
    path.write_bytes(text)
    with pytest.raises(ProviderUnusable, match="no key file"):
        FileProvider(path).new_key({})
