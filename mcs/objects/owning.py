"""Whose pod is this? Proxies and delegates are recognised by what we wrote on them."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from enum import Enum
from typing import NamedTuple

from mcs.errors import BadName
from mcs.names import (
    PROVIDER,
    SCHEDULER_NAME,
    VIRTUAL_NODE_TAINT,
    Keys,
    PlacementId,
    placement_id,
    split_placement,
)
from mcs.objects.kinds import Node, Pod


class Owner(NamedTuple):
    """The source cluster and the placement that a delegate belongs to."""

    source: str
    placement: PlacementId


class Role(Enum):
    """What a pod is to us."""

    PROXY = "proxy"
    DELEGATE = "delegate"
    STRAY = "stray"  # not ours, on a virtual node, where nothing will ever run it: let it go
    OTHER = "other"  # everybody else's


def owner(pod: Pod, keys: Keys) -> Owner | None:
    """Whose delegate the pod is, by its labels; None when it is none."""
    labels = pod.metadata.labels or {}
    uid, attempt, source = (
        labels.get(key, "") for key in (keys.proxy_uid, keys.attempt, keys.source)
    )
    if not uid or not source:
        return None
    try:
        split_placement(f"{uid}.{attempt}")
    except BadName:
        return None
    return Owner(source=source, placement=placement_id(uid, int(attempt)))


def role(pod: Pod, keys: Keys, *, virtual_nodes: AbstractSet[str] = frozenset()) -> Role:
    """What the pod is to us; ``virtual_nodes`` holds the names of this cluster's virtual nodes.

    A proxy stays one after its release, until it is gone: what makes it one is the saved manifest
    and the scheduler's name, not the finalizer.
    """
    if owner(pod, keys) is not None:
        return Role.DELEGATE
    if pod.spec.scheduler_name == SCHEDULER_NAME and keys.manifest in (
        pod.metadata.annotations or {}
    ):
        return Role.PROXY
    return Role.STRAY if pod.spec.node_name in virtual_nodes else Role.OTHER


def is_virtual(node: Node) -> bool:
    """Whether the node is one of ours, which stands for another cluster."""
    return (node.metadata.labels or {}).get(VIRTUAL_NODE_TAINT) == PROVIDER
