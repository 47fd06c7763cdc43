"""What is wrong in the world at the moment. Accidents change it; wires ask it."""

from __future__ import annotations

from collections import Counter


class Weather:
    """Rates are percent. ``happened`` counts what came of them, by kind."""

    def __init__(self) -> None:
        self.appends: dict[str, int] = {}  # by process
        self.delivery_s: dict[str, float] = {}  # by process: the most
        self.losses: dict[str, int] = {}  # by process: of single messages to and from NATS
        self.requests = 0
        self.api: dict[str, int] = {}  # by cluster
        self.happened: Counter[str] = Counter()

    def clear(self) -> None:
        """Heal everything."""
        self.appends.clear()
        self.delivery_s.clear()
        self.losses.clear()
        self.requests = 0
        self.api.clear()
