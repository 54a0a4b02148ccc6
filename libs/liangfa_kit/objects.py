"""Files that belong to records: arriving in pieces, checked whole, then kept under their SHA-256 and never changed.

A piece is durable before `append` returns, so that an upload which breaks off goes on where it ended. The folder is the
embedded implementation; a bucket (`object_storage`) passes the same conformance suite (tests/conformance).
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from liangfa_kit.errors import Exhausted, Invalid, NotFound, Precondition, Unavailable

T = TypeVar("T")
PIECE_BYTES = 256 * 1024
"""Size of the pieces in which a file is read back."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UPLOAD = re.compile(r"[0-9A-Za-z-]{1,64}")


class ContentMismatch(Invalid):
    """The bytes are not the file that was announced; they are dropped, and the upload starts anew."""

    reason = "CONTENT_MISMATCH"

    def __init__(self, what: str, announced: object, found: object) -> None:
        super().__init__(
            f"The {what} of the file is {found}, but {announced} was announced.",
            message_zh=f"文件校验不一致（{what}：应为 {announced}，实为 {found}）。",
            remedy="Send the whole file again from offset 0; if it differs again, announce the file as it is now.",
            what=what,
            announced=announced,
            found=found,
        )


class OffsetMismatch(Precondition):
    """A piece does not start where the last one ended."""

    reason = "OFFSET_MISMATCH"

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(
            f"The piece starts at {found}; the next one expected starts at {expected}.",
            message_zh=f"文件片段起点为 {found}，应从 {expected} 继续。",
            remedy="Ask how much has arrived and go on from there.",
            expected=expected,
            found=found,
        )


def upload_name(upload_id: str) -> str:
    """Return the id of an upload, which becomes part of a name. Raises `ValueError` for what is none."""
    if not _UPLOAD.fullmatch(upload_id):
        raise ValueError(f"{upload_id!r} is no upload id")
    return upload_id


def kept_name(sha256: str) -> str:
    """Return the hash by which a file is kept. Raises `ValueError` for what is none."""
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"{sha256!r} is no SHA-256")
    return sha256


def file_missing(sha256: str) -> NotFound:
    """Return the refusal of a file that is not there."""
    return NotFound(
        f"The file {sha256[:16]}… is not in the store.",
        message_zh="文件内容不在存储中。",
        remedy="Report it to the operator: the file store and the database do not agree.",
        reason="FILE_MISSING",
        sha256=sha256,
    )


def file_changed(sha256: str, found: str) -> Precondition:
    """Return the refusal of a file that is not any more what was kept."""
    return Precondition(
        f"The file {sha256[:16]}… was changed in the store: its SHA-256 is now {found[:16]}….",
        message_zh="存储中的文件内容已被改动，与登记的校验值不符。",
        remedy="Report it to the operator: restore the file from a backup, then run liangfa verify.",
        reason="FILE_CHANGED",
        sha256=sha256,
        found=found,
    )


