"""A digest of a table that is cheap to keep: the sum of one hash for each entry.

Changing an entry marks its key; the digest is settled at cycle boundaries only, where each marked
entry's old hash is subtracted and its new one added (modulo 2^128). The sum does not depend on the
order in which entries came, so a snapshot plus a tail and a full replay agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec

K = TypeVar("K")
_MODULUS: Final = 1 << 128
_encoder = msgspec.json.Encoder(order="sorted")
_fresh = hashlib.blake2b(digest_size=16)


class Digest(Generic[K]):
    """Digest of a table with keys ``K`` whose entries msgspec can encode."""

    def __init__(self) -> None:
        self._hashes: dict[K, int] = {}
        self._marked: dict[K, None] = {}
        self._total = 0

    def touch(self, key: K) -> None:
        """Say that the entry of ``key`` came, changed or went."""
        self._marked[key] = None

    def settle(self, read: Callable[[K], object | None]) -> str:
        """The digest now; ``read`` gives the entry of a key, None when it is gone."""
        for key in self._marked:
            self._total -= self._hashes.pop(key, 0)
            entry = read(key)
            if entry is not None:
                value = _hash(key, entry)
                self._hashes[key] = value
                self._total += value
        self._marked.clear()
        self._total %= _MODULUS
        return f"{self._total:032x}"


def combine(*digests: str) -> str:
    """One digest of several, in order."""
    return hashlib.blake2b("\n".join(digests).encode(), digest_size=16).hexdigest()


def _hash(key: object, entry: object) -> int:
    hashed = _fresh.copy()  # quicker than to begin anew
    hashed.update(_encoder.encode((key, entry)))
    return int.from_bytes(hashed.digest(), "big")
