"""What was said on one channel: an account repeats a fact only when it has changed.

A full resync begins by forgetting what was said; then everything is said again.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from mcs.events.observations import Observation
from mcs.services.publisher import Publisher

_encoder: Final = msgspec.json.Encoder()
_DIGEST_BYTES: Final = 8  # compares a fact with its own predecessor only


class Account:
    """One channel's account, by a key for each thing that is spoken of.

    Of each fact only a digest is kept: manifests and statuses are large.
    """

    def __init__(self, publisher: Publisher, channel: str) -> None:
        self.channel = channel
        self._publisher = publisher
        self._said: dict[str, bytes] = {}

    def begin(self) -> None:
        """Forget what was said: a full account begins."""
        self._said.clear()

    def say(self, key: str, event: Observation) -> None:
        """Tell the log, unless it is what was said of ``key`` last."""
        digest = hashlib.blake2b(_encoder.encode(event), digest_size=_DIGEST_BYTES).digest()
        if self._said.get(key) != digest:
            self._said[key] = digest
            self._publisher.offer(self.channel, event)

    def end(self, key: str, event: Observation | None = None) -> None:
        """Of ``key`` there is nothing more to say but ``event``, if it was spoken of at all (what a
        full account does not name is gone by itself).
        """
        if self._said.pop(key, None) is not None and event is not None:
            self._publisher.offer(self.channel, event)

    def knows(self, key: str) -> bool:
        """Whether ``key`` was spoken of since the account began."""
        return key in self._said
