"""Hashes of many rows at once, 128 bits each: two lanes of 64, by vector arithmetic.

They tell two states apart that should be one, and nobody has a reason to forge them: what is in the
log is protected by BLAKE2b. So a mixing function serves, the finalizer of SplitMix64 (Steele, Lea
and Flood, "Fast splittable pseudorandom number generators", 2014), which costs a hundredth of it.
Rows are arrays of shape (n, 2), unsigned; all arithmetic is modulo 2**64.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Lanes = npt.NDArray[np.uint64]
"""Hashes, one row of two lanes each."""

LONG: Final = 64
"""Bytes of a text that are hashed as they are; a longer one is digested before."""

_WORD: Final = 8
_SEEDS: Final = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)  # odd: a bijection


def hash_texts(texts: Sequence[str]) -> Lanes:
    """A hash for each text."""
    if not texts:
        return np.zeros((0, 2), np.uint64)
    packed = np.array([_short(text) for text in texts], dtype=np.bytes_)
    width = -(-max(packed.dtype.itemsize, 1) // _WORD)
    words = packed.astype(f"S{width * _WORD}").view("<u8").reshape(len(texts), width)
    total = np.zeros((len(texts), 2), np.uint64)
    for number in range(width):
        word = words[:, number : number + 1]
        # A word of zeros, which only pads, adds nothing: so the width of others does not count.
        total += np.where(word != 0, _mixed(word * _SEEDS + np.uint64(number)), np.uint64(0))
    return _mixed(total)


def hash_text(text: str) -> Lanes:
    """The hash of one text, of shape (1, 2)."""
    return hash_texts([text])


def combined(*parts: Lanes | npt.NDArray[np.int64]) -> Lanes:
    """One hash of several parts of each row, in order: hashes, or columns of integers."""
    total: Lanes = np.zeros(2, np.uint64)
    for part in parts:
        lanes: Lanes = part.astype(np.uint64, copy=False).reshape(len(part), part.ndim)
        total = _mixed(total * _SEEDS + _mixed(lanes + _SEEDS))
    return total


def _short(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return data if len(data) <= LONG else hashlib.blake2b(data).digest()


def _mixed(lanes: Lanes) -> Lanes:
    lanes = (lanes ^ (lanes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    lanes = (lanes ^ (lanes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(lanes ^ (lanes >> np.uint64(31)), np.uint64)
