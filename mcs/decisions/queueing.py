"""The order in which pods of several lines have their turn."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from mcs.projections.lines import Line, Order


class Queue:
    """The pods of several lines in one order, each line as long as it goes on."""

    def __init__(self, lines: list[Line]) -> None:
        self._lines = lines
        self._each: list[Iterator[Order]] = [iter(line.orders) for line in lines]
        self._heads = [(next(each), number) for number, each in enumerate(self._each)]
        heapq.heapify(self._heads)

    def __iter__(self) -> Iterator[tuple[int, Line, Order]]:
        """Line number, line and place of the next pod; its line ends there, unless it goes on."""
        while self._heads:
            order, number = heapq.heappop(self._heads)
            yield number, self._lines[number], order

    def go_on(self, number: int) -> None:
        """Let the line's next pod have its turn."""
        order = next(self._each[number], None)
        if order is not None:
            heapq.heappush(self._heads, (order, number))

    def again(self, order: Order, number: int) -> None:
        """Let this pod of a line have another turn."""
        heapq.heappush(self._heads, (order, number))
