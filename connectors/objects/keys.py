"""Keys of objects, and the one way in which a store says that it failed.

The one thing to know: a key that passes here is safe as a path below a folder, as a key of S3 and
as a key of RocksDB; nothing else checks it again.
"""

import errno
import re
from typing import Final

from connectors.ports import StoreFailed

KEY_BYTES_MAX: Final = 900
"""S3 allows 1,024 bytes, a prefix of the store's own included."""
_WORD: Final = re.compile(r"[A-Za-z0-9._=-]{1,200}\Z", re.ASCII)
_PREFIX: Final = re.compile(r"[A-Za-z0-9._=/-]*\Z", re.ASCII)


def checked_key(key: str) -> str:
    """The same key; raises `ValueError` where it is none."""
    words = key.split("/")
    is_good = all(_WORD.match(word) and word not in {".", ".."} for word in words)
    if not is_good or len(key) > KEY_BYTES_MAX:
        raise ValueError(
            f"{key!r} is no key: words of letters, digits, '.', '_', '=' and '-' with '/' between "
            f"are wanted, at most {KEY_BYTES_MAX} characters"
        )
    return key


def checked_prefix(prefix: str) -> str:
    """The same beginning of keys; raises `ValueError` where no key can begin so."""
    is_good = _PREFIX.match(prefix) and not {".", ".."} & set(prefix.split("/")[:-1])
    if not is_good or prefix.startswith("/") or len(prefix) > KEY_BYTES_MAX:
        raise ValueError(f"no key begins with {prefix!r}")
    return prefix


def checked_range(first: int, count: int) -> None:
    """Return if these say a part of an object; raises `ValueError` else."""
    if first < 0 or count < 0:
        raise ValueError(f"{count} bytes from {first} on are no part of an object")


def failed(what: str, cause: str, remedy: str) -> StoreFailed:
    """The failure of a store in one sentence each: what happened, likely cause, what to do."""
    return StoreFailed(f"{what}. {cause}. {remedy}.")


_REASONS: Final = {
    errno.ENOSPC: (
        "The disk is full",
        "Free some space or give the store another disk; what was there is unharmed",
    ),
    errno.EDQUOT: (
        "The account's quota of the disk is used up",
        "Raise the quota or free some space; what was there is unharmed",
    ),
    errno.EROFS: (
        "The file system is read-only, perhaps since a fault of the disk",
        "Look into the computer's log, mount it writable, or choose another store",
    ),
    errno.EACCES: (
        "This account may not write or read there",
        "Give it the right to, or choose another store with FLUMINA_STORE",
    ),
    errno.EIO: (
        "The disk answered with an error",
        "Look into the computer's log; replace the disk, and copy what can still be read",
    ),
    errno.ENOTDIR: (
        "A part of the path is a file and not a directory",
        "Choose another directory with FLUMINA_STORE",
    ),
    errno.EMFILE: (
        "This process has too many open files",
        "Raise its limit of open files (ulimit -n)",
    ),
}
_REASONS[errno.EPERM] = _REASONS[errno.EACCES]


def failed_by_system(doing: str, url: str, error: OSError) -> StoreFailed:
    """The failure that an error of the operating system is."""
    cause, remedy = _REASONS.get(
        error.errno or 0,
        ("The operating system refused", "See the error's own words, and choose another store"),
    )
    return failed(f"{doing} in {url} failed: {error.strerror or error}", cause, remedy)
