"""Pods that wait, in lines: those that placement cannot tell apart stand in one.

Pods of one line have the same source, pin, requests and constraints, and the same clusters that
failed them lately. So what is true of the first one is true of all: when it finds no place, nobody
behind it does, and the reasons are the same. A line knows which of its pods were told which
reasons, so that a hundred thousand of them cost nothing while nothing changes.
"""

from __future__ import annotations

from typing import NamedTuple

from sortedcontainers import SortedList

from mcs.events.constraints import Constraints
from mcs.events.decisions import Verdict
from mcs.quantities import Resources

Reasons = dict[str, Verdict]
Order = tuple[int, str, str]
"""Who is first: (priority, highest first; creationTimestamp; uid)."""


class Kind(NamedTuple):
    """What the pods of a line have in common.

    ``shape``: their requests and constraints, as bytes; ``blocked``: the clusters that rest for
    them, and why; ``unreadable``: no cluster was to be asked, since their manifest says nothing.
    """

    source: str
    pin: str
    shape: bytes
    blocked: tuple[tuple[str, str], ...] = ()
    unreadable: bool = False


class Told:
    """Pods that were told the same reasons."""

    def __init__(self, reasons: Reasons) -> None:
        self.reasons = reasons
        self.uids: dict[str, None] = {}


class Line:
    """Pods of one kind, the first one first."""

    def __init__(self, kind: Kind, requests: Resources, constraints: Constraints) -> None:
        self.kind, self.requests, self.constraints = kind, requests, constraints
        self.orders: SortedList[Order] = SortedList()
        self._told: dict[tuple[tuple[str, Verdict], ...], Told] = {}
        self._untold: dict[str, None] = {}

    def add(self, order: Order, reasons: Reasons | None) -> Reasons | None:
        """A pod joins the line, having been told ``reasons``; equal ones are shared: take these."""
        self.orders.add(order)
        uid = order[2]
        if reasons is None:
            self._untold[uid] = None
            return None
        told = self._told.setdefault(tuple(reasons.items()), Told(reasons))
        told.uids[uid] = None
        return told.reasons

    def remove(self, order: Order, reasons: Reasons | None) -> None:
        """A pod leaves the line, having been told ``reasons``."""
        self.orders.remove(order)
        uid = order[2]
        if reasons is None:
            del self._untold[uid]
            return
        key = tuple(reasons.items())
        told = self._told[key]
        del told.uids[uid]
        if not told.uids:
            del self._told[key]

    def to_tell(self, reasons: Reasons) -> set[str]:
        """The pods that were told nothing, or something else."""
        wrong = [told.uids for told in self._told.values() if told.reasons != reasons]
        return set(self._untold).union(*wrong)
