"""Processes start when ready, say why they do not, and come back."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.processes import Process, StartFailed


@pytest.fixture
def process(tmp_path):
    marker = tmp_path / "ready"
    program = f"import time, pathlib; pathlib.Path({str(marker)!r}).touch(); time.sleep(600)"
    command = [sys.executable, "-c", program]
    made = Process("sleeper", command, log=tmp_path / "log", ready=marker.exists)
    yield made
    made.kill()


async def test_a_process_can_be_killed_and_started_again(process):
    await process.start()
    first = process.pid
    await process.start()
    assert process.pid == first
    process.kill()
    assert not process.running
    with pytest.raises(ProcessLookupError):
        assert process.pid
    await process.start()
    assert process.pid != first


async def test_a_paused_process_can_be_stopped(process):
    await process.start()
    process.pause()
    process.stop()
    assert not process.running


async def test_its_use_of_memory_and_cpu_can_be_read(process):
    await process.start()
    assert process.rss_bytes() > 1_000_000
    assert process.cpu_seconds() >= 0


async def test_a_process_that_ends_at_once_shows_its_log(tmp_path):
    command = [sys.executable, "-c", "import sys; sys.exit('the reason')"]
    process = Process("failing", command, log=tmp_path / "log", ready=lambda: False)
    with pytest.raises(StartFailed, match=r"ended with 1:\nthe reason"):
        await process.start()


async def test_a_process_that_is_never_ready_is_reported(tmp_path):
    process = Process(
        "silent",
        ["sleep", "600"],
        log=tmp_path / "log",
        ready=lambda: False,
        ready_timeout_s=0.1,
    )
    with pytest.raises(StartFailed, match=r"not ready within 0\.1 s"):
        await process.start()
    process.kill()


def test_nothing_is_left_when_the_interpreter_ends(tmp_path):
    program = """
import sys, pathlib
from tools.processes import Process
process = Process("x", ["sleep", "600"], log=pathlib.Path(sys.argv[1]), ready=lambda: True)
process.spawn()
print(process.pid)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "log")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    with pytest.raises(FileNotFoundError):
        Path(f"/proc/{int(answer.stdout)}/stat").read_text()
