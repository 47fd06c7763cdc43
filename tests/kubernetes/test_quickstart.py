"""The quickstart's commands work, one after another, as a new user types them.

Two real control planes stand for the kind clusters. What cannot run here says why in a comment.
"""

import asyncio
import os
import re
import shlex
import signal
import sys
import time
from pathlib import Path

import pytest
import yaml

from tools import parts
from tools.controlplane import ControlPlane
from tools.free_ports import reserve_port
from tools.nats import NatsServer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "quickstart.md").read_text()
BLOCK = re.compile(
    r"(?:^<!-- (?P<note>[^\n]+) -->\n)?^```console\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
AFTERWARDS = "run at the end: "
BACKGROUND = "in the background"
UNTIL = "until it says: "
NOT_RUN = "not run here: "
SOON_S = 180.0


def blocks():
    """(note, commands) of each block, in order."""
    for found in BLOCK.finditer(PAGE):
        lines = re.split(r"(?<!\\)\n", found["text"])  # a backslash continues a line
        yield found["note"] or "", [line[2:] for line in lines if line.startswith("$ ")]


def test_every_block_of_the_quickstart_has_commands_and_a_note_we_know():
    assert list(blocks())
    for note, commands in blocks():
        assert commands
        assert note in {"", BACKGROUND} or note.startswith((UNTIL, AFTERWARDS, NOT_RUN)), note
        assert not note.startswith(UNTIL) or len(commands) == 1


class Shell:
    """A user's terminal: exports last, what runs in the background is stopped at the end."""

    def __init__(self, folder, environment, written):
        self.folder, self.environment, self.written = folder, dict(environment), written
        self.background = []

    def as_here(self, command):
        """The command with this test's addresses in the place of those written."""
        for theirs, ours in self.written.items():
            command = command.replace(theirs, ours)
        return command

    async def run(self, command):
        """Exit code and output. An export is kept for the commands after it."""
        command = self.as_here(command)
        if export := re.fullmatch(r"export (\w+)=(\S+)", command):
            self.environment[export[1]] = export[2]
            return 0, ""
        child = await asyncio.create_subprocess_shell(
            command,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await child.communicate()
        return child.returncode, output.decode()

    async def start(self, command):
        log = self.folder / f"background-{len(self.background)}.log"
        with log.open("wb") as file:
            child = await asyncio.create_subprocess_shell(
                "exec " + self.as_here(command),
                env=self.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=asyncio.subprocess.STDOUT,
            )
        self.background.append((command, child, log))

    async def stop(self):
        """Ctrl-C, as the page says; returns the exit codes."""
        for _, child, _ in self.background:
            if child.returncode is None:
                child.send_signal(signal.SIGINT)
        return [await asyncio.wait_for(child.wait(), 30) for _, child, _ in self.background]

    def told(self):
        return "\n".join(f"--- {command}\n{log.read_text()}" for command, _, log in self.background)


def kubeconfig(planes, file):
    """One kubeconfig with a context for each cluster, named as kind names it."""
    merged = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
    for name, plane in planes.items():
        theirs = yaml.safe_load(plane.kubeconfig.read_text())
        ours = f"kind-{name}"
        merged["clusters"].append({"name": ours, "cluster": theirs["clusters"][0]["cluster"]})
        merged["users"].append({"name": ours, "user": theirs["users"][0]["user"]})
        merged["contexts"].append({"name": ours, "context": {"cluster": ours, "user": ours}})
    file.write_text(yaml.safe_dump(merged))
    return file


def terminal(folder, planes, nats, ports):
    programs = folder / "bin"
    programs.mkdir()
    (programs / "kubectl").symlink_to(parts.locate("kubernetes")["kubectl"])
    mcs = programs / "mcs"
    mcs.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m mcs "$@"\n')
    mcs.chmod(0o755)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "KUBECONFIG": str(kubeconfig(planes, folder / "kubeconfig")),
        "HOST": "127.0.0.1",
        "NATS": nats.url,
    }
    written = {
        "nats://127.0.0.1:4222": nats.url,
        **{theirs: str(port.port) for theirs, port in ports.items()},
    }
    return Shell(folder, environment, written)


async def follow(shell):
    """The page from its beginning to its end."""
    for note, commands in blocks():
        if note.startswith((NOT_RUN, AFTERWARDS)):
            continue
        for command in commands:
            if note == BACKGROUND:
                await shell.start(command)
            else:
                await perform(shell, command, note.removeprefix(UNTIL))


async def follow_the_rest(shell):
    """The other way to the same."""
    for note, commands in blocks():
        if note.startswith(AFTERWARDS):
            for command in commands:
                await perform(shell, command, "")


async def perform(shell, command, wanted):
    """Run a command; one with something to say, until it has said it."""
    deadline = time.monotonic() + SOON_S
    while True:
        code, output = await shell.run(command)
        if code == 0 and wanted in output:
            return
        assert wanted, f"$ {command}\n{output}\n{shell.told()}"
        assert time.monotonic() < deadline, f"$ {command}\n{output}\n{shell.told()}"
        await asyncio.sleep(0.2)


@pytest.mark.kubernetes
async def test_the_quickstart_works_as_written(tmp_path):
    ports = {written: reserve_port() for written in ("9441", "9442")}
    try:
        async with (
            NatsServer(tmp_path / "nats") as nats,
            ControlPlane("c1") as c1,
            ControlPlane("c2") as c2,
        ):
            await asyncio.gather(c1.add_nodes(1), c2.add_nodes(1))
            shell = terminal(tmp_path, {"c1": c1, "c2": c2}, nats, ports)
            try:
                await follow(shell)
            finally:
                codes = await shell.stop()

            assert codes == [0] * len(codes), shell.told()
            await follow_the_rest(shell)
    finally:
        for lease in ports.values():
            lease.release()
