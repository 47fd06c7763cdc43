"""Which cluster is best for a pod, exactly, without counting everywhere.

Policies score clusters by how many replicas of the pod they could hold (and by what they have). To
count replicas, node by node, costs; a bound does not: a cluster cannot hold more than its free
amounts, summed up, divided by what one replica asks. Capacity that shrinks leaves a number that was
right an upper bound. So a contest between clusters goes by upper bounds, and only the leader is
counted out, until the leader's number is exact: then nobody can be better (Minoux, "Accelerated
greedy algorithms for maximizing submodular set functions", 1978). The result is that of counting
everywhere, which tests hold against a plain account.

A ``Scores`` follows from the inventory alone. It may be kept from cycle to cycle or dropped; what a
cycle books is counted at once, and forgotten by the next ``refresh``, which reads what was folded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from mcs.decisions.columns import Columns
from mcs.decisions.eligible import Eligible, Kinds
from mcs.decisions.policies.candidates import Candidates, Column, Scoring
from mcs.decisions.policies.most_replicas import MostReplicas
from mcs.decisions.rooms import Rooms
from mcs.events.constraints import Constraints
from mcs.events.decisions import Fits, Never, Verdict
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


class Shape:
    """One shape of pods over all clusters: bounds of replicas, and which of them are exact.

    ``exact`` and ``bounded`` are positions of the clusters' columns, when ``replicas`` was counted
    out, and when it was at least a bound.
    """

    def __init__(self, requests: Resources, eligible: Eligible, clusters: int) -> None:
        self.requests, self.eligible = requests, eligible
        self.replicas = np.zeros(clusters, np.int64)
        self.exact = np.full(clusters, -1, np.int64)
        self.bounded = np.full(clusters, -1, np.int64)


class Contest:
    """Clusters against each other for the pods of one shape that the same clusters are open to."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.open: Open = np.zeros(len(shape.exact), np.bool_)
        self.seen = np.full(len(shape.exact), -1, np.int64)
        self.scores = np.full(len(shape.exact), CLOSED, np.int64)
        # What each cluster says to the pods, as long as ``about`` holds (``placing``).
        self.about: object = None
        self.judged = np.full(len(shape.exact), UNJUDGED, np.int64)
        self.verdicts: list[Verdict] = [Fits()] * len(shape.exact)
        self.reasons: dict[str, Verdict] = {}


