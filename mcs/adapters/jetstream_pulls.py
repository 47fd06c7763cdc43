"""Pull requests under way: how many messages a consumer owes, and of how many it surely knows.

Pulls are answered in the order in which they were sent, so a message, or a heartbeat, proves that
the oldest one which is still open has arrived. Of the younger ones nothing is known: they may be on
their way, and while nobody has asked, messages wait in the stream and may be trimmed unseen.
"""

from __future__ import annotations

from collections import deque


class Pulls:
    """Counts messages; pulls are told apart only as far as they have arrived or not."""

    def __init__(self) -> None:
        self.arrived = 0
        """Messages that the server surely is still asked for."""
        self._sent: deque[int] = deque()  # of pulls of which nothing was heard yet

    @property
    def open(self) -> int:
        """Messages asked for that have not come."""
        return self.arrived + sum(self._sent)

    def send(self, count: int) -> None:
        """So many are asked for."""
        self._sent.append(count)

    def hear(self) -> None:
        """The server has said something for which it needs a pull."""
        if not self.arrived and self._sent:
            self.arrived = self._sent.popleft()

    def take(self, count: int = 1) -> None:
        """So many have come, or will not come any more."""
        if count <= self.arrived:  # nearly always
            self.arrived -= count
            return
        while count > 0 and self.open:
            self.hear()
            some = min(count, self.arrived)
            self.arrived -= some
            count -= some
