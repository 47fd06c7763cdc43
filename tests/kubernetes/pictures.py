"""The log as the scheduler understands it, folded beside it and checked at every cycle.

A ``Picture`` reads both streams in the order of history. At each cycle its state must have the
digest that the scheduler wrote into its frames, and deciding in that state must give those frames,
byte for byte: so every test that looks at a picture also shows that replay reproduces the
scheduler's states (invariant I3) and its decisions (I4).
"""

import contextlib
import time

from mcs.adapters.clock import SystemClock
from mcs.adapters.jetstream import connect
from mcs.events.decisions import PodPlaced
from mcs.names import Keys
from mcs.services.history import History
from mcs.services.reading import Ends
from mcs.simulation.checkers.findings import Findings
from mcs.simulation.checkers.replaying import Replaying


class Replayed(Replaying):
    """A state that decides again what was decided in it, by the simulator's checkers of the log;
    ``cycles`` are those that it compared, ``placed`` all that was placed, and in which one. What
    breaks a rule is raised with its frame.
    """

    def __init__(self):
        self.findings = Findings(SystemClock())
        super().__init__(Keys(), self.findings)
        self.placed = []

    def decide(self, sequence, subject, data, frame):
        super().decide(sequence, subject, data, frame)
        placed = (event for event in frame.events if isinstance(event, PodPlaced))
        self.placed += [(frame.cycle, event) for event in placed]
        assert not self.findings.found, "; ".join(map(str, self.findings.found))


class Picture:
    """The state at the last decision read; ``until`` reads on."""

    def __init__(self, log):
        self.state = Replayed()
        self._history = History(log, self.state)

    async def open(self, ends):
        """Read to where the log ended when the test began to look."""
        await self._history.open()
        while self.state.decided.sequence < ends.decisions:
            await self._history.follow(timeout_s=1.0)

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


@contextlib.asynccontextmanager
async def picture(federation):
    """The log of a federation, from its head."""
    log = await connect(federation.nats.url, name="a test")
    made = Picture(log)
    try:
        await made.open(await Ends.of(log))
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
