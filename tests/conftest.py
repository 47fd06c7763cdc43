"""Lets a test be a coroutine, with asyncio's debug checks on; properties are given all the time
that a busy machine takes.
"""

import asyncio
import inspect

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("mcs", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mcs")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True
