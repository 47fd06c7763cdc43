"""``mcs export`` and ``--log``: what a person types, sees, and is refused."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time

import pytest

from mcs import cli
from mcs.adapters.files import open_folder
from mcs.adapters.jetstream import connect
from mcs.adapters.nats_server import embedded_server
from mcs.adapters.streams import apply_streams
from mcs.ports import Stream
from tests.building import World, node, proxy

pytestmark = pytest.mark.live
READING = [
    ["status"],
    ["log"],
    ["why", "default/pod-u2"],
    ["history", "default/pod-u2"],
    ["replay"],
    ["verify"],
]
UNREACHABLE = "nats://127.0.0.1:1"


@pytest.fixture
def run(capsys):
    """Run a command line; its exit code, output and errors."""

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            cli.main([str(each) for each in arguments])
        captured = capsys.readouterr()
        return end.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory, loop):
    """A server with a small log."""
    world = World()
    world.join("c1", node("n1", cpu=300))
    world.join("c2", node("n1", cpu=100))
    world.proxies("c1", proxy("u1"), proxy("u2"))
    world.cycle()
    world.heartbeat("c1")
    messages = [(subject, data) for _, subject, _, data in world.observations]
    messages += [(subject, data) for _, subject, data, _ in world.decisions]
    with serving(tmp_path_factory.mktemp("nats"), loop) as url:
        loop.run_until_complete(append(url, *messages))
        yield url


@contextlib.contextmanager
def serving(store, loop):
    """The URL of a server of its own."""
    server = embedded_server(store)
    yield loop.run_until_complete(server.__aenter__()).url
    loop.run_until_complete(server.__aexit__(None, None, None))


async def append(url, *messages):
    log = await connect(url)
    await apply_streams(log)
    for each in messages:
        await log.append([each])
    await log.close()


@pytest.fixture
def folder(run, url, tmp_path):
    """An export of it."""
    code, _, error = run("export", tmp_path / "log", "--nats", url)
    assert (code, error) == (0, "")
    return tmp_path / "log"


def test_an_export_tells_what_it_holds_and_its_digest(run, url, folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    code, text, _ = run("export", folder, "--nats", url)

    assert code == 0
    first, last = (manifest["streams"]["OBSERVATIONS"][word] for word in ("first", "last"))
    assert f"OBSERVATIONS  {first} to {last}, 0 new" in text
    assert "in 2 segments" in text
    assert f"Digest {manifest['token']}" in text
    assert manifest["token"] in run("status", "--nats", url)[1]


def test_later_only_what_is_new_is_added(run, url, loop, folder):
    last = json.loads((folder / "manifest.json").read_text())["streams"][Stream.OBSERVATIONS][
        "last"
    ]
    loop.run_until_complete(append(url, ("mcs.obs._clock", b"{}")))
    code, text, _ = run("export", folder, "--nats", url)

    assert code == 0
    assert f"OBSERVATIONS  1 to {last + 1}, 1 new" in text


@pytest.mark.parametrize(
    "command",
    [
        ["log", "--all"],
        ["log", "--json"],
        ["log", "--pod", "default/pod-u2"],
        ["why", "default/pod-u2", "--at", "dec:2"],
        ["replay", "--at", "obs:5"],
        ["replay", "--at", "dec:2", "--json"],
    ],
)
def test_reading_commands_tell_of_an_export_what_they_tell_of_nats(run, url, folder, command):
    assert run(*command, "--log", folder) == run(*command, "--nats", url)


def test_the_variable_chooses_the_folder_too(run, folder, monkeypatch):
    expected = run("log", "--log", folder)
    monkeypatch.setenv("MCS_LOG", str(folder))

    assert run("log") == expected


def test_what_is_typed_counts_more_than_a_variable(run, url, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MCS_LOG", str(tmp_path / "nothing"))
    monkeypatch.setenv("MCS_NATS", UNREACHABLE)

    assert run("log", "--nats", url)[0] == 0
    assert run("log", "--log", folder)[0] == 0
    monkeypatch.setenv("MCS_LOG", str(folder))
    assert run("log")[0] == 0


def test_the_status_of_an_export_is_as_of_its_newest_message(run, folder):
    streams = json.loads((folder / "manifest.json").read_text())["streams"]
    newest_ns = max(each["segments"][-1]["last_time_ns"] for each in streams.values())
    code, text, _ = run("status", "--log", folder)
    view = json.loads(run("status", "--json", "--log", folder)[1])

    assert code == 0
    assert "Exported log" in text and "ages are counted to then" in text
    assert view["scheduler"]["silent_s"] == pytest.approx(
        (newest_ns - streams["DECISIONS"]["segments"][-1]["last_time_ns"]) / 1e9, abs=1e-3
    )
    assert run("status", "--log", folder)[1] == text


def test_since_counts_back_from_the_end_of_an_export(run, folder):
    assert run("log", "--all", "--since", "1d", "--log", folder) == run(
        "log", "--all", "--log", folder
    )
    streams = json.loads((folder / "manifest.json").read_text())["streams"].values()
    last, first = (
        choose(each["segments"][0][f"{word}_time_ns"] for each in streams)
        for choose, word in ((max, "last"), (min, "first"))
    )
    _, text, _ = run("log", "--json", "--since", f"{(last - first) / 2e9:.9f}s", "--log", folder)
    lines = [json.loads(line) for line in text.splitlines()]
    assert 0 < len(lines) < len(run("log", "--json", "--log", folder)[1].splitlines())


def test_an_export_cannot_be_followed(run, folder):
    code, _, error = run("log", "--follow", "--log", folder)

    assert code == 2
    assert "--follow" in error and "nothing comes" in error


def test_an_export_of_an_export_is_the_same(run, folder, tmp_path):
    assert run("export", tmp_path / "copy", "--log", folder)[0] == 0
    assert run("log", "--all", "--log", tmp_path / "copy") == run("log", "--all", "--log", folder)


def test_killed_and_run_again_until_it_is_done_nothing_is_lost_or_doubled(run, loop, tmp_path):
    """A real process, and SIGKILL, each time when one file more is there than the last time."""
    messages = [(f"mcs.dec.c{number % 9}.s", b"%5d" % number * 200) for number in range(15_000)]
    folder, killed = tmp_path / "log", 0

    async def fill():
        await append(url)
        log = await connect(url)
        for at in range(0, len(messages), 500):
            await log.append(messages[at : at + 500])
        await log.close()

    async def decisions():
        log, found = open_folder(folder), []
        reader = await log.read(Stream.DECISIONS)
        while len(found) < len(messages):
            found += await reader.next()
        return found

    with serving(tmp_path / "nats", loop) as url:
        loop.run_until_complete(fill())
        for files in range(2, 6):
            command = [sys.executable, "-m", "mcs", "export", str(folder), "--nats", url]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
                deadline = time.monotonic() + 60
                while child.poll() is None and len(list(folder.glob("*"))) < files:
                    assert time.monotonic() < deadline
                killed += child.poll() is None
                child.kill()
        assert killed > 1
        assert run("export", folder, "--nats", url)[0] == 0
    found = loop.run_until_complete(decisions())
    assert [(each.subject, each.data) for each in found] == messages
    assert [each.sequence for each in found] == list(range(1, len(messages) + 1))


@pytest.mark.parametrize("command", READING)
def test_what_is_no_export_says_so(run, tmp_path, command):
    code, _, error = run(*command, "--log", tmp_path)

    assert code == 2
    assert f"mcs export {tmp_path}" in error


@pytest.mark.parametrize("command", READING)
def test_a_damaged_export_names_the_file(run, folder, command):
    segment = next(folder.glob("decisions-*"))
    segment.write_bytes(segment.read_bytes()[:-20])
    code, _, error = run(*command, "--log", folder)

    assert code == 4
    assert str(segment) in error and "damaged" in error


def test_refusals_have_codes_for_scripts(run, url, folder, tmp_path):
    (tmp_path / "thesis.txt").write_text("")

    assert run("export", tmp_path, "--nats", url)[0] == 2
    assert run("export", tmp_path / "new", "--nats", UNREACHABLE)[0] == 3
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["streams"]["DECISIONS"]["identity"] = "another"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    code, _, error = run("export", folder, "--nats", url)
    assert code == 4
    assert "another log" in error
