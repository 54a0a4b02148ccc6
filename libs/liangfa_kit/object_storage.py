"""Files in an S3-compatible store: what several machines share where a folder is on one.

Every piece of an upload is an object of its own (`arriving/<upload>/<offset>-<size>`): it is durable when the store has
answered, and an S3 multipart part could not be as small. `finish` writes the pieces as one object while it counts and
hashes them, and gives that its name under `kept/` only when they are the file that was announced.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import secrets
import shutil
import tempfile
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import urllib3
from minio import Minio
from minio.commonconfig import CopySource
from minio.error import InvalidResponseError, S3Error, ServerError

from liangfa_kit.errors import Exhausted, NotFound, PlatformError, Unavailable
from liangfa_kit.objects import (
    PIECE_BYTES,
    ContentMismatch,
    FolderStore,
    ObjectStore,
    OffsetMismatch,
    file_changed,
    file_missing,
    kept_name,
    upload_name,
)
from liangfa_kit.settings import Objects

T = TypeVar("T")
_PART_BYTES = 16 << 20
_FULL = frozenset({"XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "XMinioAdminBucketQuotaExceeded"})
_CONNECT_SECONDS, _READ_SECONDS = 5.0, 60.0


def open_objects(settings: Objects, name: str, folder: Path) -> ObjectStore:
    """Return where the service `name` keeps files: the bucket that the settings name, else `folder`."""
    return BucketStore(settings, name) if settings.endpoint else FolderStore(folder)


class BucketStore:
    """Files of one service in a bucket that exists already. Every method may raise `Unavailable` (OBJECTS_UNAVAILABLE)."""

    def __init__(self, settings: Objects, name: str) -> None:
        self._bucket = settings.bucket
        self._root = f"{settings.prefix}{name}"
        self._copies = Path(tempfile.mkdtemp(prefix="liangfa-objects-"))
        weakref.finalize(self, shutil.rmtree, self._copies, ignore_errors=True)
        self._client = Minio(
            settings.endpoint,
            access_key=settings.access_key or None,
            secret_key=settings.secret or None,
            secure=settings.tls,
            region=settings.region,
            http_client=urllib3.PoolManager(
                maxsize=16,
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
                retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
                cert_reqs="CERT_REQUIRED",
                ca_certs=str(settings.tls_ca) if settings.tls_ca else None,
            ),
        )

    async def check(self) -> None:
        """Make a round trip. Raises `Unavailable`, also for a bucket that does not exist."""
        if not await _asked(lambda: self._client.bucket_exists(self._bucket)):
            raise _unavailable(f"there is no bucket {self._bucket}")

    async def received(self, upload_id: str) -> int:
        """Return how many bytes have arrived without a gap."""
        return await _asked(lambda: _end(self._pieces(upload_id)))

    async def append(self, upload_id: str, offset: int, content: bytes) -> int:
        """Store a piece; it is durable when the store has answered."""

        def put() -> int:
            end = _end(self._pieces(upload_id))
            if offset != end:
                raise OffsetMismatch(end, offset)
            if content:
                key = f"{self._arriving(upload_id)}{offset:016d}-{len(content)}"
                self._client.put_object(self._bucket, key, io.BytesIO(content), len(content))
            return end + len(content)

        return await _asked(put)

    async def finish(self, upload_id: str, size_bytes: int, sha256: str) -> None:
        """Count and hash the pieces while they are written as one object, then give it its name."""
        try:
            await _asked(lambda: self._finish(upload_id, size_bytes, sha256))
        except NotFound:  # another process dropped the pieces while this one read them: it has finished, or given up
            if await _asked(lambda: self._size(self._place(sha256))) != size_bytes:
                raise OffsetMismatch(await self.received(upload_id), size_bytes) from None

    async def discard(self, upload_id: str) -> None:
        """Drop what has arrived."""
        await _asked(lambda: self._drop(upload_id))

    async def read(self, sha256: str, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield the file in pieces of 256 KiB."""
        key = self._place(sha256)
        size = await _asked(lambda: self._size(key))
        if size is None:
            raise file_missing(sha256)
        if offset >= size:
            return
        response = await _asked(lambda: self._client.get_object(self._bucket, key, offset=offset))
        try:
            while piece := await _asked(lambda: response.read(PIECE_BYTES)):
                yield piece
        finally:
            response.close()
            response.release_conn()

    async def local_path(self, sha256: str) -> Path:
        """Return a copy on this machine, fetched and checked once; it goes with this process. Raises `FILE_CHANGED`."""
        key = self._place(sha256)
        path = self._copies / sha256

        def fetch() -> None:
            if not path.exists():
                self._fetch(key, path, sha256)

        try:
            await _asked(fetch)
        except NotFound:
            raise file_missing(sha256) from None
        return path

    def _fetch(self, key: str, path: Path, sha256: str) -> None:
        """Fetch into a file of one's own, which takes the name when it is checked: others may fetch the same now."""
        response = self._client.get_object(self._bucket, key)
        with tempfile.NamedTemporaryFile(dir=self._copies, delete=False) as file:
            own, hasher = Path(file.name), hashlib.sha256()
            try:
                for piece in response.stream(PIECE_BYTES):
                    hasher.update(piece)
                    file.write(piece)
                file.flush()
                if hasher.hexdigest() != sha256:
                    raise file_changed(sha256, hasher.hexdigest())
                own.replace(path)
            finally:
                response.close()
                response.release_conn()
                own.unlink(missing_ok=True)

    def _arriving(self, upload_id: str) -> str:
        return f"{self._root}/arriving/{upload_name(upload_id)}/"

    def _place(self, sha256: str) -> str:
        return f"{self._root}/kept/{kept_name(sha256)[:2]}/{sha256}"

    def _pieces(self, upload_id: str) -> list[tuple[int, int, str]]:
        """Return offset, size and key of the pieces, in order."""
        prefix = self._arriving(upload_id)
        found = []
        for one in self._client.list_objects(self._bucket, prefix=prefix):
            offset, _, size = str(one.object_name).removeprefix(prefix).partition("-")
            if size:
                found.append((int(offset), int(size), str(one.object_name)))
        return sorted(found)

    def _finish(self, upload_id: str, size_bytes: int, sha256: str) -> None:
        place, pieces = self._place(sha256), self._pieces(upload_id)
        if not pieces and self._size(place) == size_bytes:
            return  # finished before: the answer was lost, not the file
        found = _end(pieces)
        if found != size_bytes:
            self._drop(upload_id)
            raise ContentMismatch("size", size_bytes, found)
        # A name of its own: what this process checks, no other that finishes the same upload may replace.
        whole = f"{self._arriving(upload_id)}whole.{secrets.token_hex(8)}"
        stream = _Hashed(self._contents(pieces))
        self._client.put_object(self._bucket, whole, cast("BinaryIO", stream), size_bytes, part_size=_PART_BYTES)
        if stream.digest != sha256:
            self._drop(upload_id)
            raise ContentMismatch("SHA-256", sha256, stream.digest)
        self._client.copy_object(self._bucket, place, CopySource(self._bucket, whole))
        self._drop(upload_id)

    def _contents(self, pieces: list[tuple[int, int, str]]) -> Iterator[bytes]:
        """Yield the bytes of the pieces in order; where two overlap (a sender connected twice) they are the same bytes."""
        end = 0
        for offset, size, key in pieces:
            if offset + size <= end:
                continue
            response = self._client.get_object(self._bucket, key, offset=end - offset)
            try:
                yield from response.stream(PIECE_BYTES)
            finally:
                response.close()
                response.release_conn()
            end = offset + size

    def _drop(self, upload_id: str) -> None:
        for one in self._client.list_objects(self._bucket, prefix=self._arriving(upload_id)):
            self._client.remove_object(self._bucket, str(one.object_name))

    def _size(self, key: str) -> int | None:
        try:
            return self._client.stat_object(self._bucket, key).size
        except S3Error as error:
            if error.code in {"NoSuchKey", "NoSuchObject"}:
                return None
            raise


