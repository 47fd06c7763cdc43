"""What pods take of each node, kept as a running sum: a heartbeat must not add up 20,000 pods."""

from __future__ import annotations

from collections import Counter

from mcs.quantities import Resources, add, subtract


class Usage:
    """``used`` and ``pods``: requests and number of the pods on each node, by its name."""

    def __init__(self) -> None:
        self.used: dict[str, Resources] = {}
        self.pods: Counter[str] = Counter()
        self._charged: dict[str, tuple[str, Resources]] = {}

    def charge(self, key: str, node: str, requests: Resources) -> None:
        """Pod ``key`` takes ``requests`` of ``node``, whatever it took before."""
        if self._charged.get(key) == (node, requests):
            return
        self.discharge(key)
        self._charged[key] = node, requests
        self.used[node] = add(self.used.get(node, {}), requests)
        self.pods[node] += 1

    def discharge(self, key: str) -> None:
        """Pod ``key`` takes nothing any more."""
        node, requests = self._charged.pop(key, ("", {}))
        if not node:
            return
        self.used[node] = subtract(self.used[node], requests)
        self.pods[node] -= 1
        if not self.pods[node]:
            del self.used[node], self.pods[node]
