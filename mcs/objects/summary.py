"""A cluster in a few numbers: what its heartbeat says, and other clusters' virtual nodes show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from mcs.errors import BadSettings
from mcs.events.observations import NodeObserved
from mcs.names import DEFAULT_DOMAIN, VIRTUAL_NODE_TAINT
from mcs.quantities import PODS, Resources

_PRIVATE: Final = (
    r"kubernetes\.io/hostname",
    r"node-role\.kubernetes\.io/.*",
    r"kubernetes\.io/role",
    r"node\.kubernetes\.io/exclude-from-external-load-balancers",
    r"(beta\.|alpha\.)?service-controller\.kubernetes\.io/.*",
    re.escape(VIRTUAL_NODE_TAINT),
    re.escape(DEFAULT_DOMAIN) + r"/.*",
    r"type",
)
_private: Final = re.compile("|".join(f"(?:{pattern})" for pattern in _PRIVATE))


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a heartbeat says: totals, and what is free on nodes that take pods."""

    totals: Resources
    free: Resources
    labels: dict[str, str]
    nodes: int
    pods: int


def left(node: NodeObserved, used: Mapping[str, int], pods: int) -> Resources:
    """What ``pods`` pods that use so much leave of a node; nothing of one that takes no pods."""
    if not node.ready or node.cordoned:
        return {}
    return {
        name: max(0, amount - used.get(name, 0) - (pods if name == PODS else 0))
        for name, amount in node.allocatable.items()
    }


def common_labels(labels: Iterable[Mapping[str, str]], *, excluded: str = "") -> dict[str, str]:
    """Labels that all nodes carry with one value, without those that say what one node is.

    Raises:
        BadSettings: ``excluded`` is no regular expression.
    """
    try:
        pattern = re.compile(excluded) if excluded else None
    except re.error as error:
        raise BadSettings(f"{excluded!r} is no regular expression: {error}") from error
    common: dict[str, str] | None = None
    for each in labels:
        if common is None:
            common = dict(each)
        elif any(each.get(key) != value for key, value in common.items()):
            common = {key: value for key, value in common.items() if each.get(key) == value}
    return {
        key: value
        for key, value in sorted((common or {}).items())
        if may_stand_for_a_cluster(key) and not (pattern and pattern.match(f"{key}={value}"))
    }


def may_stand_for_a_cluster(key: str) -> bool:
    """Whether a label with this key may pass from a target's nodes to its virtual node: one of a
    single node (its hostname, its role) or of ours must not.
    """
    return _private.fullmatch(key) is None
