"""Pods for a full account, in columns: words and requests that many share are written once."""

from __future__ import annotations

from typing import Final

from mcs.events.frames import FRAME_BYTES
from mcs.events.observations import PodObserved, PodsObserved

PODS_MAX: Final = 1_000  # in one event: what a reader folds without a pause that others notice
_INDEX_BYTES: Final = 24  # at most: three indexes, quotes and commas
_WORD_BYTES: Final = 3  # quotes and a comma
_AMOUNT_BYTES: Final = 24


class PodColumns:
    """Pods gathered for one event, which ``take`` gives."""

    def __init__(self) -> None:
        self._clear()

    def __len__(self) -> int:
        return len(self._uid)

    @property
    def full(self) -> bool:
        """Whether it is time to take them, well before a frame is full."""
        return len(self._uid) >= PODS_MAX or self._bytes > FRAME_BYTES // 2

    def add(self, pod: PodObserved) -> None:
        """Gather one pod more."""
        ask = tuple(pod.requests.items())
        for words, word in (self._namespaces, pod.namespace), (self._nodes, pod.node):
            if word not in words:
                words[word] = len(words)
                self._bytes += len(word) + _WORD_BYTES
        if ask not in self._asks:
            self._asks[ask] = len(self._asks)
            self._bytes += sum(len(name) + _AMOUNT_BYTES for name, _ in ask)
        self._uid.append(pod.uid)
        self._name.append(pod.name)
        self._namespace.append(self._namespaces[pod.namespace])
        self._node.append(self._nodes[pod.node])
        self._ask.append(self._asks[ask])
        self._bytes += len(pod.uid) + len(pod.name) + 2 * _WORD_BYTES + _INDEX_BYTES

    def take(self) -> PodsObserved:
        """What was gathered since the last one was taken."""
        event = PodsObserved(
            uid=tuple(self._uid),
            name=tuple(self._name),
            namespace=tuple(self._namespace),
            node=tuple(self._node),
            ask=tuple(self._ask),
            namespaces=tuple(self._namespaces),
            nodes=tuple(self._nodes),
            asks=tuple(map(dict, self._asks)),
        )
        self._clear()
        return event

    def _clear(self) -> None:
        self._uid: list[str] = []
        self._name: list[str] = []
        self._namespace: list[int] = []
        self._node: list[int] = []
        self._ask: list[int] = []
        self._namespaces: dict[str, int] = {}
        self._nodes: dict[str, int] = {}
        self._asks: dict[tuple[tuple[str, int], ...], int] = {}
        self._bytes = 0
