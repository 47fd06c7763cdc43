"""Which cluster is best for a pod, exactly, without counting everywhere.

Policies score clusters by how many replicas of the pod they could hold (and by what they have). To
count replicas, node by node, costs; a bound does not (``shapes``). So a contest between clusters
goes by upper bounds, and only the leader is counted out, until the leader's number is exact: then
nobody can be better (Minoux, "Accelerated greedy algorithms for maximizing submodular set
functions", 1978). The result is that of counting everywhere, which tests hold against a plain
account.

A ``Scores`` follows from the inventory alone. It may be kept from cycle to cycle or dropped; what a
cycle books is counted at once, and forgotten by the next ``refresh``, which reads what was folded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from mcs.decisions.changes import Changes
from mcs.decisions.columns import Columns
from mcs.decisions.eligible import Eligible, Kinds
from mcs.decisions.policies.candidates import Candidates, Column, Scoring
from mcs.decisions.policies.most_replicas import MostReplicas
from mcs.decisions.rooms import Rooms, counted
from mcs.decisions.shapes import Shape
from mcs.events.constraints import Constraints
from mcs.events.decisions import Fits, Lacks, Never, Verdict
from mcs.projections.inventory import Inventory
from mcs.quantities import LARGEST, PODS, Resources

Open = npt.NDArray[np.bool_]
"""Which clusters take a pod, if there is room."""

CLOSED: Final = -1
"""Score of a cluster that does not take the pod; policies give none that is negative."""

UNJUDGED: Final = -2
"""No position."""

_ROOMS_BYTES: Final = 256 * 1024 * 1024
"""What is counted out and kept; the longest unused goes first."""
_SHAPES_MOST: Final = 20_000
_CONTESTS_MOST: Final = 20_000
_KINDS_SPARE: Final = 10_000

_ROW: Final = np.zeros(1, np.intp)

_encoder = msgspec.json.Encoder(order="sorted")


class Fit(NamedTuple):
    """How a shape fits a cluster: replicas, less what is owed to earlier bookings; the verdict; the
    node to charge a booking to, if it fits.
    """

    total: int
    verdict: Verdict
    node: str


class Contest:
    """Clusters against each other for the pods of one shape that the same clusters are open to."""

    def __init__(self, shape: Shape) -> None:
        clusters = len(shape.exact)
        self.shape = shape
        self.open: Open = np.zeros(clusters, np.bool_)
        self.seen = np.full(clusters, UNJUDGED, np.int64)
        self.scores = np.full(clusters, CLOSED, np.int64)
        # What each cluster says to the pods, as long as ``about`` holds (``choosing``).
        self.about: object = None
        self.judged = np.full(clusters, UNJUDGED, np.int64)
        self.verdicts: list[Verdict] = [Fits()] * clusters
        self.reasons: dict[str, Verdict] = {}


class Scores:
    """Scores of shapes of pods over an inventory, for some clusters in the order of their names."""

    def __init__(self, inventory: Inventory, clusters: Sequence[str] | None = None) -> None:
        self.clusters = tuple(sorted(inventory.loads) if clusters is None else clusters)
        self._kinds = Kinds()
        self._changes = Changes(len(self.clusters))
        self._columns = [
            Columns(number, name, inventory, self._kinds, self._changes)
            for number, name in enumerate(self.clusters)
        ]
        self._index = {name: number for number, name in enumerate(self.clusters)}
        self._shapes: dict[bytes, Shape] = {}
        self._contests: OrderedDict[object, Contest] = OrderedDict()
        self._eligible: dict[bytes, Eligible] = {}
        self._rooms: OrderedDict[tuple[int, int], Rooms] = OrderedDict()
        self._rooms_bytes = 0
        self.position = np.full(len(self.clusters), -1, np.int64)
        self.settled: object = None  # how all stood when nobody could be told anything new
        self._left: dict[str, Column] = {}
        self._most: dict[str, Column] = {}
        self._totals: dict[str, Column] = {}
        self.refresh()

    @classmethod
    def of(cls, inventory: Inventory, clusters: Sequence[str]) -> Scores:
        """Those kept with the inventory, brought up to it."""
        kept = inventory.derived
        if isinstance(kept, Scores) and kept.clusters == tuple(clusters) and not kept.grown:
            kept.refresh()
            return kept
        inventory.derived = made = cls(inventory, clusters)
        return made

    @property
    def stands(self) -> tuple[int, int]:
        """Changes so far: as long as it stays, so does every answer."""
        return self._changes.end, self._changes.restarted

    @property
    def grown(self) -> bool:
        """Whether more kinds of nodes were seen than there are nodes."""
        nodes = sum(len(columns.nodes) for columns in self._columns)
        return len(self._kinds.examples) > 2 * nodes + _KINDS_SPARE

    def refresh(self) -> None:
        """Take over what changed in the inventory; bookings that were not folded are forgotten."""
        for number, columns in enumerate(self._columns):
            if columns.refresh():
                self.position[number] = columns.position
                self._note(number, columns.left, self._left)
                self._note(number, columns.totals, self._totals)
                self._note(number, columns.extremes.most, self._most)

    def shape(self, requests: Resources, constraints: Constraints, key: bytes = b"") -> Shape:
        """The shape of pods with these requests and constraints (encoded: ``key``)."""
        key = key or _encoder.encode((requests, constraints))
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= _SHAPES_MOST:
                self._forget()
            rules = _encoder.encode(constraints)
            eligible = self._eligible.get(rules)
            if eligible is None:
                eligible = self._eligible[rules] = Eligible(constraints, self._kinds)
            shape = self._shapes[key] = Shape(requests, eligible, len(self.clusters))
        return shape

    def contest(self, key: object, shape: Shape, where: Open) -> Contest:
        """The contest of that key, for clusters that are open now."""
        contest = self._contests.get(key)
        if contest is None or contest.shape is not shape:
            contest = self._contests[key] = Contest(shape)
            if len(self._contests) > _CONTESTS_MOST:
                self._contests.popitem(last=False)
        if contest.open is not where and not np.array_equal(contest.open, where):
            contest.seen[:] = UNJUDGED
        contest.open = where
        return contest

    def leader(self, contest: Contest, policy: Scoring) -> int:
        """The number of the best cluster, ties to the name; -1: the pod fits nowhere."""
        shape = contest.shape
        shape.follow(self._changes, self._left, self._most)
        if isinstance(policy, MostReplicas):  # whose scores are the numbers themselves
            scores, nobody = shape.replicas * contest.open, 0
        else:
            scores, nobody = self._kept_scores(contest, policy), CLOSED
        if not len(scores):
            return -1
        while True:
            best = int(scores.argmax())
            claimed = scores[best]
            if claimed <= nobody:
                return -1
            if not shape.exact[best]:
                self._count(shape, best)
            score = self._score(contest, policy, best)
            if score == claimed:
                return best
            scores[best] = score

    def _kept_scores(self, contest: Contest, policy: Scoring) -> Column:
        """All scores; clusters that changed since the contest was looked at are scored again."""
        changed = np.flatnonzero(contest.seen != self.position)
        if len(changed):
            contest.scores[changed] = self._scored(contest, policy, changed)
            contest.seen[changed] = self.position[changed]
        return contest.scores

    def _score(self, contest: Contest, policy: Scoring, number: int) -> int:
        """One cluster's score; CLOSED where the pod is not taken."""
        if isinstance(policy, MostReplicas) and not self._columns[number].debts:
            replicas = int(contest.shape.replicas[number])
            return replicas if replicas > 0 and contest.open[number] else CLOSED
        return int(self._scored(contest, policy, _ROW + number)[0])

    def all_exact(self, contest: Contest, policy: Scoring) -> Column:
        """Every cluster's score, counted out; CLOSED where the pod is not taken."""
        contest.shape.follow(self._changes, self._left, self._most)
        for number in np.flatnonzero(~contest.shape.exact).tolist():
            self._count(contest.shape, number)
        return self._scored(contest, policy, np.arange(len(self.clusters)))

    def _count(self, shape: Shape, cluster: int) -> None:
        shape.set(cluster, counted(self._columns[cluster], shape.asks, shape.eligible))

    def rooms(self, shape: Shape, cluster: int) -> Rooms:
        """How many replicas each node of a cluster takes, now."""
        shape.follow(self._changes, self._left, self._most)
        key = (id(shape), cluster)
        rooms = self._rooms.get(key)
        if rooms is None:
            rooms = Rooms(self._columns[cluster], shape.asks, shape.eligible)
            rooms.update()
            self._rooms[key] = rooms
            self._rooms_bytes += rooms.bytes
            self._evict()
        else:
            self._rooms.move_to_end(key)
            rooms.update()
        if not shape.exact[cluster]:
            shape.set(cluster, rooms.sum)
        return rooms

    def verdict(self, shape: Shape, cluster: int) -> Verdict:
        """Why a shape does not fit a cluster now, or that it does."""
        columns = self._columns[cluster]
        lacked = columns.extremes.lacked(shape.asks)
        if lacked and shape.eligible.by_kind is not None:
            kinds = (kind for kind, count in columns.present.items() if count)
            if not all(shape.eligible.bar_of(kind) for kind in kinds):
                return Lacks(resource=lacked)
        return self.rooms(shape, cluster).verdict()

    def fit(self, requests: Resources, constraints: Constraints, cluster: str) -> Fit:
        """How a shape fits a cluster now, bookings included."""
        number = self._index.get(cluster)
        if number is None:
            return Fit(0, Never(constraint="no nodes"), "")
        rooms = self.rooms(self.shape(requests, constraints), number)
        verdict = rooms.verdict()
        return Fit(rooms.total, verdict, rooms.best() if isinstance(verdict, Fits) else "")

    def book(self, cluster: str, node: str, requests: Resources, sign: int = 1) -> None:
        """Charge a pod to a node until the next ``refresh``; ``sign`` -1 gives that back."""
        number = self._index[cluster]
        columns = self._columns[number]
        columns.book(columns.row_of(node), requests, sign)
        self.position[number] = columns.position
        for name in (*requests, PODS):
            self._column(self._left, name)[number] = min(columns.left[name], LARGEST)
        if sign < 0:
            self._note(number, columns.extremes.most, self._most)

    def used(self, cluster: str, node: str) -> Resources:
        """What a node is charged with, bookings included."""
        number = self._index.get(cluster)
        return self._columns[number].used(node) if number is not None else {}

    def _note(self, number: int, sums: Mapping[str, int], mine: dict[str, Column]) -> None:
        """Take over a cluster's sums."""
        for name, amount in sums.items():
            self._column(mine, name)[number] = min(amount, LARGEST)

    def _column(self, sums: dict[str, Column], name: str) -> Column:
        """A resource's column, made where there is none."""
        if name not in sums:
            sums[name] = np.zeros(len(self.clusters), np.int64)
        return sums[name]

    def _scored(self, contest: Contest, policy: Scoring, rows: npt.NDArray[np.intp]) -> Column:
        """Scores of some clusters; CLOSED where the pod is not taken."""
        shape, replicas = contest.shape, contest.shape.replicas[rows]
        for index, row in enumerate(rows.tolist()):
            if self._columns[row].debts:
                replicas[index] = self.rooms(shape, row).total
        scores = replicas
        if not isinstance(policy, MostReplicas):
            candidates = Candidates(
                names=tuple(self.clusters[row] for row in rows.tolist()),
                replicas=replicas,
                totals={name: column[rows] for name, column in self._totals.items()},
                free={name: column[rows] for name, column in self._left.items()},
            )
            scores = policy.score(candidates, shape.requests)
        return np.where(contest.open[rows] & (replicas > 0), scores, CLOSED)

    def _evict(self) -> None:
        while self._rooms_bytes > _ROOMS_BYTES and len(self._rooms) > 1:
            _, rooms = self._rooms.popitem(last=False)
            self._rooms_bytes -= rooms.bytes

    def _forget(self) -> None:
        """Begin anew with shapes; more of them come than are worth keeping."""
        for kept in (self._shapes, self._contests, self._rooms, self._eligible):
            kept.clear()
        self._rooms_bytes = 0
