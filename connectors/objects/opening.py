"""Opening a store of objects by its URL.

The one thing to know: opening touches nothing. A store that cannot be reached says so at the first
call, in words that name it.
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from connectors.objects.directory import DirectoryStore
from connectors.objects.rocks import RocksStore
from connectors.ports import ObjectStore


def open_store(url: str) -> ObjectStore:
    """The store of this URL: ``file:///DIR``, ``s3://BUCKET/PREFIX`` or ``rocksdict:///DIR``.

    Raises `ValueError` for any other.
    """
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.query or parts.fragment:
        raise ValueError(f"{url!r} has a query or a fragment; a store has none")
    match parts.scheme:
        case "file" | "rocksdict" if not path.startswith("/") or parts.netloc:
            raise ValueError(f"{url!r} names no directory: three slashes begin one, as in file:///")
        case "file":
            return DirectoryStore(Path(path))
        case "rocksdict":
            return RocksStore(Path(path))
        case "s3" if parts.netloc:
            # boto3 takes a quarter of a second: only whoever uses S3 pays it.
            from connectors.objects.s3 import S3Store  # noqa: PLC0415

            return S3Store(parts.netloc, path.strip("/"))
        case _:
            raise ValueError(
                f"{url!r} is no store: file:///DIR, s3://BUCKET/PREFIX or rocksdict:///DIR is"
            )
