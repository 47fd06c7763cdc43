"""Channel ``capacity``: real nodes, node pools, and what pods that are not ours take of nodes.

What was said of each node and pod is what is known of it, so no account is kept beside that: what
differs is said, and in a full account everything once, pods in columns.
"""

from __future__ import annotations

from collections import Counter

from mcs.events import subjects
from mcs.events.observations import (
    NodeGone,
    NodeObserved,
    NodePoolGone,
    NodePoolObserved,
    Observation,
    PodGone,
    PodObserved,
)
from mcs.services.pod_columns import PodColumns
from mcs.services.publisher import Publisher
from mcs.services.totals import Totals
from mcs.services.usage import Usage

Fact = NodeObserved | PodObserved


class Capacity:
    """What the cluster has and what others use of it, as it was said. ``usage`` counts others'
    pods and may count more; ``totals``: all in a few numbers.
    """

    def __init__(self, publisher: Publisher, usage: Usage) -> None:
        self.totals = Totals(usage)
        self._publisher, self._usage = publisher, usage
        self._pools: Counter[str] = Counter()
        self._said_pools: dict[str, int] = {}
        self._columns: PodColumns | None = None
        self._told: set[str] | None = set()  # in the account that goes on; None: it is complete

    def begin(self) -> None:
        """Say everything again; pools are counted when the list is whole."""
        self._told = set()
        self._columns = PodColumns()
        self._said_pools.clear()

    def complete(self) -> None:
        """The list is whole."""
        self._told = None
        self._tell_columns()
        self._columns = None
        for pool in sorted(self._pools):
            self._say_pool(pool)

    def node(self, before: NodeObserved | None, after: NodeObserved | None) -> None:
        """Take a real node's change."""
        node = after or before
        assert node is not None, "a change is of something"
        if after is None:
            self._say(NodeGone(name=node.name))
        elif self._news(node.name, before, after):
            self._say(after)
        if after != before:
            self.totals.node(node.name, after)
            self._count(before, after)

    def use(self, before: PodObserved | None, after: PodObserved | None) -> None:
        """Take a change of what a pod uses that is not ours."""
        if before != after:
            if before is not None:
                self._usage.free(before.node, before.requests)
            if after is not None:
                self._usage.take(after.node, after.requests)
        if after is None:
            assert before is not None, "a change is of something"
            self._say(PodGone(uid=before.uid))
        elif self._news(after.uid, before, after):
            self._say_use(after)

    def _news(self, key: str, before: Fact | None, after: Fact) -> bool:
        """Whether there is something to say."""
        if self._told is None:
            return before != after
        told_before = key in self._told
        self._told.add(key)
        return before != after or not told_before

    def _say_use(self, used: PodObserved) -> None:
        if self._columns is None:
            self._say(used)
            return
        self._columns.add(used)
        if self._columns.full:
            self._tell_columns()

    def _count(self, before: NodeObserved | None, after: NodeObserved | None) -> None:
        for node, change in (before, -1), (after, 1):
            if node is not None:
                self._pools[node.pool] += change
        if self._told is None:
            for pool in {node.pool: None for node in (before, after) if node}:
                self._say_pool(pool)

    def _say_pool(self, pool: str) -> None:
        nodes = self._pools[pool]
        if not nodes:
            del self._pools[pool]
            if self._said_pools.pop(pool, None):
                self._say(NodePoolGone(name=pool))
        elif self._said_pools.get(pool) != nodes:
            self._said_pools[pool] = nodes
            self._say(NodePoolObserved(name=pool, nodes=nodes))

    def _say(self, event: Observation) -> None:
        self._tell_columns()  # they were seen before
        self._publisher.offer(subjects.CAPACITY, event)

    def _tell_columns(self) -> None:
        if self._columns:
            self._publisher.offer(subjects.CAPACITY, self._columns.take())