class Scores:
    """Scores of shapes of pods over an inventory, for some clusters in the order of their names."""

    def __init__(self, inventory: Inventory, clusters: Sequence[str] | None = None) -> None:
        self.clusters = tuple(sorted(inventory.loads) if clusters is None else clusters)
        self._kinds = Kinds()
        self._columns = [Columns(name, inventory, self._kinds) for name in self.clusters]
        self._index = {name: number for number, name in enumerate(self.clusters)}
        self._shapes: dict[bytes, Shape] = {}
        self._contests: OrderedDict[object, Contest] = OrderedDict()
        self._eligible: dict[bytes, Eligible] = {}
        self._rooms: OrderedDict[tuple[int, int], Rooms] = OrderedDict()
        self._rooms_bytes = 0
        size = len(self.clusters)
        self.position = np.full(size, -1, np.int64)
        self._rose = np.zeros(size, np.int64)
        self._left: dict[str, Column] = {}
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
    def grown(self) -> bool:
        """Whether more kinds of nodes were seen than there are nodes."""
        return len(self._kinds.examples) > 2 * sum(self._sizes()) + _KINDS_SPARE

    def refresh(self) -> None:
        """Take over what changed in the inventory; bookings that were not folded are forgotten."""
        for number, columns in enumerate(self._columns):
            if columns.refresh():
                self._note(number)

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
            contest.seen[:] = -1
        contest.open = where
        return contest

    def leader(self, contest: Contest, policy: Scoring) -> int:
        """The number of the best cluster, ties to the name; -1: the pod fits nowhere."""
        shape = contest.shape
        changed = np.flatnonzero(contest.seen != self.position)
        if len(changed):
            self._bound(shape, changed[shape.bounded[changed] < self._rose[changed]])
            contest.scores[changed] = self._scored(contest, policy, changed)
            contest.seen[changed] = self.position[changed]
        while True:
            best = int(contest.scores.argmax()) if len(contest.scores) else -1
            if best < 0 or contest.scores[best] < 0:
                return -1
            if shape.exact[best] != self.position[best]:
                self.rooms(shape, best)
            score = self._scored(contest, policy, _ROW + best)[0]
            if score == contest.scores[best]:
                return best
            contest.scores[best] = score

    def all_exact(self, contest: Contest, policy: Scoring) -> Column:
        """Every cluster's score, counted out; CLOSED where the pod is not taken."""
        for number in range(len(self.clusters)):
            self.rooms(contest.shape, number)
        return self._scored(contest, policy, np.arange(len(self.clusters)))

    def rooms(self, shape: Shape, cluster: int) -> Rooms:
        """How many replicas each node of a cluster takes, now."""
        key = (id(shape), cluster)
        rooms = self._rooms.get(key)
        if rooms is None:
            rooms = Rooms(self._columns[cluster], shape.requests, shape.eligible)
            rooms.update()
            self._rooms[key] = rooms
            self._rooms_bytes += rooms.bytes
            self._evict()
        else:
            self._rooms.move_to_end(key)
            rooms.update()
        shape.replicas[cluster] = rooms.total
        shape.exact[cluster] = shape.bounded[cluster] = self.position[cluster]
        return rooms

    def fit(self, requests: Resources, constraints: Constraints, cluster: str) -> Fit:
        """How a shape fits a cluster now, bookings included."""
        number = self._index.get(cluster)
        if number is None:
            return Fit(0, Never(constraint="no nodes"), "")
        rooms = self.rooms(self.shape(requests, constraints), number)
        verdict = rooms.verdict()
        return Fit(rooms.total, verdict, rooms.best() if isinstance(verdict, Fits) else "")

    def book(self, cluster: str, node: str, requests: Resources) -> None:
        """Charge a pod to a node until the next ``refresh``."""
        number = self._index[cluster]
        columns = self._columns[number]
        columns.book(columns.row_of(node), requests)
        self._note(number)

    def unbook(self, cluster: str, node: str, requests: Resources) -> None:
        """Give back what ``book`` charged."""
        number = self._index[cluster]
        columns = self._columns[number]
        columns.book(columns.row_of(node), requests, -1)
        self._note(number)

    def used(self, cluster: str, node: str) -> Resources:
        """What a node is charged with, bookings included."""
        number = self._index.get(cluster)
        return self._columns[number].used(node) if number is not None else {}

    def _note(self, number: int) -> None:
        """Take over a cluster's position and sums."""
        columns = self._columns[number]
        self.position[number], self._rose[number] = columns.position, columns.rose
        for sums, mine in ((columns.left, self._left), (columns.totals, self._totals)):
            for name, amount in sums.items():
                column = mine.get(name)
                if column is None:
                    column = mine[name] = np.zeros(len(self.clusters), np.int64)
                column[number] = min(amount, LARGEST)

    def _bound(self, shape: Shape, stale: npt.NDArray[np.intp]) -> None:
        """Bound the replicas in clusters that may have gained room."""
        if not len(stale):
            return
        room = self._amounts(self._left, PODS)[stale]
        for name, asked in shape.requests.items():
            if asked > 0:
                room = np.minimum(room, self._amounts(self._left, name)[stale] // asked)
        shape.replicas[stale], shape.bounded[stale] = room, self.position[stale]

    def _scored(self, contest: Contest, policy: Scoring, rows: npt.NDArray[np.intp]) -> Column:
        """Scores of some clusters; CLOSED where the pod is not taken."""
        replicas = contest.shape.replicas[rows]
        scores = replicas
        if not isinstance(policy, MostReplicas):  # which looks at nothing else
            candidates = Candidates(
                names=tuple(self.clusters[row] for row in rows.tolist()),
                replicas=replicas,
                totals={name: column[rows] for name, column in self._totals.items()},
                free={name: column[rows] for name, column in self._left.items()},
            )
            scores = policy.score(candidates, contest.shape.requests)
        return np.where(contest.open[rows] & (replicas > 0), scores, CLOSED)

    def _amounts(self, sums: dict[str, Column], name: str) -> Column:
        found = sums.get(name)
        return np.zeros(len(self.clusters), np.int64) if found is None else found

    def _sizes(self) -> list[int]:
        return [len(columns.nodes) for columns in self._columns]

    def _evict(self) -> None:
        while self._rooms_bytes > _ROOMS_BYTES and len(self._rooms) > 1:
            _, rooms = self._rooms.popitem(last=False)
            self._rooms_bytes -= rooms.bytes

    def _forget(self) -> None:
        """Begin anew with shapes; more of them come than are worth keeping."""
        for kept in (self._shapes, self._contests, self._rooms, self._eligible):
            kept.clear()
        self._rooms_bytes = 0
