"""Exports that are killed, repeated and disturbed: what is kept is whole, in order, and once."""

import asyncio
import json
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcs.adapters import files_archive
from mcs.adapters.clock import SystemClock
from mcs.adapters.files import open_folder
from mcs.adapters.files_archive import open_archive
from mcs.adapters.files_format import MANIFEST
from mcs.errors import BadSettings, LogLost
from mcs.events.frames import digest, running
from mcs.events.seals import Seal
from mcs.ports import Stream
from tests.adapters.exports import DEC, OBS, broker, export_of, fill, held, stored


def files_of(folder):
    return {path.name for path in folder.iterdir()}


def named(folder):
    streams = open_folder(folder).manifest.streams
    return {each.file for kept in streams.values() for each in kept.segments}


async def test_the_folder_holds_a_manifest_and_segments_only(tmp_path):
    made = broker(7, 2)
    await export_of(made, tmp_path)

    assert files_of(tmp_path) == {
        "manifest.json",
        "lock",
        "observations-000000000001-000000000003.jsonl.gz",
        "observations-000000000004-000000000006.jsonl.gz",
        "observations-000000000007-000000000007.jsonl.gz",
        "decisions-000000000001-000000000002.jsonl.gz",
    }


def test_everybody_can_read_it_with_plain_tools(tmp_path):
    made = broker(4, 0)
    asyncio.run(export_of(made, tmp_path, segment_messages=100))
    (segment,) = json.loads((tmp_path / MANIFEST).read_text())["streams"]["OBSERVATIONS"][
        "segments"
    ]

    text = subprocess.run(
        ["gzip", "-dc", tmp_path / segment["file"]], check=True, capture_output=True, text=True
    ).stdout
    summed = subprocess.run(
        ["sha256sum", tmp_path / segment["file"]], check=True, capture_output=True, text=True
    ).stdout

    assert [json.loads(line)["frame"]["number"] for line in text.splitlines()] == [1, 2, 3, 4]
    assert summed.split()[0] == segment["sha256"]


async def test_the_manifest_tells_sequences_times_and_digests(tmp_path):
    made = broker(7, 2)
    await export_of(made, tmp_path)

    manifest = open_folder(tmp_path).manifest
    for stream, kept in manifest.streams.items():
        messages = made.streams[stream].messages
        assert kept.identity == made.streams[stream].identity
        assert (kept.first, kept.last) == (1, len(messages))
        for segment in kept.segments:
            first, last = messages[segment.first - 1], messages[segment.last - 1]
            assert (segment.first_time_ns, segment.last_time_ns) == (first.time_ns, last.time_ns)
            assert segment.message == digest(last.subject, last.data)
    seen = ""
    for each in made.streams[OBS].messages:
        seen = running(seen, each.sequence, each.subject, each.time_ns, each.data)
    last = made.streams[DEC].messages[-1]
    assert manifest.streams[OBS].segments[-1].running == seen
    seal = Seal.parse(manifest.token)
    assert (seal.observed.sequence, seal.observed.digest) == (7, seen)
    assert (seal.decided.sequence, seal.decided.digest) == (2, digest(last.subject, last.data))


async def test_a_log_without_its_head_has_no_running_digest(tmp_path):
    made = broker(7, 2)
    made.trim(OBS, 4)
    await export_of(made, tmp_path)

    assert await held(tmp_path) == stored(made)
    assert Seal.parse(open_folder(tmp_path).manifest.token).observed.sequence == 0


async def test_an_empty_log_is_an_export_too(tmp_path):
    made = broker()
    await export_of(made, tmp_path)

    assert await held(tmp_path) == {OBS: [], DEC: []}


