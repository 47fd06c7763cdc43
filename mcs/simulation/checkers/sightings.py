"""All pods and nodes of all clusters, as their API servers keep them and kept them.

It reads plain manifests and shares no code with the observers of mcs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.names import PROVIDER, SCHEDULER_NAME, VIRTUAL_NODE_TAINT, Keys
from mcs.objects.kinds import NODES, PODS
from mcs.ports import Change

Json = dict[str, Any]

ENDED = {"Succeeded", "Failed"}


@dataclass
class Life:
    """One pod. ``manifest`` is the latest; ``phases`` are all that it showed, in order."""

    cluster: str
    uid: str
    namespace: str
    name: str
    seen_s: float
    manifest: Json
    proxy_uid: str = ""  # of a delegate: whose it is
    attempt: str = ""
    source: str = ""
    elected: bool = False  # it is a proxy
    gone: bool = False
    phases: list[str] = field(default_factory=list)

    @property
    def placement(self) -> str:
        """Of a delegate."""
        return f"{self.proxy_uid}.{self.attempt}"

    @property
    def phase(self) -> str:
        """``status.phase``."""
        return self.phases[-1] if self.phases else "Pending"

    @property
    def ended(self) -> bool:
        """Whether no container of it will run again."""
        return self.phase in ENDED

    @property
    def node(self) -> str:
        """Where it is bound."""
        return str(self.manifest["spec"].get("nodeName") or "")

    @property
    def deleting(self) -> bool:
        """Whether somebody asked for its end."""
        return "deletionTimestamp" in self.manifest["metadata"]

    @property
    def could_run(self) -> bool:
        """Whether a container of it runs or may come to: it is there, has not ended, and has a node
        or can still get one (a pod that is being deleted cannot be bound).
        """
        return not self.gone and not self.ended and bool(self.node or not self.deleting)

    def __str__(self) -> str:
        whose = f", {self.placement}" if self.proxy_uid else ""
        return f"{self.cluster}/{self.namespace}/{self.name} ({self.uid}{whose})"


Listener = Callable[[Change, Life, Json | None], None]


class Sightings:
    """Watches from ``begin`` on. ``listeners`` are told of each change of a pod, with the manifest
    before it; ``writes`` of each write at all.
    """

    def __init__(
        self, clusters: Mapping[str, MemoryCluster], keys: Keys, now_s: Callable[[], float]
    ) -> None:
        self.lives: dict[str, Life] = {}
        self.proxies: dict[str, Life] = {}
        self.delegates: dict[str, list[Life]] = {}  # by proxy uid, ever
        self.names: dict[tuple[str, str, str], Life] = {}  # who has, or had last, that name
        self.nodes: dict[str, dict[str, Json]] = {name: {} for name in clusters}
        self.gone_nodes: dict[tuple[str, str], Json] = {}
        self.listeners: list[Listener] = []
        self.writes: list[Callable[[str, str, Json], None]] = []
        self._clusters, self._keys, self._now_s = clusters, keys, now_s

    def begin(self) -> None:
        """Look at what is there, then watch."""
        for name, cluster in self._clusters.items():
            for kind in (NODES, PODS):
                for manifest in cluster.objects(kind):
                    self._see(name, Change.ADDED, kind.path(), manifest, None)
            cluster.observers.append(self._observer(name))

    def on(self, cluster: str, node: str) -> list[Life]:
        """The pods bound to a node."""
        return [
            life
            for life in self.lives.values()
            if life.cluster == cluster and life.node == node and not life.gone
        ]

    def _observer(self, cluster: str) -> Callable[[Change, str, Json, Json | None], None]:
        def observe(change: Change, resource: str, now: Json, before: Json | None) -> None:
            self._see(cluster, change, resource, now, before)

        return observe

    def _see(
        self, cluster: str, change: Change, resource: str, now: Json, before: Json | None
    ) -> None:
        if resource == PODS.path():
            self._pod(cluster, change, now, before)
        elif resource == NODES.path():
            name = now["metadata"]["name"]
            if change is Change.DELETED:
                self.gone_nodes[cluster, name] = self.nodes[cluster].pop(name)
            else:
                self.nodes[cluster][name] = now
        for write in self.writes:
            write(cluster, resource, now)

    def _pod(self, cluster: str, change: Change, now: Json, before: Json | None) -> None:
        metadata = now["metadata"]
        life = self.lives.get(metadata["uid"])
        if life is None:
            life = self._new(cluster, now)
        life.manifest, life.gone = now, change is Change.DELETED
        phase = (now.get("status") or {}).get("phase") or "Pending"
        if phase != life.phase or not life.phases:
            life.phases.append(phase)
        for listener in self.listeners:
            listener(change, life, before)

    def _new(self, cluster: str, manifest: Json) -> Life:
        metadata, keys = manifest["metadata"], self._keys
        labels, notes = metadata.get("labels") or {}, metadata.get("annotations") or {}
        key = (metadata["namespace"], metadata["name"])
        life = Life(cluster, metadata["uid"], *key, self._now_s(), manifest)
        self.lives[life.uid] = self.names[cluster, *key] = life
        if labels.get(keys.proxy_uid) and labels.get(keys.source):
            life.proxy_uid, life.source = labels[keys.proxy_uid], labels[keys.source]
            life.attempt = labels.get(keys.attempt, "")
            self.delegates.setdefault(life.proxy_uid, []).append(life)
        elif manifest["spec"].get("schedulerName") == SCHEDULER_NAME and keys.manifest in notes:
            life.elected = True
            self.proxies[life.uid] = life
        return life


def is_virtual(node: Json) -> bool:
    """Whether a Node is one of ours."""
    return (node["metadata"].get("labels") or {}).get(VIRTUAL_NODE_TAINT) == PROVIDER
