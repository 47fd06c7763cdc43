"""Tolerations of a proxy on its virtual node, from those its user wrote.

Two taints end pods on a virtual node, and they mean different things. ``not-ready``: the scheduler
said that the cluster is lost; the user's own tolerations decide how long its pods wait for it.
``unreachable``: nobody renews the node's lease, which says only that the agent or NATS is away; it
must delete nothing, so it is tolerated without end. That toleration is stated without seconds,
because DefaultTolerationSeconds puts its 300 s back where none is stated, and of several that match
a taint the shortest counts (getMinTolerationTime in pkg/controller/tainteviction).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from mcs.names import PROVIDER, VIRTUAL_NODE_TAINT

Toleration = Mapping[str, object]

NOT_READY: Final = "node.kubernetes.io/not-ready"
UNREACHABLE: Final = "node.kubernetes.io/unreachable"
NO_EXECUTE: Final = "NoExecute"
DEFAULT_SECONDS: Final = 300

OURS: Final[tuple[dict[str, object], ...]] = (
    {
        "key": VIRTUAL_NODE_TAINT,
        "operator": "Equal",
        "value": PROVIDER,
        "effect": "NoSchedule",
    },
    {"key": UNREACHABLE, "operator": "Exists", "effect": NO_EXECUTE},
)


def of_proxy(stated: Sequence[Toleration]) -> list[dict[str, object]]:
    """The user's tolerations of NoExecute taints, those of ``unreachable`` replaced by ours.

    One for all taints with an end in seconds becomes one for ``not-ready``, since it would end the
    pod on ``unreachable`` too; a person's own NoExecute taint on a virtual node then ends the pod
    at once.
    """
    kept: list[dict[str, object]] = []
    for toleration in stated:
        copy = dict(toleration)
        if copy.get("effect") not in {None, "", NO_EXECUTE} or copy.get("key") == UNREACHABLE:
            continue
        if not copy.get("key") and copy.get("tolerationSeconds") is not None:
            copy |= {"key": NOT_READY, "operator": "Exists"}
        if copy not in kept and copy not in OURS:
            kept.append(copy)
    return kept + [dict(toleration) for toleration in OURS]


def suffice(stated: Sequence[Toleration], wanted: Sequence[Toleration]) -> bool:
    """Whether a proxy's tolerations hold all that are wanted, and none that shortens ours."""
    return all(item in stated for item in wanted) and not any(
        item.get("key") in {None, "", UNREACHABLE} and item.get("tolerationSeconds") is not None
        for item in stated
    )


def is_default(toleration: Toleration) -> bool:
    """Whether DefaultTolerationSeconds added it (or it says the same)."""
    return (
        toleration.get("key") in {NOT_READY, UNREACHABLE}
        and toleration.get("operator") == "Exists"
        and toleration.get("effect") == NO_EXECUTE
        and toleration.get("tolerationSeconds") == DEFAULT_SECONDS
    )
