"""The log as the scheduler understands it, folded beside it and checked at every cycle.

A ``Picture`` reads both streams in the order of history. At each cycle the digest of its state must
be the one that the scheduler wrote into its frame: so every test that looks at a picture also shows
that replay reproduces the scheduler's state (invariant I3).
"""

import contextlib
import time

from mcs.adapters.jetstream import connect
from mcs.events.frames import DecisionFrame
from mcs.projections.state import RULES, State
from mcs.services.history import History
from mcs.services.reading import Witness


class Picture:
    """The state at the last decision read; ``until`` reads on."""

    def __init__(self, log):
        self.cycles = 0
        self._history = History(log, Witness(self._compare))

    @property
    def state(self) -> State:
        return self._history.state

    async def open(self):
        await self._history.open()

    async def close(self):
        await self._history.close()

    async def until(self, what, condition, timeout_s=60.0):
        """Read on until ``condition(state)`` is true; what it gave."""
        deadline = time.monotonic() + timeout_s
        while not (found := condition(self.state)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not in the log within {timeout_s:g} s")
            await self._history.follow(timeout_s=1.0)
        return found

    def epoch(self, cluster):
        return self.state.membership.members[cluster].epoch

    def _compare(self, state: State, frame: DecisionFrame):
        if state.rules == RULES:
            assert frame.state == state.digest(), (
                f"cycle {frame.cycle} was decided in another state"
            )
            self.cycles += 1


@contextlib.asynccontextmanager
async def picture(federation):
    """The log of a federation, from its head."""
    log = await connect(federation.nats.url, name="a test")
    made = Picture(log)
    try:
        await made.open()
        yield made
    finally:
        await made.close()
        await log.close()


def nodes(state, cluster):
    return state.inventory.nodes.get(cluster, {})


def used(state, cluster, node):
    """What is charged to a node, with the number of pods, without what is 0."""
    return {name: amount for name, amount in state.inventory.used(cluster, node).items() if amount}


def proxy(state, source, namespace, name):
    """The proxy of that name, or None."""
    found = state.backlog.find(source, namespace, name)
    return found[-1] if found else None
