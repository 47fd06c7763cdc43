"""Which of several schedulers is active, by what they write to their logs."""

import re

from tests.chaos.supervision import TRACEBACK

_ACTIVE = re.compile(r"active: reign (\d+)")


def reign_of(scheduler):
    """The newest reign of this process; 0: it never was active."""
    reigns = _ACTIVE.findall(scheduler.log.read_text(errors="replace"))
    return int(reigns[-1]) if reigns else 0


def active(federation):
    """The scheduler that took over last."""
    return max((each for each in federation.schedulers if each.running), key=reign_of)


def other(federation, scheduler):
    """One that is not that one."""
    return next(each for each in federation.schedulers if each is not scheduler)


async def successor(federation, reign):
    """Wait until somebody reigns after that reign; who."""
    await federation.wait("a take-over", lambda: reign_of(active(federation)) > reign)
    return active(federation)


def crashed(processes):
    """The logs of processes that ended in a way nobody meant."""
    texts = {each.name: each.log.read_text(errors="replace") for each in processes}
    return [name for name, text in texts.items() if TRACEBACK.search(text)]
