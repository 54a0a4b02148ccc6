"""What a bucket adds to the contract of object stores: a store elsewhere that can be away, full of others, or wrongly named."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import socket
from pathlib import Path

import pytest

from liangfa_kit.errors import Unavailable
from liangfa_kit.object_storage import BucketStore, open_objects
from liangfa_kit.objects import FolderStore
from liangfa_kit.settings import Objects
from tests.servers.bucket.server import objects, start

pytestmark = pytest.mark.asyncio
CONTENT = b"evidence" * 500_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


async def keep(store: BucketStore, upload: str = "u1") -> None:
    end = 0
    while end < len(CONTENT):
        end = await store.append(upload, end, CONTENT[end : end + (1 << 20)])
    await store.finish(upload, len(CONTENT), SHA256)


async def read(store: BucketStore) -> bytes:
    return b"".join([piece async for piece in store.read(SHA256)])


async def test_an_upload_goes_on_in_another_process(bucket: Objects) -> None:
    """Nothing of it is in the memory of the first one."""
    first, second = BucketStore(bucket, "record"), BucketStore(bucket, "record")
    await first.append("u1", 0, CONTENT[:1000])
    assert await second.received("u1") == 1000
    await second.append("u1", 1000, CONTENT[1000:])
    await second.finish("u1", len(CONTENT), SHA256)
    assert await read(first) == CONTENT


async def test_services_and_platforms_do_not_meet_in_one_bucket(bucket: Objects) -> None:
    """A service sees its own files."""
    await keep(BucketStore(bucket, "record"))
    other = BucketStore(bucket, "transfer")
    with pytest.raises(Exception, match="not in the store"):
        await read(other)


async def test_nothing_of_an_upload_is_left_beside_the_file(bucket: Objects) -> None:
    """Pieces are gone when the file is kept, and when it was not what was announced."""
    store = BucketStore(bucket, "record")
    await keep(store)
    await store.append("u2", 0, b"other")
    with pytest.raises(Exception, match="SHA-256"):
        await store.finish("u2", 5, "0" * 64)
    names = [one.object_name for one in store._client.list_objects(store._bucket, prefix=store._root, recursive=True)]
    assert names == [f"{store._root}/kept/{SHA256[:2]}/{SHA256}"]


async def test_a_store_that_is_away_or_wrongly_named_is_told(bucket: Objects) -> None:
    """A refusal with its reason, in seconds; the round trip of readiness says the same."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    away = BucketStore(bucket.model_copy(update={"endpoint": nobody}), "record")
    wrong = BucketStore(bucket.model_copy(update={"bucket": "no-such-bucket"}), "record")
    for store in (away, wrong):
        with pytest.raises(Unavailable) as refused:
            await store.check()
        assert refused.value.reason == "OBJECTS_UNAVAILABLE"
        with pytest.raises(Unavailable):
            await store.append("u1", 0, b"x")


@pytest.mark.slow
async def test_an_upload_goes_on_after_the_store_was_killed(tmp_path: Path) -> None:
    """What was answered is there after a restart on the same data; the file is whole in the end."""
    server = await asyncio.to_thread(start, tmp_path)
    if not server.pid:
        pytest.skip("a server that others run is not killed")
    store = BucketStore(objects(server.address), "record")
    end = await store.append("u1", 0, CONTENT[: 1 << 20])
    await asyncio.to_thread(server.stop, signal.SIGKILL)
    with pytest.raises(Unavailable):
        await store.append("u1", end, CONTENT[end:])
    again = await asyncio.to_thread(start, tmp_path)
    try:
        store = BucketStore(objects(again.address), "record")
        assert await store.received("u1") == end
        await store.append("u1", end, CONTENT[end:])
        await store.finish("u1", len(CONTENT), SHA256)
        assert await read(store) == CONTENT
    finally:
        await asyncio.to_thread(again.stop)


async def test_without_an_endpoint_files_are_kept_in_the_folder(tmp_path: Path) -> None:
    """The embedded mode needs no store."""
    assert isinstance(open_objects(Objects(), "record", tmp_path), FolderStore)
    assert isinstance(open_objects(Objects(endpoint="127.0.0.1:1"), "record", tmp_path), BucketStore)