class ObjectStore(Protocol):
    """Where files are kept. Every method may raise `Exhausted` (DISK_FULL)."""

    async def check(self) -> None:
        """Make a round trip. Raises when files can neither be stored nor read now."""
        ...

    async def received(self, upload_id: str) -> int:
        """Return how many bytes of an upload have arrived; 0 for one that has not begun."""
        ...

    async def append(self, upload_id: str, offset: int, content: bytes) -> int:
        """Store the piece at `offset`, durably, and return how many bytes there are now. Raises `OffsetMismatch`."""
        ...

    async def finish(self, upload_id: str, size_bytes: int, sha256: str) -> None:
        """Keep the upload under its hash. Raises `ContentMismatch`, and drops the bytes. Repeating is harmless."""
        ...

    async def discard(self, upload_id: str) -> None:
        """Drop an upload that will not be finished."""
        ...

    def read(self, sha256: str, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield a kept file from `offset` on. Raises `NotFound`."""
        ...

    async def local_path(self, sha256: str) -> Path:
        """Return a kept file as a file of this machine, for readers that need one. Raises `NotFound`."""
        ...


class FolderStore:
    """Files in a folder: `arriving/<upload>` while they come, `kept/<ab>/<sha256>` once they are whole."""

    def __init__(self, folder: Path) -> None:
        self._arriving = folder / "arriving"
        self._kept = folder / "kept"
        for path in (self._arriving, self._kept):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def check(self) -> None:
        """Look whether the folder is there and may be written. Raises `Unavailable`."""
        if not await _in_thread(lambda: os.access(self._arriving, os.W_OK | os.X_OK)):
            raise Unavailable(
                f"{self._arriving} cannot be written.",
                message_zh="附件存储目录无法写入。",
                remedy="Mount the data volume, or give this process the right to write to it.",
                reason="OBJECTS_UNAVAILABLE",
            )

    async def received(self, upload_id: str) -> int:
        """Return how many bytes have arrived."""
        return await _in_thread(lambda: _size(self._upload(upload_id)))

    async def append(self, upload_id: str, offset: int, content: bytes) -> int:
        """Append a piece and flush it to the disk."""
        return await _in_thread(lambda: _append(self._upload(upload_id), offset, content))

    async def finish(self, upload_id: str, size_bytes: int, sha256: str) -> None:
        """Check size and hash by reading the whole file back, then move it to its place."""
        await _in_thread(lambda: self._finish(self._upload(upload_id), size_bytes, sha256))

    async def discard(self, upload_id: str) -> None:
        """Drop what has arrived."""
        await _in_thread(lambda: self._upload(upload_id).unlink(missing_ok=True))

    async def read(self, sha256: str, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield the file in pieces of 256 KiB."""
        path = await self.local_path(sha256)
        with await _in_thread(lambda: path.open("rb")) as file:
            await _in_thread(lambda: file.seek(offset))
            while piece := await _in_thread(lambda: file.read(PIECE_BYTES)):
                yield piece

    async def local_path(self, sha256: str) -> Path:
        """Return the path of a kept file."""
        path = self._place(sha256)
        if not await _in_thread(path.is_file):
            raise file_missing(sha256)
        return path

    def _finish(self, upload: Path, size_bytes: int, sha256: str) -> None:
        place = self._place(sha256)
        if place.is_file() and not upload.exists():
            return  # finished before: the answer was lost, not the file
        if not upload.exists():
            raise ContentMismatch("size", size_bytes, 0)
        with upload.open("rb") as file:  # nobody appends between the check and the move
            fcntl.flock(file, fcntl.LOCK_EX)
            self._move_checked(upload, place, size_bytes, sha256)

    def _move_checked(self, upload: Path, place: Path, size_bytes: int, sha256: str) -> None:
        found = _size(upload)
        if found != size_bytes:
            upload.unlink(missing_ok=True)
            raise ContentMismatch("size", size_bytes, found)
        digest = _digest(upload)
        if digest != sha256:
            upload.unlink(missing_ok=True)
            raise ContentMismatch("SHA-256", sha256, digest)
        if not place.parent.exists():
            place.parent.mkdir(exist_ok=True, mode=0o700)
            _sync_folder(place.parent.parent)
        upload.replace(place)
        _sync_folder(place.parent)

    def _upload(self, upload_id: str) -> Path:
        return self._arriving / upload_name(upload_id)

    def _place(self, sha256: str) -> Path:
        return self._kept / kept_name(sha256)[:2] / sha256


async def _in_thread(work: Callable[[], T]) -> T:
    def guarded() -> T:
        with _disk_full_told():
            return work()

    return await asyncio.to_thread(guarded)


@contextmanager
def _disk_full_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise
        raise Exhausted(
            "The disk is full: the file was not stored.",
            message_zh="磁盘已满：文件未能保存。",
            remedy="Free space on the data volume, then go on with the upload.",
            reason="DISK_FULL",
        ) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _append(path: Path, offset: int, content: bytes) -> int:
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not _is_still_at(
            descriptor, path
        ):  # finished or discarded while waiting: these bytes are no upload any more
            raise OffsetMismatch(_size(path), offset)
        size = os.fstat(descriptor).st_size
        if offset != size:
            raise OffsetMismatch(size, offset)
        # Written in place, unbuffered: what a full disk cuts off is a clean beginning of the piece, from which the
        # sender goes on, and a sender who connects twice writes the same bytes to the same place.
        written = 0
        while written < len(content):
            written += os.pwrite(descriptor, content[written:], offset + written)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        _sync_folder(path.parent)
    return size + len(content)


def _is_still_at(descriptor: int, path: Path) -> bool:
    """Tell whether the open file is the one that stands at `path` now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _digest(path: Path) -> str:
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            hasher.update(piece)
    return hasher.hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
