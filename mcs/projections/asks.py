"""Requests that many pods share, each kept once: thousands of pods ask for a handful of amounts."""

from __future__ import annotations

import msgspec
import numpy as np

from mcs.projections.hashing import Lanes, hash_text
from mcs.quantities import Resources

_encoder = msgspec.json.Encoder(order="sorted")


class Asks:
    """Requests by number; one that nobody uses any more leaves its number to another."""

    def __init__(self) -> None:
        self.requests: list[Resources] = []
        self.lanes: Lanes = np.zeros((0, 2), np.uint64)
        self._numbers: dict[tuple[tuple[str, int], ...], int] = {}
        self._counts: list[int] = []
        self._free: list[int] = []

    def find(self, requests: Resources) -> int:
        """The number of these requests, -1 if nobody has them."""
        return self._numbers.get(tuple(requests.items()), -1)

    def take(self, requests: Resources, count: int = 1) -> int:
        """The number of these requests, for ``count`` more pods."""
        key = tuple(requests.items())
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = self._new(requests)
        self._counts[number] += count
        return number

    def give(self, number: int) -> Resources:
        """The requests of one pod that does not use them any more."""
        requests = self.requests[number]
        self._counts[number] -= 1
        if not self._counts[number]:
            del self._numbers[tuple(requests.items())]
            self._free.append(number)
        return requests

    def _new(self, requests: Resources) -> int:
        if self._free:
            number = self._free.pop()
            self.requests[number] = requests
        else:
            number = len(self.requests)
            self.requests.append(requests)
            self._counts.append(0)
            if number >= len(self.lanes):
                more = np.zeros((max(8, number), 2), np.uint64)
                self.lanes = np.concatenate((self.lanes, more))
        self.lanes[number : number + 1] = hash_text(_encoder.encode(requests).decode())
        return number
