"""What a bucket promises when several finish, fetch or meddle at once: nothing is kept or handed out that is not the file."""

from __future__ import annotations

import asyncio
import hashlib
import io
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from liangfa_kit.errors import PlatformError
from liangfa_kit.object_storage import BucketStore
from liangfa_kit.objects import ContentMismatch, OffsetMismatch
from liangfa_kit.settings import Objects

pytestmark = pytest.mark.asyncio
CONTENT = bytes(range(256)) * 4096
OTHER = CONTENT[::-1]
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def put(store: BucketStore, key: str, content: bytes) -> None:
    store._client.put_object(store._bucket, key, io.BytesIO(content), len(content))


async def test_what_one_process_has_checked_no_other_replaces(bucket: Objects) -> None:
    """Two processes finish one upload, a piece is overwritten between, one is killed: what is kept fits its hash."""
    first, second = BucketStore(bucket, "tests"), BucketStore(bucket, "tests")
    await second.append("u1", 0, CONTENT)
    name = first._client.copy_object
    second._drop = lambda _upload: None  # type: ignore[method-assign,assignment] # it is killed before that

    def meddled(*given: Any, **named: Any) -> Any:
        put(second, f"{second._arriving('u1')}{0:016d}-{len(CONTENT)}", OTHER)
        with pytest.raises(ContentMismatch):
            second._finish("u1", len(CONTENT), SHA256)
        return name(*given, **named)

    first._client.copy_object = meddled  # type: ignore[method-assign]
    await first.finish("u1", len(CONTENT), SHA256)
    kept = b"".join([piece async for piece in BucketStore(bucket, "tests").read(SHA256)])
    assert hashlib.sha256(kept).hexdigest() == SHA256


@pytest.mark.parametrize("held", ["copy_object", "put_object"])
async def test_two_processes_that_finish_one_upload_both_succeed(bucket: Objects, held: str) -> None:
    """The second ends, and drops the pieces, while the first has only read or checked them: the file is kept."""
    first, second = BucketStore(bucket, "tests"), BucketStore(bucket, "tests")
    await second.append("u1", 0, CONTENT)
    ask = getattr(first._client, held)

    def overtaken(*given: Any, **named: Any) -> Any:
        second._finish("u1", len(CONTENT), SHA256)
        return ask(*given, **named)

    setattr(first._client, held, overtaken)
    await first.finish("u1", len(CONTENT), SHA256)
    kept = b"".join([piece async for piece in second.read(SHA256)])
    assert hashlib.sha256(kept).hexdigest() == SHA256


async def test_an_upload_dropped_while_it_is_finished_is_sent_on_from_what_is_left(bucket: Objects) -> None:
    """The refusal says what to do, and nothing is kept."""
    first, second = BucketStore(bucket, "tests"), BucketStore(bucket, "tests")
    await second.append("u1", 0, CONTENT)
    ask = first._client.copy_object

    def dropped(*given: Any, **named: Any) -> Any:
        second._drop("u1")
        return ask(*given, **named)

    first._client.copy_object = dropped  # type: ignore[method-assign]
    with pytest.raises(OffsetMismatch) as refused:
        await first.finish("u1", len(CONTENT), SHA256)
    assert refused.value.metadata["expected"] == "0"
    assert second._size(second._place(SHA256)) is None


async def test_a_file_that_was_altered_in_the_store_is_told(bucket: Objects) -> None:
    """Somebody wrote to the bucket: whoever fetches the file learns that it is not the one that was kept."""
    objects = BucketStore(bucket, "tests")
    await objects.append("u1", 0, CONTENT)
    await objects.finish("u1", len(CONTENT), SHA256)
    put(objects, objects._place(SHA256), OTHER)
    with pytest.raises(PlatformError) as fetched:
        await objects.local_path(SHA256)
    assert fetched.value.reason == "FILE_CHANGED"
    assert fetched.value.message_zh
    assert fetched.value.remedy
    assert list(objects._copies.iterdir()) == []


async def test_readers_who_fetch_a_file_at_once_all_get_the_whole(bucket: Objects) -> None:
    """One fetch is finished while another has only begun: the path that was handed out holds the file from then on."""
    objects = BucketStore(bucket, "tests")
    await objects.append("u1", 0, CONTENT)
    await objects.finish("u1", len(CONTENT), SHA256)
    begun, go_on = threading.Event(), threading.Event()
    get = objects._client.get_object

    def slow_first(*given: Any, **named: Any) -> Any:
        response = get(*given, **named)
        if begun.is_set():
            return response
        begun.set()
        stream = response.stream

        def held(amt: int) -> Iterator[bytes]:
            assert go_on.wait(60)
            yield from stream(amt)

        response.stream = held  # type: ignore[method-assign,assignment]
        return response

    objects._client.get_object = slow_first  # type: ignore[method-assign]
    late = asyncio.create_task(objects.local_path(SHA256))
    assert await asyncio.to_thread(begun.wait, 60)
    path = await objects.local_path(SHA256)
    assert path.read_bytes() == CONTENT
    with path.open("rb") as reader:
        go_on.set()
        assert (await late).read_bytes() == CONTENT
        assert reader.read() == CONTENT
