"""An exported log as it is read: nothing is taken for whole that is not."""

import asyncio
import gzip

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcs.adapters import files
from mcs.adapters.files import open_folder, read_segment
from mcs.adapters.files_format import MANIFEST, sha256
from mcs.errors import BadSettings, LogLost, Unavailable
from tests.adapters.exports import DEC, OBS, all_of, broker, export_of, held, stored


async def exported(folder, observations=10, decisions=4):
    made = broker(observations, decisions)
    await export_of(made, folder)
    return made


async def test_what_was_exported_is_read(tmp_path):
    made = await exported(tmp_path)

    assert await held(tmp_path) == stored(made)


async def test_a_folder_without_an_export_says_how_to_make_one(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BadSettings, match=f"mcs export {folder}"):
            open_folder(folder)


async def test_nothing_can_be_appended_and_the_error_says_where_to(tmp_path):
    await exported(tmp_path)

    with pytest.raises(Unavailable, match="--nats"):
        await open_folder(tmp_path).append([("mcs.obs.c1.cluster", b"")])


async def test_who_waits_for_more_without_end_is_told_that_nothing_comes(tmp_path):
    await exported(tmp_path)
    reader = await open_folder(tmp_path).read(OBS, after=10)

    with pytest.raises(LogLost, match="to which nothing comes"):
        await reader.next()


async def test_who_waits_a_while_is_woken_by_a_close(tmp_path):
    await exported(tmp_path)
    log = open_folder(tmp_path)
    reader = await log.read(OBS, after=10)
    waiting = asyncio.create_task(reader.next(timeout_s=60))
    for _ in range(3):
        await asyncio.sleep(0)
    await reader.close()

    with pytest.raises(Unavailable):
        await waiting
    await log.close()
    with pytest.raises(Unavailable):
        await log.get(OBS, 1)


async def test_only_a_few_segments_are_in_memory(tmp_path):
    await exported(tmp_path, observations=60)
    log = open_folder(tmp_path)

    assert len(await all_of(log, OBS)) == 60
    assert len(log._cache) <= files._CACHED < len(log.manifest.streams[OBS].segments)


async def test_segments_are_read_only_when_they_are_needed(tmp_path):
    await exported(tmp_path)
    segments = open_folder(tmp_path).manifest.streams[OBS].segments
    for segment in segments[:-1]:
        (tmp_path / segment.file).unlink()
    log = open_folder(tmp_path)

    assert (await log.get(OBS, 10)).sequence == 10
    assert (await log.last(OBS, "mcs.obs.>")).sequence == 10
    with pytest.raises(LogLost, match=segments[0].file):
        await log.get(OBS, 1)


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "changed": lambda path: path.write_bytes(
        gzip.compress(gzip.decompress(path.read_bytes()).replace(b"5", b"6"))
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_segment_is_found_out_and_named(tmp_path, damage):
    await exported(tmp_path)
    log = open_folder(tmp_path)
    second = log.manifest.streams[OBS].segments[1]
    DAMAGES[damage](tmp_path / second.file)
    reader = await log.read(OBS)

    assert len(await reader.next()) == 3
    for ask in (reader.next, lambda: log.get(OBS, 4)):
        with pytest.raises(LogLost, match=second.file):
            await ask()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An export of one segment."""
    folder = tmp_path_factory.mktemp("export")
    asyncio.run(exported(folder, 3, 0))
    return folder


@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_no_changed_byte_goes_unnoticed(whole, at, flip):
    segment = open_folder(whole).manifest.streams[OBS].segments[0]
    path = whole / segment.file
    content = path.read_bytes()
    changed = bytearray(content)
    changed[at % len(content)] ^= flip
    path.write_bytes(changed)
    try:
        with pytest.raises(LogLost, match=segment.file):
            read_segment(whole, segment)
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize(
    "content", [b"not gzip", gzip.compress(b"no lines"), gzip.compress(b""), b"\x1f\x8b\x08\0"]
)
async def test_a_manifest_that_agrees_with_rubbish_helps_nobody(tmp_path, content):
    await exported(tmp_path)
    segment = open_folder(tmp_path).manifest.streams[DEC].segments[0]
    (tmp_path / segment.file).write_bytes(content)
    lying = msgspec.structs.replace(segment, sha256=sha256(content), size=len(content))

    with pytest.raises(LogLost, match=segment.file):
        read_segment(tmp_path, lying)


async def test_swapped_segments_are_found_out(tmp_path):
    await exported(tmp_path)
    first, second = open_folder(tmp_path).manifest.streams[OBS].segments[:2]
    lying = msgspec.structs.replace(first, file=second.file, sha256=second.sha256, size=second.size)

    with pytest.raises(LogLost, match="does not hold messages 1 to 3"):
        read_segment(tmp_path, lying)


async def test_a_manifest_without_a_stream_says_what_to_do(tmp_path):
    await exported(tmp_path)
    manifest = open_folder(tmp_path).manifest
    del manifest.streams[DEC]
    (tmp_path / MANIFEST).write_bytes(msgspec.json.encode(manifest))

    with pytest.raises(LogLost, match="run it again"):
        await open_folder(tmp_path).info(DEC)
