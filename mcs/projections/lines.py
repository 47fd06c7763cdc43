"""Pods that wait, in lines: those that placement cannot tell apart stand in one.

Pods of one line have the same source and namespace, pin, requests and constraints, and the same
clusters that failed them lately. So what is true of the first one is true of all: when it finds no
place, nobody behind it does, and the reasons are the same. A line knows which of its pods were told
which reasons, so that a hundred thousand of them cost nothing while nothing changes.
"""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

from sortedcontainers import SortedList

from mcs.events.constraints import Constraints
from mcs.events.decisions import GroupVerdict, Verdict
from mcs.quantities import Resources

Reasons = dict[str, Verdict]
Order = tuple[int, str, str]
"""Who is first: (priority, highest first; creationTimestamp; uid)."""


class Told(NamedTuple):
    """What a pod was told: each cluster's reason, or what keeps its whole group."""

    reasons: Reasons
    group: GroupVerdict | None = None


class Kind(NamedTuple):
    """What the pods of a line have in common.

    ``shape``: their requests and constraints, as bytes; ``blocked``: the clusters that rest for
    them, and why; ``unreadable``: no cluster was to be asked, since their manifest says nothing;
    ``group``: the name of their group, if any. ``led``: the pin is where their group runs.
    """

    source: str
    namespace: str
    pin: str
    shape: bytes
    blocked: tuple[tuple[str, str], ...] = ()
    unreadable: bool = False
    group: str = ""
    led: bool = False

    @property
    def place(self) -> Kind:
        """What clusters look at: neither the namespace nor the group's name."""
        return self._replace(namespace="", group="")


class _Audience:
    """Pods that were told the same."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.orders: dict[str, Order] = {}  # by uid


class Line:
    """Pods of one kind, the first one first."""

    def __init__(self, kind: Kind, requests: Resources, constraints: Constraints) -> None:
        self.kind, self.requests, self.constraints = kind, requests, constraints
        self.orders: SortedList[Order] = SortedList()
        self._audiences: dict[object, _Audience] = {}
        self._untold: dict[str, Order] = {}  # by uid

    def add(self, order: Order, told: Told | None) -> Told | None:
        """A pod joins the line, having been told this; equals are shared, so take what comes."""
        self.orders.add(order)
        uid = order[2]
        if told is None:
            self._untold[uid] = order
            return None
        audience = self._audiences.setdefault(_key(told), _Audience(told))
        audience.orders[uid] = order
        return audience.told

    def remove(self, order: Order, told: Told | None) -> None:
        """A pod leaves the line, having been told this."""
        self.orders.remove(order)
        uid = order[2]
        if told is None:
            del self._untold[uid]
            return
        audience = self._audiences[_key(told)]
        del audience.orders[uid]
        if not audience.orders:
            del self._audiences[_key(told)]

    def to_tell(self, told: Told) -> list[str]:
        """The pods that were told nothing, or something else, the first one first."""
        wrong = [each.orders for each in self._audiences.values() if each.told != told]
        orders = chain.from_iterable(each.values() for each in (self._untold, *wrong))
        return [uid for *_, uid in sorted(orders)]  # nearly in order: cheap for thousands


def _key(told: Told) -> object:
    return tuple(told.reasons.items()), told.group
