"""Lets a test be a coroutine, with asyncio's debug checks on; properties are given all the time
that a busy machine takes.

What the processes of a federation said last is shown with a test that fails.

A connection that a test leaves open fails that test, by name: Python would warn of it when it next
collects garbage, which is in the middle of some other test.
"""

import asyncio
import gc
import inspect
import selectors
import socket

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("mcs", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mcs")

CLOSING_S = 5.0  # for what was closed to be gone, on a busy machine


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    selector = selectors.DefaultSelector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        runner.get_loop()  # makes it
        own = set(selector.get_map())  # by which the loop wakes itself
        runner.run(pyfuncitem.obj(**arguments))
        left = runner.run(still_open(selector, own))
    assert not left, f"the test left these open: {left}"
    return True


def pytest_runtest_teardown(item):
    """What a test may leave to the garbage collector is collected while that is still excused."""
    if any("Unraisable" in mark.args[0] for mark in item.iter_markers("filterwarnings")):
        gc.collect()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed and call.when == "call":
        for name, value in item.funcargs.items():
            if hasattr(value, "tails"):
                report.sections.append((f"what the processes of {name} said last", value.tails()))
    return report


async def still_open(selector, own):
    loop = asyncio.get_running_loop()
    deadline = loop.time() + CLOSING_S
    while (left := set(selector.get_map()) - own) and loop.time() < deadline:
        await asyncio.sleep(0.01)
    return [described(each) for each in left]


def described(number):
    try:
        found = socket.socket(fileno=socket.dup(number))
    except OSError:
        return f"file {number}"
    with found:
        return str(found)
