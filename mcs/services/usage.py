"""What pods take of each node, kept as a running sum: a heartbeat must not add up 20,000 pods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from mcs.quantities import Resources


class Usage:
    """``used`` and ``pods``: requests and number of the pods on each node, by its name.
    ``touched``: nodes of which more or less is taken than when somebody cleared it.
    """

    def __init__(self) -> None:
        self.used: dict[str, Resources] = {}
        self.pods: Counter[str] = Counter()
        self.touched: set[str] = set()
        self._charged: dict[str, tuple[str, Resources]] = {}

    def take(self, node: str, requests: Mapping[str, int]) -> None:
        """One more pod takes ``requests`` of ``node``."""
        self._add(node, requests, 1)

    def free(self, node: str, requests: Mapping[str, int]) -> None:
        """A pod takes ``requests`` of ``node`` no more."""
        self._add(node, requests, -1)
        if not self.pods[node]:
            del self.used[node], self.pods[node]

    def charge(self, key: str, node: str, requests: Resources) -> None:
        """Pod ``key`` takes ``requests`` of ``node``, whatever it took before."""
        if self._charged.get(key) == (node, requests):
            return
        self.discharge(key)
        self._charged[key] = node, requests
        self.take(node, requests)

    def discharge(self, key: str) -> None:
        """Pod ``key`` takes nothing any more."""
        if key in self._charged:
            self.free(*self._charged.pop(key))

    def _add(self, node: str, requests: Mapping[str, int], sign: int) -> None:
        used = self.used.setdefault(node, {})
        for name, amount in requests.items():
            used[name] = used.get(name, 0) + sign * amount
        self.pods[node] += sign
        self.touched.add(node)
