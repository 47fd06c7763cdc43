"""Places for the pods that wait: filter, score, choose, book.

Each pod goes, in order, to the cluster that the policy scores highest (ties to the cluster's name)
and is booked on one node there, so that the next pod sees what is left. Pods stand in lines of one
kind; a line whose first pod finds no place is done with for this cycle, since capacity only shrinks
within one. When all that can be placed is placed, those left over are told why, each once for the
same reasons: so they are told what is true at the end.

A cycle has a budget, and each namespace its share of it. What one namespace asks beyond that comes
after the others' shares, so nobody who submits a hundred thousand pods delays anybody else's first
ones: these are decided by the first cycle that has folded them. So it is with kinds of pods: a
cycle looks at so many lines, each namespace's share of them, and the next one at those after them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from mcs.decisions.budget import Budget
from mcs.decisions.choosing import Choice, Choosing
from mcs.decisions.ganging import Outcome, led_line, look_at, partly
from mcs.decisions.queueing import Queue
from mcs.decisions.telling import tell_place, tell_why
from mcs.errors import BadManifest
from mcs.events.decisions import BeyondBudget, PodDeferred, PodPlaced
from mcs.names import Keys, PodKey, delegate_name
from mcs.projections.backlog import UNREADABLE, Proxy
from mcs.projections.groups import Gang
from mcs.projections.lines import Line, Order, Told
from mcs.projections.state import State

LINES_MOST: Final = 512
"""Lines that a cycle looks at: a kind of pod that nobody asked for before costs up to a millisecond
for each of them.
"""

PLACING_BYTES: Final = 1024 * 1024
"""What a cycle places one by one, so that none takes long; a group may fill the whole cycle. With
half of it a pod costs a quarter more where there are many pairs of clusters, since each pair of a
cycle has its own frame.
"""


def place(state: State, keys: Keys, budget: Budget) -> bool:
    """Place or defer every pod that waits; False when the budget ended first.

    Also when none does: what changed is taken over now, so that the first one need not wait for it.
    """
    return Placing(state, keys, budget).run()


class Stalled(NamedTuple):
    """A line that found no place: ``judged`` says for which kind of pods, and ``told`` what keeps
    the whole group, if something does.
    """

    line: Line
    judged: Line
    told: Told | None


class Placing:
    """One cycle's placing."""

    def __init__(self, state: State, keys: Keys, budget: Budget) -> None:
        self._state, self._keys, self._budget = state, keys, budget
        self._end = budget.bytes + PLACING_BYTES
        self._choosing = Choosing(state)
        self._names: set[tuple[str, str, str]] = set()
        self._done: set[str] = set()  # placed, or told that they are unreadable
        self._stalled: list[Stalled] = []
        self._groups: dict[Gang, Outcome] = {}

    def run(self) -> bool:
        """Place, then defer; False when the budget ended first."""
        settled = self._choosing.stands(self._state)
        if settled == self._choosing.scores.settled:
            return True  # nobody could be told anything new
        lines, whole = self._lines()
        before = self._budget.bytes
        if not self._place(lines) or not all(self._defer(stalled) for stalled in self._stalled):
            return False
        if whole and self._budget.bytes == before:
            self._choosing.scores.settled = settled
        return True

    def _lines(self) -> tuple[list[Line], bool]:
        """The lines to look at in this cycle, and whether these are all."""
        whose: dict[tuple[str, str], list[Line]] = {}
        for kind, line in self._state.backlog.lines.items():
            if self._choosing.openness.speaks(kind.source) and not kind.unreadable:
                whose.setdefault((kind.source, kind.namespace), []).append(line)
        share = max(1, LINES_MOST // max(1, len(whose)))
        count = sum(map(len, whose.values()))
        looked_at: list[Line] = []
        for lines in whose.values():
            if len(lines) > share:
                lines.sort(key=lambda line: line.orders[0])
                begin = self._state.cycle * share % len(lines)
                lines[:] = (lines[begin:] + lines[:begin])[:share]
            looked_at += lines
        return looked_at, len(looked_at) == count

    def _place(self, lines: list[Line]) -> bool:
        """Place all pods that fit somewhere, in the order of all lines together: each namespace up
        to its share of the budget first, then whoever is left.
        """
        queue, aside = Queue(lines), list[tuple[Order, int]]()
        spent: Counter[tuple[str, str]] = Counter()
        share = self._share({(line.kind.source, line.kind.namespace) for line in lines})
        while True:
            for number, line, order in queue:
                whose = (line.kind.source, line.kind.namespace)
                if spent[whose] > share:
                    aside.append((order, number))
                    continue
                before = self._budget.bytes
                if share == math.inf and before >= self._end:
                    return False
                if not self._turn(queue, number, line, order[2]):
                    return False
                spent[whose] += self._budget.bytes - before
            if not aside:
                return True
            for order, number in aside:
                queue.again(order, number)
            aside, share = [], math.inf

    def _share(self, namespaces: set[tuple[str, str]]) -> float:
        return min(PLACING_BYTES, self._state.policy.cycle_bytes) // max(1, len(namespaces))

    def _turn(self, queue: Queue, number: int, line: Line, uid: str) -> bool:
        """Place the next pod of a line; False when the budget ended."""
        followed = line
        if line.kind.group:
            outcome = self._group(self._state.backlog.proxies[uid].gang)
            if outcome is None:
                return False
            if outcome.places:
                return True  # later ones have their turn when these are seen to have a place
            followed = led_line(line, outcome.led)
            if outcome.told is not None or not outcome.room:
                self._stalled.append(Stalled(line, followed, outcome.told))
                return True
        choice = self._choosing.choose(followed)
        if choice is None:
            self._stalled.append(Stalled(line, followed, None))
            return True
        event = self._decision(self._state.backlog.proxies[uid], choice)
        if not self._budget.take(event):
            return False
        if isinstance(event, PodPlaced):
            self._choosing.book(choice, event.requests)
            self._named(event)
            self._lead(self._state.backlog.proxies[uid], choice.target)
        self._done.add(uid)
        queue.go_on(number)
        return True

    def _lead(self, proxy: Proxy, target: str) -> None:
        """Let a group follow a member that was placed by itself, when no other ran any more."""
        if proxy.group is None or self._groups[proxy.gang].led:
            return
        if not self._state.backlog.groups[proxy.gang].spread:
            self._groups[proxy.gang] = Outcome(led=target)

    def _group(self, gang: Gang) -> Outcome | None:
        """What becomes of a group in this cycle; None: the next cycle has room for it."""
        known = self._groups.get(gang)
        if known is not None:
            return known
        outcome = look_at(self._state, self._choosing, gang)
        proxies = self._state.backlog.proxies
        events = []
        for uid, choice in outcome.places.items():
            events.append(self._decision(proxies[uid], choice))
            self._named(events[-1])
        placed = all(isinstance(event, PodPlaced) for event in events)
        if events and not (placed and self._budget.take_all(events)):
            for uid, choice in outcome.places.items():
                self._choosing.unbook(choice, proxies[uid].requests)
            if placed and self._budget.holds(events):
                return None
            outcome = self._refused(events)
        self._groups[gang] = outcome
        self._done.update(outcome.places)
        return outcome

    def _refused(self, events: Sequence[PodPlaced | PodDeferred]) -> Outcome:
        """A group that no cycle holds, or of which a member says nothing that can be read."""
        unreadable = [event for event in events if isinstance(event, PodDeferred)]
        if not unreadable:
            return Outcome(told=Told({}, BeyondBudget()))
        self._done.update(event.uid for event in unreadable if self._budget.take(event))
        return Outcome(room=False)

    def _named(self, event: PodPlaced | PodDeferred) -> None:
        if isinstance(event, PodPlaced):
            self._names.add((event.target, event.namespace, event.delegate))

    def _decision(self, proxy: Proxy, choice: Choice) -> PodPlaced | PodDeferred:
        name = self._name(proxy, choice.target)
        try:
            return tell_place(proxy, choice, name, self._keys)
        except BadManifest:
            # Never here, as the webhook wrote it; but one bad pod must not stop the others (I8).
            clusters = self._choosing.openness.clusters
            asked = (*clusters, proxy.cluster) if proxy.cluster else clusters
            return tell_why(proxy, Told(dict.fromkeys(asked, UNREADABLE)))

    def _defer(self, stalled: Stalled) -> bool:
        """Tell the pods of a line why they wait, where it is news; False when the budget ended."""
        told, proxies = stalled.told, self._state.backlog.proxies
        if told is None:
            reasons = self._choosing.reasons(stalled.judged)
            told = Told(partly(reasons) if stalled.line.kind.group else reasons)
        news = (proxies[uid] for uid in stalled.line.to_tell(told) if uid not in self._done)
        return all(self._budget.take(tell_why(proxy, told)) for proxy in news)

    def _name(self, proxy: Proxy, target: str) -> str:
        """The delegate's name, distinct from those of live placements and of this cycle's."""
        key = PodKey(proxy.namespace, proxy.name)
        name = delegate_name(proxy.source, key)
        place = (target, proxy.namespace, name)
        if place in self._state.ledger.names or place in self._names:
            return delegate_name(proxy.source, key, salt=proxy.uid)
        return name
