"""Signed copies on their way in: their type by what they begin with, their size, their hash."""

from __future__ import annotations

from collections.abc import AsyncIterator

from liangfa_case_transfer.document_errors import ScanRefused
from liangfa_kit.objects import ObjectStore
from liangfa_protos.case_transfer.v1 import document_service_pb2 as rpc

MAX_BYTES = 64 << 20
MAX_PIECE_BYTES = 1 << 20
_BEGINNINGS = {
    "application/pdf": (b"%PDF-",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/tiff": (b"II*\x00", b"MM\x00*"),
}
_LONGEST_BEGINNING = 8


def check_announced(first: rpc.AttachSignedScanRequest) -> None:
    """Raise `ScanRefused` for a file that would not be taken whatever its bytes are."""
    name = first.file_name
    if not name.strip() or len(name) > 255 or any(c in "/\\" or ord(c) < 32 for c in name):
        raise ScanRefused("a file name without a folder is needed", "须有不含路径的文件名")
    if first.media_type not in _BEGINNINGS:
        raise ScanRefused(f"{first.media_type[:100]!r} is no type of scan", "不支持该文件类型")
    if not 0 < first.size_bytes <= MAX_BYTES:
        raise ScanRefused(f"a size of {first.size_bytes} bytes is not allowed", "文件大小为 1 字节至 64 MiB")
    if len(first.sha256) != 64 or not set(first.sha256) <= set("0123456789abcdef"):
        raise ScanRefused("its SHA-256 is not 64 hexadecimal digits", "SHA-256 应为 64 位小写十六进制")


async def keep_scan(
    objects: ObjectStore,
    upload_id: str,
    first: rpc.AttachSignedScanRequest,
    rest: AsyncIterator[rpc.AttachSignedScanRequest],
) -> None:
    """Keep the announced file; nothing of it stays when it is refused. Raises `ScanRefused`, `ContentMismatch`."""
    try:
        beginning = await _received(objects, upload_id, first, rest)
        _check_type(first.media_type, beginning)
        await objects.finish(upload_id, first.size_bytes, first.sha256)
    except BaseException:  # also when the sender leaves: what has arrived belongs to nothing
        await objects.discard(upload_id)
        raise


async def _received(
    objects: ObjectStore,
    upload_id: str,
    first: rpc.AttachSignedScanRequest,
    rest: AsyncIterator[rpc.AttachSignedScanRequest],
) -> bytes:
    """Store what comes; return what it begins with."""
    received, beginning, piece = 0, b"", first
    while True:
        if len(piece.content) > MAX_PIECE_BYTES or received + len(piece.content) > first.size_bytes:
            raise ScanRefused("more bytes came than were announced, or more than 1 MiB at once", "内容超出所报大小")
        if piece.content:
            beginning = (beginning + piece.content)[:_LONGEST_BEGINNING]
            received = await objects.append(upload_id, received, piece.content)
        following = await anext(rest, None)
        if following is None:
            return beginning
        piece = following


def _check_type(media_type: str, beginning: bytes) -> None:
    if not beginning.startswith(_BEGINNINGS[media_type]):
        raise ScanRefused(f"its content is not of the type {media_type}", "内容与所报文件类型不符")