class _Hashed(io.RawIOBase):
    """Bytes as a file that is read once; `digest` is the SHA-256 of what was read."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        super().__init__()
        self._parts = parts
        self._rest = b""
        self._hasher = hashlib.sha256()

    @property
    def digest(self) -> str:
        return self._hasher.hexdigest()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        found = bytearray(self._rest)
        while size < 0 or len(found) < size:
            part = next(self._parts, b"")
            if not part:
                break
            found += part
        taken, self._rest = (bytes(found), b"") if size < 0 else (bytes(found[:size]), bytes(found[size:]))
        self._hasher.update(taken)
        return taken


def _end(pieces: list[tuple[int, int, str]]) -> int:
    end = 0
    for offset, size, _ in pieces:
        if offset <= end:
            end = max(end, offset + size)
    return end


async def _asked(work: Callable[[], T]) -> T:
    """Do it in a thread; tell what the store refuses, and that it does not answer, in the platform's words."""

    def guarded() -> T:
        try:
            return work()
        except S3Error as error:
            raise _told(error) from error
        except (urllib3.exceptions.HTTPError, InvalidResponseError, ServerError, OSError) as error:
            raise _unavailable(type(error).__name__) from error

    return await asyncio.to_thread(guarded)


def _told(error: S3Error) -> PlatformError:
    code = str(error.code)
    if code in _FULL:
        return Exhausted(
            "The object store is full: the file was not stored.",
            message_zh="对象存储已满：文件未能保存。",
            remedy="Free space or raise the bucket's quota, then go on with the upload.",
            reason="DISK_FULL",
        )
    if code in {"NoSuchKey", "NoSuchObject"}:
        return NotFound("The object is not in the store.", reason="FILE_MISSING")
    return _unavailable(code)


def _unavailable(cause: str) -> Unavailable:
    return Unavailable(
        f"The object store cannot be used now: {cause}.",
        message_zh=f"对象存储暂时无法使用（{cause}）。",
        remedy="Try again soon. If it stays so, check LIANGFA_OBJECTS__… and the store itself (docs/operations.md).",
        reason="OBJECTS_UNAVAILABLE",
        cause=cause,
    )
