"""What an export refuses, and that it changes nothing then; progress; how both streams fit."""

import msgspec
import pytest

from mcs.adapters.clock import SystemClock
from mcs.adapters.files import open_folder
from mcs.adapters.files_archive import open_archive
from mcs.adapters.files_format import MANIFEST
from mcs.errors import LogLost, Unavailable
from mcs.names import Keys
from mcs.projections.state import State
from mcs.services.exporting import export
from mcs.services.reading import Ends, fold
from mcs.services.verifying import verify
from tests.adapters.exports import DEC, OBS, broker, export_of, fill, held, stored
from tests.building import World, node, proxy
from tests.stored import StoredLog


async def refused(made, folder):
    """Why an export is refused; the folder is as it was."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(LogLost) as error:
        await export_of(made, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert str(folder) in str(error.value)
    return str(error.value)


async def test_a_folder_with_another_logs_export_is_refused(tmp_path):
    await export_of(broker(3, 3), tmp_path)

    why = await refused(broker(9, 9, identity="other"), tmp_path)
    assert "another log" in why and "test-observations" in why and "other-observations" in why


async def test_a_log_that_is_shorter_now_is_refused_and_the_loss_told(tmp_path):
    made = broker(9, 9)
    await export_of(made, tmp_path)
    made.lose_tail(OBS, 7)

    why = await refused(made, tmp_path)
    assert "OBSERVATIONS ends at 7" in why and "messages 8 to 9 (the newest of 20" in why


async def test_a_log_that_grew_again_after_a_loss_is_refused(tmp_path):
    made = broker(9, 9)
    await export_of(made, tmp_path)
    made.lose_tail(DEC, 4)
    made.store([("mcs.dec.c1.c1", b"another history") for _ in range(6)])

    why = await refused(made, tmp_path)
    assert "DECISIONS is not what was exported" in why
    assert "message 6 differs, and maybe others after 3" in why


async def test_a_trim_beyond_the_export_is_refused(tmp_path):
    made = broker(9)
    await export_of(made, tmp_path)
    fill(made, 5)
    made.trim(OBS, 12)

    assert "messages 10 to 11 were trimmed" in await refused(made, tmp_path)


async def test_a_trim_of_what_is_exported_is_no_loss(tmp_path):
    made = broker(9, 1)
    await export_of(made, tmp_path)
    whole = stored(made)[OBS]
    made.trim(OBS, 8)
    fill(made, 2)
    await export_of(made, tmp_path)
    assert (await held(tmp_path))[OBS] == whole + stored(made)[OBS][-2:]

    made.trim(OBS, 12)
    await export_of(made, tmp_path)
    assert len((await held(tmp_path))[OBS]) == 11


async def test_an_unreachable_log_leaves_what_was_copied(tmp_path):
    made = broker(9, 2)
    log = made.connect()
    with open_archive(tmp_path, SystemClock(), segment_messages=3) as archive:

        def cut(copied):
            fill(made, 1)
            log.closed = True
            for reader in log.readers:
                reader.fail(Unavailable("gone"))
            log.cut()

        with pytest.raises(Unavailable):
            await export(log, archive, cut)
    assert len((await held(tmp_path))[OBS]) == 9
    await export_of(made, tmp_path)
    assert await held(tmp_path) == stored(made)


async def test_progress_is_told_and_what_was_copied(tmp_path):
    made = broker(2500, 3)
    told = []
    log = made.connect()
    with open_archive(tmp_path, SystemClock()) as archive:
        copied = await export(log, archive, told.append)

    steps = [(each.stream, each.messages, each.total, each.last) for each in told]
    assert steps == [
        (OBS, 1000, 2500, 1000),
        (OBS, 2000, 2500, 2000),
        (OBS, 2500, 2500, 2500),
        (DEC, 3, 3, 3),
    ]
    assert [each.bytes for each in copied] == [
        sum(len(each.data) for each in made.streams[stream].messages) for stream in (OBS, DEC)
    ]


async def test_what_comes_while_it_copies_is_for_the_next_run(tmp_path):
    made = broker(5, 3)
    log = made.connect()
    with open_archive(tmp_path, SystemClock()) as archive:
        await export(log, archive, lambda _: fill(made, 3, 3))
        assert [archive.archived(stream).info.last for stream in (OBS, DEC)] == [5, 3]
    await export_of(made, tmp_path)
    assert await held(tmp_path) == stored(made)


class Growing(StoredLog):
    """A log whose last decision is stored just after its end was asked for the first time."""

    asked = False

    async def info(self, stream):
        found = await super().info(stream)
        if stream is DEC and not self.asked:
            self.asked = True
            return msgspec.structs.replace(found, last=found.last - 1)
        return found


async def test_a_decision_that_an_exported_heartbeat_names_is_exported_too(tmp_path):
    world = World()
    world.join("c1", node("n1", cpu=300))
    world.mark()
    world.heartbeat("c1", decision=world.state.decided)
    with open_archive(tmp_path, SystemClock()) as archive:
        await export(Growing.of(world), archive)

    found = await verify(open_folder(tmp_path), Keys(), now_s=0)

    assert found.clean, found.differences


async def test_a_state_folded_from_an_export_is_the_live_one(tmp_path):
    world = World()
    world.join("c1", node("n1", cpu=300))
    world.proxies("c1", proxy("u1"), proxy("u2"))
    world.cycle()
    made = broker()
    for _, subject, _, data in world.observations:
        made.store([(subject, data)])
    for _, subject, data, _ in world.decisions:
        made.store([(subject, data)])
    await export_of(made, tmp_path)
    live, read = State(), State()
    log = made.connect()
    await fold(log, live, await Ends.of(log))
    folder = open_folder(tmp_path)
    await fold(folder, read, await Ends.of(folder))

    assert read.digest() == live.digest()
    assert (tmp_path / MANIFEST).exists()
