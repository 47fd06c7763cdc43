"""A process stops in good order at the first signal, at once at the second, and logs lines."""

import asyncio
import gc
import json
import logging
import os
import signal
import subprocess
import sys
import weakref

import pytest

from mcs.adapters.process import configure_logging, keep_what_is_there, run_until_signalled

STUBBORN = """
import asyncio
from mcs.adapters.process import run_until_signalled
async def main(stop):
    print("up", flush=True)
    await stop.wait()
    print("stopping", flush=True)
    await asyncio.sleep(60)
asyncio.run(run_until_signalled(main))
"""


@pytest.fixture
def restored():
    root = logging.getLogger()
    handlers, level, ours = root.handlers[:], root.level, logging.getLogger("mcs").level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("mcs").setLevel(ours)


def test_the_collector_passes_over_what_was_there_and_takes_what_comes_later():
    class Ring:
        pass

    there = Ring()
    there.itself = there
    try:
        keep_what_is_there()
        assert not any(each is there for each in gc.get_objects())
        later = Ring()
        later.itself = later
        gone = weakref.ref(later)
        del later
        gc.collect()
        assert gone() is None
    finally:
        gc.unfreeze()


async def test_the_first_signal_asks_to_stop():
    said = []

    async def main(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        said.append("goodbye")

    await asyncio.wait_for(run_until_signalled(main), 30)

    assert said == ["goodbye"]


def test_the_second_signal_ends_at_once():
    child = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "up\n"
        child.send_signal(signal.SIGTERM)
        assert child.stdout.readline() == "stopping\n"
        child.send_signal(signal.SIGTERM)

        assert child.wait(30) == 128 + signal.SIGTERM
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_a_plain_line_has_time_level_and_cluster(restored, capsys):
    configure_logging(form="plain", level="info", cluster="c1")
    logging.getLogger("mcs.services.publisher").warning("append %s", "failed")
    logging.getLogger("mcs.x").debug("too much")
    logging.getLogger("other").info("not ours")

    (line,) = capsys.readouterr().err.splitlines()
    assert line[12:] == " WARNING c1 publisher: append failed"


def test_json_lines_hold_tracebacks(restored, capsys):
    configure_logging(form="json", level="debug", cluster="c1")
    try:
        raise ValueError("oh")
    except ValueError:
        logging.getLogger("mcs.x").exception("it broke")

    found = json.loads(capsys.readouterr().err)
    assert (found["level"], found["cluster"], found["message"]) == ("error", "c1", "it broke")
    assert "ValueError: oh" in found["error"]
