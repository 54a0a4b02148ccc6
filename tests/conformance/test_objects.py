"""What every object store promises: pieces in order, whole files under their hash, nothing half kept."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from liangfa_kit.errors import NotFound
from liangfa_kit.object_storage import BucketStore
from liangfa_kit.objects import PIECE_BYTES, ContentMismatch, FolderStore, ObjectStore, OffsetMismatch

pytestmark = pytest.mark.asyncio
CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(params=["folder", "bucket"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "bucket":
        return BucketStore(request.getfixturevalue("bucket"), "tests")
    return FolderStore(tmp_path / "objects")


async def kept(objects: ObjectStore, offset: int = 0) -> bytes:
    return b"".join([piece async for piece in objects.read(SHA256, offset)])


async def test_a_file_comes_back_as_it_was_sent(objects: ObjectStore) -> None:
    """Sent in pieces, kept under its hash, read from any offset."""
    half = len(CONTENT) // 2
    assert await objects.append("u1", 0, CONTENT[:half]) == half
    assert await objects.append("u1", half, CONTENT[half:]) == len(CONTENT)
    await objects.finish("u1", len(CONTENT), SHA256)
    assert await kept(objects) == CONTENT
    assert await kept(objects, PIECE_BYTES + 7) == CONTENT[PIECE_BYTES + 7 :]
    assert (await objects.local_path(SHA256)).read_bytes() == CONTENT


async def test_a_store_that_is_there_says_so(objects: ObjectStore) -> None:
    """A round trip ends without a word."""
    await objects.check()


async def test_a_file_that_is_not_there_is_told(objects: ObjectStore) -> None:
    """Read or fetched; and what is read from beyond its end is empty."""
    with pytest.raises(NotFound) as missing:
        await kept(objects)
    assert missing.value.reason == "FILE_MISSING"
    with pytest.raises(NotFound):
        await objects.local_path(SHA256)
    await objects.append("u1", 0, CONTENT)
    await objects.finish("u1", len(CONTENT), SHA256)
    assert await kept(objects, len(CONTENT)) == b""


async def test_pieces_of_two_senders_of_one_file_fit_together(objects: ObjectStore) -> None:
    """A second connection goes on with other piece sizes; each piece is taken once, at the end there is the file."""
    ends = 0
    for size in (1000, 70_000, 3, 300_000, len(CONTENT)):
        piece = CONTENT[ends : ends + size]
        ends = await objects.append("u1", ends, piece)
        with pytest.raises(OffsetMismatch):
            await objects.append("u1", ends - 1, b"x")
    await objects.finish("u1", len(CONTENT), SHA256)
    assert await kept(objects) == CONTENT


async def test_a_broken_upload_goes_on_where_it_ended(objects: ObjectStore) -> None:
    """A piece that leaves a gap or repeats what is there is refused and changes nothing."""
    await objects.append("u1", 0, CONTENT[:1000])
    assert await objects.received("u1") == 1000
    for offset in (0, 999, 1001):
        with pytest.raises(OffsetMismatch) as refusal:
            await objects.append("u1", offset, CONTENT[offset : offset + 10])
        assert refusal.value.metadata["expected"] == "1000"
    await objects.append("u1", 1000, CONTENT[1000:])
    await objects.finish("u1", len(CONTENT), SHA256)
    assert await kept(objects) == CONTENT


@pytest.mark.parametrize(("size", "sha256"), [(len(CONTENT) + 1, SHA256), (len(CONTENT), "0" * 64)])
async def test_a_file_that_is_not_what_was_announced_is_dropped(objects: ObjectStore, size: int, sha256: str) -> None:
    """Size and hash are both checked against the bytes on the disk."""
    await objects.append("u1", 0, CONTENT)
    with pytest.raises(ContentMismatch):
        await objects.finish("u1", size, sha256)
    assert await objects.received("u1") == 0
    with pytest.raises(NotFound):
        await kept(objects)


async def test_finishing_again_and_keeping_the_same_content_twice_is_harmless(objects: ObjectStore) -> None:
    """The answer may be lost on its way, and two cases may share a file."""
    for upload in ("u1", "u2"):
        await objects.append(upload, 0, CONTENT)
        await objects.finish(upload, len(CONTENT), SHA256)
        await objects.finish(upload, len(CONTENT), SHA256)
    assert await kept(objects) == CONTENT


async def test_a_sender_who_connects_twice_does_no_harm(objects: ObjectStore) -> None:
    """The first connection is dead and does not know it: the same piece arrives twice at once."""
    for offset in range(0, len(CONTENT), 1 << 17):
        piece = CONTENT[offset : offset + (1 << 17)]
        outcomes = await asyncio.gather(
            *(objects.append("u1", offset, piece) for _ in range(4)), return_exceptions=True
        )
        assert offset + len(piece) in outcomes
        assert all(isinstance(o, OffsetMismatch) or o == offset + len(piece) for o in outcomes)
    await objects.finish("u1", len(CONTENT), SHA256)
    assert await kept(objects) == CONTENT


async def test_a_discarded_upload_leaves_nothing(objects: ObjectStore) -> None:
    """And discarding what is not there is no error."""
    await objects.append("u1", 0, b"x")
    await objects.discard("u1")
    await objects.discard("u1")
    assert await objects.received("u1") == 0


@pytest.mark.parametrize("name", ["../x", "", "a/b", "x" * 65])
async def test_a_name_that_is_none_never_reaches_the_disk(objects: ObjectStore, name: str) -> None:
    """Names come from ids and hashes only."""
    with pytest.raises(ValueError, match="is no"):
        await objects.append(name, 0, b"x")
    with pytest.raises(ValueError, match="is no"):
        await objects.local_path(name)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
async def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """No room: the refusal has its reason."""
    from liangfa_kit.errors import Exhausted

    objects = FolderStore(tmp_path)
    (tmp_path / "arriving" / "u1").symlink_to("/dev/full")
    with pytest.raises(Exhausted) as refusal:
        await objects.append("u1", 0, b"x" * 10)
    assert refusal.value.reason == "DISK_FULL"
