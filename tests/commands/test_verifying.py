"""``mcs verify`` from the command line, on exported logs: its words and its exit codes."""

import asyncio
import json
import pathlib

import msgspec
import pytest

from mcs import cli
from mcs.adapters.clock import SystemClock
from mcs.adapters.files_archive import open_archive
from mcs.ports import Stream
from mcs.services.exporting import export
from tests.building import World, deleted, node, proxy
from tests.stored import StoredLog


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            cli.main(["verify", *arguments])
        captured = capsys.readouterr()
        return end.value.code or 0, captured.out, captured.err

    return call


def world():
    made = World()
    made.join("c1", node("n1", cpu=300))
    made.join("c2", node("n1", cpu=500))
    made.proxies("c1", proxy("u1"), proxy("u2"))
    made.cycle()
    made.tick(1)
    made.proxies("c1", deleted("u1"))
    made.cycle()
    return made


def exported(log, folder):
    with open_archive(folder, SystemClock()) as archive:
        asyncio.run(export(log, archive))
        return str(folder), archive.manifest.token


def cut(log):
    """Without its last cycle, and the observation that led to it."""
    del log.streams[Stream.OBSERVATIONS][-1]
    del log.streams[Stream.DECISIONS][-1]
    return log


@pytest.fixture
def good(tmp_path):
    return exported(StoredLog.of(world()), tmp_path / "good")


def test_a_good_log_ends_in_0(run, good):
    folder, token = good

    code, text, _ = run("--log", folder, "--expect", token)

    assert code == 0
    assert "It holds the digest known outside." in text
    assert "Clean up to cycle 3" in text


def test_another_digest_ends_in_7(run, good):
    folder, token = good
    decision, _, rest = token.split(":", 2)

    code, text, _ = run("--log", folder, "--expect", f"{decision}:{'0' * 32}:{rest}")

    assert code == 7
    assert "is another than was known outside" in text


def test_a_log_that_is_shorter_than_its_digest_ends_in_7(run, good, tmp_path):
    shorter, _ = exported(cut(StoredLog.of(world())), tmp_path / "shorter")

    assert run("--log", shorter)[0] == 0
    code, text, _ = run("--log", shorter, "--expect", good[1])

    assert code == 7
    assert "its end was cut off" in text


def test_a_changed_fact_is_shown_with_the_events_that_led_there(run, tmp_path):
    log = StoredLog.of(world())
    messages = log.streams[Stream.OBSERVATIONS]
    changed = messages[-1].data.replace(b'"grace_s":30', b'"grace_s":31')
    assert changed != messages[-1].data
    messages[-1] = msgspec.structs.replace(messages[-1], data=changed)
    folder, _ = exported(log, tmp_path / "changed")

    code, text, _ = run("--log", folder)

    assert code == 7
    assert "one was removed, changed, swapped or added" in text
    assert "observed" in text
    led = text.partition("What led to it:")[2]
    assert "default/pod-u1" in led
    assert f"obs {len(messages)}" in led


def test_another_decision_is_shown_beside_the_one_that_follows(run, tmp_path):
    log = StoredLog.of(world())
    messages = log.streams[Stream.DECISIONS]
    stored = messages[-1]
    changed = stored.data.replace(b'"target":"c2"', b'"target":"c1"')
    assert changed != stored.data
    messages[-1] = msgspec.structs.replace(stored, data=changed)
    folder, _ = exported(log, tmp_path / "changed")

    code, text, _ = run("--log", folder, "--json")

    assert code == 7
    (found,) = json.loads(text)["differences"]
    assert found["flaw"] == "decision"
    assert {"path": "events[0].target", "expected": '"c2"', "found": '"c1"'} in found["fields"]
    assert any("default/pod-u1" in line for line in found["led"])


def test_trimmed_observations_end_in_8(run, tmp_path):
    log = StoredLog.of(world())
    log.trim(Stream.OBSERVATIONS, 5)
    folder, _ = exported(log, tmp_path / "trimmed")

    code, text, _ = run("--log", folder)

    assert code == 8
    assert "chain only" in text


def test_a_damaged_file_ends_in_4(run, good, tmp_path):
    folder, _ = good
    (segment,) = (tmp_path / "good").glob("decisions-*")
    segment.write_bytes(segment.read_bytes()[:-3])

    code, _, errors = run("--log", folder)

    assert code == 4
    assert "damaged" in errors


def with_manifest(folder, change):
    path = pathlib.Path(folder) / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_an_export_is_held_against_the_digest_in_its_manifest(run, good, tmp_path):
    folder, token = good

    _, text, _ = run("--log", folder)
    _, data, _ = run("--log", folder, "--json")

    assert "It holds the digest in its manifest." in text
    assert "--expect" in text
    assert json.loads(data)["expected"] == "manifest"

    shorter, _ = exported(cut(StoredLog.of(world())), tmp_path / "shorter")
    with_manifest(shorter, lambda manifest: manifest.update(token=token))
    code, text, _ = run("--log", shorter)

    assert code == 7
    assert "its end was cut off" in text


def test_a_manifest_whose_digest_is_none_is_damaged(run, good):
    with_manifest(good[0], lambda manifest: manifest.update(token="12:x"))

    code, _, errors = run("--log", good[0])

    assert code == 4
    assert "manifest.json is damaged" in errors


def test_no_digest_at_all_ends_in_2(run, good):
    code, _, errors = run("--log", good[0], "--expect", "12")

    assert code == 2
    assert "is no digest of a log" in errors


def test_no_log_ends_in_2(run, tmp_path):
    assert run("--log", str(tmp_path))[0] == 2
