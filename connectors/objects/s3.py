"""A store of objects in S3, or in whatever speaks its protocol (``AWS_ENDPOINT_URL``).

The one thing to know: writing is conditional (``If-None-Match: *``), so of two writers one is told
that the other was first. An answer may be lost and the write be asked again: each write carries an
id of its own in the object's metadata, and who finds his own id there was first himself.
"""

import threading
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import boto3
import structlog
from botocore.config import Config
from botocore.exceptions import ClientError

from connectors.objects.directory import whole_file
from connectors.objects.keys import checked_key, checked_prefix, checked_range, failed
from connectors.objects.s3_calls import CONFLICT_CODES, Calls, Limits, code_of, status_of
from connectors.ports import NoSuchObject, ObjectExists, ObjectFacts

logger = structlog.get_logger(__name__)

PART_BYTES: Final = 16 << 20
"""Of a large object, up and down: 10,000 parts at most, so 156 GiB an object."""
_WRITE_ID: Final = "flumina-write"
_ABSENT: Final = frozenset(("NoSuchKey", "404", "NotFound"))
_EXISTS: Final = CONFLICT_CODES | {"PreconditionFailed", "412"}
_Answer = TypeVar("_Answer")


class S3Store:
    """Objects of one bucket below one prefix."""

    def __init__(self, bucket: str, prefix: str = "", limits: Limits | None = None) -> None:
        self._bucket = bucket
        self._before = f"{prefix}/" if prefix else ""
        self._limits = limits or Limits()
        self._calls = Calls(self.url, self._limits)
        self._made: Any = None
        self._making = threading.Lock()

    @property
    def url(self) -> str:
        """How people name this store."""
        return f"s3://{self._bucket}/{self._before}".rstrip("/")

    def put_new(self, key: str, data: bytes) -> None:
        """Write an object that must not exist yet; raises `ObjectExists` else."""
        if len(data) > PART_BYTES:
            self._put_parts(key, lambda first: data[first : first + PART_BYTES], len(data))
            return
        name, write_id = self._name(key), uuid.uuid4().hex
        client = self._client()

        def put() -> None:
            client.put_object(**name, Body=data, IfNoneMatch="*", Metadata={_WRITE_ID: write_id})

        try:
            self._call(f"Writing {key}", put, len(data), passing_on=_EXISTS)
        except ClientError as error:
            self._or_exists(key, write_id, error)

    def put_new_file(self, key: str, path: Path) -> None:
        """The same with a file's content, which may be larger than memory."""
        total = path.stat().st_size
        if total <= PART_BYTES:
            self.put_new(key, path.read_bytes())
            return
        with path.open("rb") as file:
            self._put_parts(key, lambda first: _read_at(file, first), total)

    def get(self, key: str) -> bytes:
        """The object's bytes; raises `NoSuchObject`."""
        with_length, tag = self._length(key)
        parts = self._ranges(key, tag, 0, with_length)
        return b"".join(parts)

    def get_range(self, key: str, first: int, count: int) -> bytes:
        """At most ``count`` bytes from byte ``first`` on; raises `NoSuchObject`."""
        checked_range(first, count)
        total, tag = self._length(key)
        return b"".join(self._ranges(key, tag, first, min(first + count, total)))

    def get_to_file(self, key: str, path: Path) -> None:
        """Write the object's bytes into this file, whole or not at all; raises `NoSuchObject`."""
        total, tag = self._length(key)
        with whole_file(path) as target:
            for part in self._ranges(key, tag, 0, total):
                target.write(part)

    def facts(self, prefix: str) -> Iterator[ObjectFacts]:
        """All objects whose key begins so, in the order of their keys."""
        begins, client = self._before + checked_prefix(prefix), self._client()
        asked = {"Bucket": self._bucket, "Prefix": begins}
        while True:
            page = self._call(f"Listing {prefix}", partial(client.list_objects_v2, **asked))
            for each in page.get("Contents", ()):
                written_at_ms = round(each["LastModified"].timestamp() * 1_000)
                key = each["Key"].removeprefix(self._before)
                yield ObjectFacts(key, int(each["Size"]), written_at_ms)
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens where there is none."""
        name, client = self._name(key), self._client()
        self._call(f"Removing {key}", lambda: client.delete_object(**name), passing_on=_ABSENT)

    def _name(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._before + checked_key(key)}

    def _client(self) -> Any:  # noqa: ANN401 - boto3 has no types
        with self._making:
            if self._made is None:
                limits = self._limits
                config = Config(
                    connect_timeout=limits.connect_s,
                    read_timeout=limits.silent_s,
                    # Attempts are ours, see `s3_calls`: one rule for all errors, and in one place.
                    retries={"total_max_attempts": 1, "mode": "standard"},
                    max_pool_connections=8,
                )
                # A session of its own: boto3's default one must not be used by several threads.
                self._made = boto3.session.Session().client("s3", config=config)
            return self._made

    def _call(
        self,
        doing: str,
        act: Callable[[], _Answer],
        bytes_total: int = 0,
        passing_on: frozenset[str] = frozenset(),
    ) -> _Answer:
        """What the call answers; raises `ClientError` only for codes of ``passing_on``."""
        try:
            return self._calls.call(doing, act, bytes_total)
        except ClientError as error:
            if code_of(error) in passing_on or str(status_of(error)) in passing_on:
                raise
            raise self._calls.failed(doing, error) from error

    def _length(self, key: str) -> tuple[int, str]:
        """How many bytes the object has, and its tag; raises `NoSuchObject`."""
        name, client = self._name(key), self._client()
        try:
            head = self._call(
                f"Reading {key}", lambda: client.head_object(**name), passing_on=_ABSENT
            )
        except ClientError as error:
            raise NoSuchObject(key) from error
        return int(head["ContentLength"]), str(head["ETag"])

    def _ranges(self, key: str, tag: str, first: int, end: int) -> Iterator[bytes]:
        """The bytes from ``first`` up to ``end``, in parts that each have their own time."""
        name, client = self._name(key), self._client()
        for at in range(first, end, PART_BYTES):
            last = min(at + PART_BYTES, end) - 1

            def get(at: int = at, last: int = last) -> bytes:
                answer = client.get_object(**name, Range=f"bytes={at}-{last}", IfMatch=tag)
                body: bytes = answer["Body"].read()
                return body

            try:
                part = self._call(
                    f"Reading {key}", get, last + 1 - at, passing_on=_ABSENT | _EXISTS
                )
            except ClientError as error:
                raise NoSuchObject(f"{key} was removed while it was read") from error
            if len(part) != last + 1 - at:
                raise failed(
                    f"Reading {key} in {self.url} gave {len(part)} of {last + 1 - at} bytes",
                    "The server or something before it cut its answer",
                    "Look at proxies between here and S3",
                )
            yield part

    def _put_parts(self, key: str, read: Callable[[int], bytes], total: int) -> None:
        """Upload in parts; the object appears, or is refused, when the last is complete."""
        name, write_id, client = self._name(key), uuid.uuid4().hex, self._client()
        doing = f"Writing {key}"
        begun = self._call(
            doing,
            lambda: client.create_multipart_upload(**name, Metadata={_WRITE_ID: write_id}),
        )
        upload = {**name, "UploadId": begun["UploadId"]}
        is_complete = False
        try:
            parts = []
            for number, first in enumerate(range(0, total, PART_BYTES), start=1):
                body = read(first)
                put = partial(client.upload_part, **upload, PartNumber=number, Body=body)
                answer = self._call(doing, put, len(body))
                parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            self._call(
                doing,
                lambda: client.complete_multipart_upload(
                    **upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
                ),
                # NoSuchUpload: an earlier attempt, whose answer was lost, completed it.
                passing_on=_EXISTS | {"NoSuchUpload"},
            )
            is_complete = True
        except ClientError as error:
            self._or_exists(key, write_id, error)
        finally:
            if not is_complete:
                self._abort(key, upload)

    def _abort(self, key: str, upload: dict[str, str]) -> None:
        """Remove the parts of an upload that was not completed: they would cost for ever."""
        client = self._client()
        try:
            self._calls.call(f"Tidying up {key}", lambda: client.abort_multipart_upload(**upload))
        except (ClientError, OSError) as error:
            # The upload's own error is what its caller must hear, and this one has its cause.
            logger.warning(
                "parts of an upload are left; a lifecycle rule of the bucket should remove such",
                url=self.url,
                key=key,
                why=str(error),
            )

    def _or_exists(self, key: str, write_id: str, error: ClientError) -> None:
        """Return if the object that is there is the one just written; else `ObjectExists`."""
        name, client = self._name(key), self._client()
        try:
            head = self._call(
                f"Reading {key}", lambda: client.head_object(**name), passing_on=_ABSENT
            )
        except ClientError:
            # Another write of the key was under way and has not ended: it is first.
            raise ObjectExists(key) from error
        if head.get("Metadata", {}).get(_WRITE_ID) != write_id:
            raise ObjectExists(key) from error


def _read_at(file: BinaryIO, first: int) -> bytes:
    file.seek(first)
    return file.read(PART_BYTES)
