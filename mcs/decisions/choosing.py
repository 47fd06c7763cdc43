"""Which cluster and node a line's next pod gets, and what the clusters say to those that get none.

One ``Choosing`` serves one cycle. People ask the same questions (``mcs why``, ``mcs status``): with
scores of their own, they get the same answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mcs.decisions.openness import Openness
from mcs.decisions.policies.chosen import recorded
from mcs.decisions.scoring import UNJUDGED, Contest, Fit, Scores
from mcs.events.decisions import Never
from mcs.projections.backlog import Proxy
from mcs.projections.lines import Line, Reasons
from mcs.projections.state import State
from mcs.quantities import Resources


class Choice(NamedTuple):
    """A place for a pod."""

    target: str
    node: str


class Choosing:
    """Questions about places, as the state is and with what was booked since."""

    def __init__(self, state: State, *, apart: bool = False) -> None:
        """``apart``: with scores of its own, so that nobody else sees its bookings."""
        self.openness = Openness(state)
        clusters = self.openness.clusters
        inventory = state.inventory
        self.scores = Scores(inventory, clusters) if apart else Scores.of(inventory, clusters)
        self._contests: dict[Line, Contest] = {}
        self._policy_text = state.policy.score
        self._policy = recorded(state.policy.score)

    def stands(self, state: State) -> object:
        """All that places and reasons follow from, so that equals give the same."""
        return (
            self.scores.stands,
            self.openness.key,
            state.backlog.version,
            self._policy_text,
        )

    def choose(self, line: Line, among: Sequence[str] | None = None) -> Choice | None:
        """The best place for the next pod of a line, in one of the clusters ``among`` which it is
        to be; None: it fits nowhere.
        """
        contest = self._contests.get(line) if among is None else self._contest(line, among)
        if contest is None:
            contest = self._contests[line] = self._contest(line)
        best = self.scores.leader(contest, self._policy)
        if best < 0:
            return None
        node = self.scores.rooms(contest.shape, best).best()
        return Choice(self.openness.clusters[best], node)

    def replicas(self, line: Line, cluster: str) -> int:
        """How many more pods of a line a cluster takes."""
        return self.scores.fit(line.requests, line.constraints, cluster).total

    def open_to(self, line: Line) -> tuple[str, ...]:
        """The clusters that are open to the pods of a line."""
        flags = self.openness.of(line.kind).tolist()
        return tuple(n for n, flag in zip(self.openness.clusters, flags, strict=True) if flag)

    def book(self, choice: Choice, requests: Resources) -> None:
        """Count a pod where it was sent, from now on."""
        self.scores.book(choice.target, choice.node, requests)

    def fit(self, proxy: Proxy, cluster: str) -> Fit:
        """How a pod fits a cluster, whether that is open to it or not."""
        return self.scores.fit(proxy.requests, proxy.constraints, cluster)

    def unbook(self, choice: Choice, requests: Resources) -> None:
        """Count it no more."""
        self.scores.book(choice.target, choice.node, requests, -1)

    def ranking(self, line: Line) -> dict[str, int]:
        """What the policy gives each cluster that takes the next pod of a line."""
        contest = self._contest(line)
        scores = self.scores.all_exact(contest, self._policy)
        pairs = zip(self.openness.clusters, scores.tolist(), strict=True)
        return {name: score for name, score in pairs if score >= 0}

    def reasons(self, line: Line) -> Reasons:
        """What each cluster says to the pods of a line."""
        kind, contest = line.kind, self._contest(line)
        if contest.about != self.openness.key:
            contest.about = self.openness.key
            contest.judged[:] = UNJUDGED
        changed = np.flatnonzero(contest.judged != self.scores.position).tolist()
        if not changed and contest.reasons:
            return contest.reasons
        for number in changed:
            if why := self.openness.closed(kind, number):
                contest.verdicts[number] = Never(constraint=why)
            else:
                found = self.scores.verdict(contest.shape, number)
                contest.verdicts[number] = self.openness.verdict(number, found)
        contest.judged[:] = self.scores.position
        reasons = dict(zip(self.openness.clusters, contest.verdicts, strict=True))
        if kind.pin and kind.pin not in reasons:
            reasons[kind.pin] = Never(constraint="no such target cluster")
        contest.reasons = reasons
        return reasons

    def _contest(self, line: Line, among: Sequence[str] | None = None) -> Contest:
        shape = self.scores.shape(line.requests, line.constraints, line.kind.shape)
        where = self.openness.of(line.kind)
        if among is not None:
            where = where & np.isin(self.openness.clusters, among)
        key = (self._policy_text, line.kind.place, among is not None)
        return self.scores.contest(key, shape, where)
