"""Shapes of secrets: what is sealed, which keys there are, what is forgotten."""

from connectors.web.shapes import base


class SealBody(base.Shape, frozen=True, kw_only=True):
    """Values of one job that shall be sealed for it."""

    job_id: base.Name
    owner_email: str
    application_name: base.Name
    values: base.Texts
    """By the name of the variable."""


class SealedValues(base.Shape, frozen=True):
    """The same as they may stand in a descriptor, by name."""

    values: base.Texts


class TenantKeys(base.Shape, frozen=True):
    """The keys of an owner's application."""

    owner: str
    application: str
    tenant: str
    """What its sealed values name it."""
    versions: tuple[int, ...]
    """Numbers of keys, the newest last: new values are sealed under it."""
    forgotten: tuple[int, ...]
    jobs: int
    """Keys of jobs."""


class KeyRing(base.Shape, frozen=True):
    """The key ring, without any key."""

    url: str
    provider: str
    items: tuple[TenantKeys, ...]


class RotateBody(base.Shape, frozen=True, kw_only=True):
    """Whose next values get a new key."""

    owner_email: str
    application_name: base.Name
    why: str


class Rotated(base.Shape, frozen=True):
    """The number of the new key."""

    version: int


class ForgetBody(base.Shape, frozen=True, kw_only=True):
    """Whose secrets are forgotten: those of an owner, of one application of his, or of one job."""

    owner_email: str = ""
    application_name: str = ""
    job_id: str = ""
    why: str


class Forgotten(base.Shape, frozen=True):
    """How many keys were destroyed."""

    tenant_keys: int
    job_keys: int
