"""Groups of pods that are placed all or none: who of them waits, and how many have their place."""

from __future__ import annotations

from sortedcontainers import SortedList

from mcs.events.constraints import Group
from mcs.projections.lines import Order

Gang = tuple[str, str, str]
"""A group's source, namespace and name."""


class Members:
    """The members of one group that are known. The largest size that any of them states counts;
    they may be spread if all say so.
    """

    def __init__(self) -> None:
        self.stated: dict[str, Group] = {}
        self.waiting: SortedList[Order] = SortedList()
        self.served: dict[str, None] = {}  # placed, or at an end of their own
        self._orders: dict[str, Order] = {}

    @property
    def size(self) -> int:
        """How many are to be placed at once."""
        return max(group.size for group in self.stated.values())

    @property
    def spread(self) -> bool:
        """Whether several clusters may share them."""
        return all(group.spread for group in self.stated.values())

    def set(self, uid: str, group: Group, order: Order | None, *, served: bool) -> None:
        """A member is as described; ``order``: it waits."""
        self.remove(uid)
        self.stated[uid] = group
        if order is not None:
            self.waiting.add(order)
            self._orders[uid] = order
        if served:
            self.served[uid] = None

    def remove(self, uid: str) -> None:
        """A member is no longer there."""
        self.stated.pop(uid, None)
        self.served.pop(uid, None)
        order = self._orders.pop(uid, None)
        if order is not None:
            self.waiting.remove(order)
