"""Who wraps the keys of tenants: a file of this computer, or AWS KMS.

The one thing to know: what a provider holds never leaves it. It makes a key and hands it out twice,
once to use and once wrapped; only the wrapped one is kept, and asking the provider is the only way
back.
"""

import os
import stat
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidTag

from connectors.secrets.envelope import (
    KEY_BYTES,
    digest_of,
    new_key,
    place_of,
    unwrapped_key,
    wrapped_key,
)
from connectors.secrets.errors import ProviderUnusable, SecretsUnavailable

FILE_BYTES_MAX: Final = 64 * 1024
CONNECT_S: Final = 3.0
ANSWER_S: Final = 5.0
ATTEMPTS: Final = 3
"""KMS answers in tens of milliseconds; a launch waits for this, so not for long."""


class NewKey(NamedTuple):
    """A key twice: to use, and to keep; and the name of what wrapped it."""

    plain: bytes
    wrapped: bytes
    by: str


class KeyProvider(Protocol):
    """What wraps keys. Calls block, with time-outs and a bounded number of attempts."""

    @property
    def name(self) -> str:
        """How people name it, without secrets."""
        ...

    def new_key(self, context: Mapping[str, str]) -> NewKey:
        """A new key, bound to a context; raises a `SecretError`."""
        ...

    def unwrapped(self, wrapped: bytes, by: str, context: Mapping[str, str]) -> bytes:
        """The key that was wrapped in this context; raises a `SecretError`."""
        ...


class FileProvider:
    """Keys of a file, one base64 a line: the first wraps, all unwrap."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        """How people name it."""
        return f"file:{self._path}"

    def new_key(self, context: Mapping[str, str]) -> NewKey:
        """A new key, wrapped by the file's first."""
        first = self._keys()[0]
        plain = new_key()
        return NewKey(plain, wrapped_key(first, plain, _bytes_of(context)), _id_of(first))

    def unwrapped(self, wrapped: bytes, by: str, context: Mapping[str, str]) -> bytes:
        """The key again."""
        for key in self._keys():
            if _id_of(key) == by:
                try:
                    return unwrapped_key(key, wrapped, _bytes_of(context))
                except InvalidTag as error:
                    raise ProviderUnusable(
                        f"A key of the ring does not fit key {by} of {self._path}. The ring was "
                        "changed by hand, or entries were exchanged. Restore it from a backup."
                    ) from error
        raise ProviderUnusable(
            f"{self._path} has no key {by}, which wrapped this. It was removed, or the file is of "
            "another installation. Put the line back: the first line wraps, the others open."
        )

    def _keys(self) -> list[bytes]:
        """All keys, read each time, so that a line can be added while processes run."""
        try:
            with self._path.open("rb") as file:
                _check_private(os.fstat(file.fileno()), self._path)
                text = file.read(FILE_BYTES_MAX)
        except OSError as error:
            raise ProviderUnusable(
                f"The key file {self._path} cannot be read: {error.strerror}. Make one with "
                "`flumina secret init`, or give this account the right to read it."
            ) from error
        try:
            keys = [b64decode(line, validate=True) for line in text.split()]
        except NoBase64:
            keys = [b""]
        if not keys or any(len(each) != KEY_BYTES for each in keys):
            raise ProviderUnusable(
                f"{self._path} is no key file: each line must be {KEY_BYTES} bytes as base64. "
                "Make one with `flumina secret init`."
            )
        return keys


class KmsProvider:
    """A key of AWS KMS; boto3 finds region and credentials as always."""

    def __init__(self, key_id: str) -> None:
        self._key_id = key_id
        self._made: Any = None

    @property
    def name(self) -> str:
        """How people name it."""
        return f"kms:{self._key_id}"

    def new_key(self, context: Mapping[str, str]) -> NewKey:
        """A new key, made and wrapped by KMS."""
        answer = self._call(
            "generate_data_key",
            KeyId=self._key_id,
            NumberOfBytes=KEY_BYTES,
            EncryptionContext=dict(context),
        )
        return NewKey(answer["Plaintext"], answer["CiphertextBlob"], str(answer["KeyId"]))

    def unwrapped(self, wrapped: bytes, by: str, context: Mapping[str, str]) -> bytes:
        """The key again, as KMS has it."""
        answer = self._call(
            "decrypt", KeyId=by, CiphertextBlob=wrapped, EncryptionContext=dict(context)
        )
        return bytes(answer["Plaintext"])

    def _call(self, verb: str, **values: object) -> dict[str, Any]:
        # boto3 takes a quarter of a second: only whoever uses KMS pays it.
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            answer: dict[str, Any] = getattr(self._client(), verb)(**values)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            text = f"KMS refused {verb} with key {self._key_id}: {code}"
            if code in _FINAL_CODES:
                raise ProviderUnusable(
                    f"{text}. The key is disabled or gone, or this role may not use it. Look at "
                    "the key's state and policy."
                ) from error
            raise SecretsUnavailable(f"{text}. It may pass; try again.") from error
        except BotoCoreError as error:
            raise SecretsUnavailable(
                f"KMS did not answer {verb}: {type(error).__name__}. The network or the "
                "credentials are at fault; try again."
            ) from error
        return answer

    def _client(self) -> Any:  # noqa: ANN401 - boto3 has no types
        if self._made is None:
            import boto3  # noqa: PLC0415 - see above
            from botocore.config import Config  # noqa: PLC0415

            limits = Config(
                connect_timeout=CONNECT_S,
                read_timeout=ANSWER_S,
                retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            )
            self._made = boto3.session.Session().client("kms", config=limits)
        return self._made


_FINAL_CODES: Final = frozenset(
    (
        *("AccessDeniedException", "NotFoundException", "DisabledException"),
        *("InvalidCiphertextException", "IncorrectKeyException", "InvalidKeyUsageException"),
        "KMSInvalidStateException",
    )
)
"""Answers of KMS that another attempt would not change (its API reference)."""


def write_key_file(path: Path) -> None:
    """Make a key file with one key that only its owner can read; raises OSError."""
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(opened, "wb") as file:
        file.write(b64encode(new_key()) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _check_private(facts: os.stat_result, path: Path) -> None:
    """Return where nobody else can read the file.

    A secret that Kubernetes mounts belongs to root and is read through the pod's group (0440).
    """
    mode = stat.S_IMODE(facts.st_mode)
    is_mounted = facts.st_uid == 0 and os.geteuid() != 0
    if not stat.S_ISREG(facts.st_mode) or mode & (0o037 if is_mounted else 0o077):
        raise ProviderUnusable(
            f"The key file {path} has the rights {mode:04o}: others can read it, or it is no file. "
            "`chmod 600` it, and exchange the key if somebody may have."
        )


def _bytes_of(context: Mapping[str, str]) -> bytes:
    return place_of(*(word for pair in sorted(context.items()) for word in pair))


def _id_of(key: bytes) -> str:
    """A name of a key of the file that tells nothing of it."""
    return digest_of("key file", b64encode(key).decode())