async def test_a_later_run_writes_only_what_is_new(tmp_path):
    made = broker(9, 3)
    await export_of(made, tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    fill(made, 2, 1)
    copied = await export_of(made, tmp_path)

    assert [each.messages for each in copied] == [2, 1]
    assert await held(tmp_path) == stored(made)
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert {name: after[name] for name in before if name not in (MANIFEST, "lock")} == {
        name: time for name, time in before.items() if name not in (MANIFEST, "lock")
    }


async def test_many_small_exports_do_not_make_many_files(tmp_path):
    made = broker()
    for _ in range(20):
        fill(made, 1, 1)
        await export_of(made, tmp_path, segment_messages=20)
        assert await held(tmp_path) == stored(made)

    assert len(named(tmp_path)) <= 4


async def test_a_reader_of_the_manifest_before_finds_its_files_after_one_more_run(tmp_path):
    made = broker(4, 1)
    await export_of(made, tmp_path, segment_messages=20)
    before, was = open_folder(tmp_path), stored(made)
    fill(made, 4, 1)
    await export_of(made, tmp_path, segment_messages=20)

    assert [await before.get(OBS, n) for n in range(1, 5)] == was[OBS]


async def test_nothing_new_writes_nothing(tmp_path):
    made = broker(9, 3)
    await export_of(made, tmp_path)
    before = (tmp_path / MANIFEST).read_bytes()
    await export_of(made, tmp_path)

    assert (tmp_path / MANIFEST).read_bytes() == before


async def test_segments_are_cut_by_bytes_too(tmp_path):
    made = broker(30)
    await export_of(made, tmp_path, segment_messages=1000, segment_bytes=500)

    sizes = [each.bytes for each in open_folder(tmp_path).manifest.streams[OBS].segments]
    assert len(sizes) > 3 and all(500 <= size < 700 for size in sizes[:-1])


class Killed(BaseException):
    """The process ended here."""


@pytest.mark.parametrize("half", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("at", range(14))
def test_killed_at_any_write_the_next_run_goes_on(tmp_path, monkeypatch, at, half):
    """Of the write at which it is killed, a part, or all, may be on disk, under the old name."""
    made = broker(8, 4)
    writes = iter(range(100))
    write = files_archive.FolderArchive._write

    def dying(self, name, data):
        if next(writes) == at:
            (self.folder / f"{name}.part").write_bytes(data[: int(len(data) * half)])
            raise Killed
        write(self, name, data)

    with monkeypatch.context() as patched:
        patched.setattr(files_archive.FolderArchive, "_write", dying)
        try:
            asyncio.run(export_of(made, tmp_path))
        except Killed:
            died = True
        else:
            died = False
    # One manifest at the beginning; five segments, and a manifest after each.
    assert died == (at < 11)
    if (tmp_path / MANIFEST).exists():
        found = asyncio.run(held(tmp_path))
        for stream in Stream:
            assert found[stream] == made.streams[stream].messages[: len(found[stream])]
        assert not found[DEC] or len(found[OBS]) == 8
    fill(made, 1, 1)
    asyncio.run(export_of(made, tmp_path))

    assert asyncio.run(held(tmp_path)) == stored(made)
    assert files_of(tmp_path) - {MANIFEST, "lock"} >= named(tmp_path)
    asyncio.run(export_of(made, tmp_path))
    assert files_of(tmp_path) == named(tmp_path) | {MANIFEST, "lock"}


@settings(deadline=None, max_examples=25)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=6
    ),
    segment_messages=st.integers(1, 8),
)
def test_any_runs_of_any_lengths_killed_anywhere_keep_all_once(
    tmp_path_factory, steps, segment_messages
):
    folder = tmp_path_factory.mktemp("export")
    made = broker()
    write = files_archive.FolderArchive._write
    for observations, decisions, kill_at in steps:
        fill(made, observations, decisions)
        writes = iter(range(10**6))

        def dying(self, name, data, writes=writes, kill_at=kill_at):
            if next(writes) == kill_at:
                raise Killed
            write(self, name, data)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(files_archive.FolderArchive, "_write", dying)
            try:
                asyncio.run(export_of(made, folder, segment_messages=segment_messages))
            except Killed:
                continue
        assert asyncio.run(held(folder)) == stored(made)
    asyncio.run(export_of(made, folder, segment_messages=segment_messages))
    assert asyncio.run(held(folder)) == stored(made)


async def test_only_one_export_writes_at_a_time(tmp_path):
    with (
        open_archive(tmp_path, SystemClock()),
        pytest.raises(BadSettings, match="another export is writing"),
        open_archive(tmp_path, SystemClock()),
    ):
        pass


async def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(BadSettings, match=r"thesis\.txt"):
        await export_of(broker(3), tmp_path)
    assert files_of(tmp_path) == {"thesis.txt"}


async def test_segments_without_their_manifest_are_left_alone(tmp_path):
    await export_of(broker(3), tmp_path)
    (tmp_path / MANIFEST).unlink()
    before = files_of(tmp_path)

    with pytest.raises(BadSettings, match=r"no manifest\.json"):
        await export_of(broker(3), tmp_path)
    assert files_of(tmp_path) == before


async def test_what_others_put_beside_the_export_stays(tmp_path):
    made = broker(3)
    await export_of(made, tmp_path)
    (tmp_path / "README.part").write_text("mine")
    fill(made, 1)
    await export_of(made, tmp_path)

    assert (tmp_path / "README.part").read_text() == "mine"


async def test_a_folder_that_cannot_be_made_is_the_users_to_mend(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(BadSettings, match="cannot write"):
        await export_of(broker(3), tmp_path / "file" / "export")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-5]), "bytes of"),
    ],
)
async def test_nothing_is_added_to_an_export_that_is_not_whole(tmp_path, damage, words):
    made = broker(9)
    await export_of(made, tmp_path)
    first = open_folder(tmp_path).manifest.streams[OBS].segments[0]
    damage(tmp_path / first.file)
    before = files_of(tmp_path)
    fill(made, 9)

    with pytest.raises(LogLost, match=f"{first.file} .*{words}"):
        await export_of(made, tmp_path)
    assert files_of(tmp_path) == before


async def test_a_damaged_last_segment_is_not_built_upon(tmp_path):
    made = broker(4)
    await export_of(made, tmp_path, segment_messages=100)
    (name,) = named(tmp_path)
    (tmp_path / name).write_bytes(bytes((tmp_path / name).stat().st_size))
    fill(made, 1)

    with pytest.raises(LogLost, match=name):
        await export_of(made, tmp_path, segment_messages=100)


async def test_a_copy_of_the_folder_is_as_good(tmp_path):
    made = broker(4, 2)
    await export_of(made, tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")

    assert await held(tmp_path / "b") == stored(made)
