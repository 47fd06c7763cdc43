"""What real nodes have left, added up from the manifests of all pods: nothing of mcs is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mcs.quantities import PODS, Resources, parse
from mcs.simulation.checkers.sightings import Json, Life, Sightings, is_virtual

MOST_PODS = 110
"""On a node that states no limit (kubelet's ``--max-pods``)."""


class Rooms:
    """The real nodes of all clusters, as they are now."""

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings

    def nodes(self, cluster: str) -> dict[str, Json]:
        """The real nodes of a cluster."""
        known = self._sightings.nodes[cluster]
        return {name: node for name, node in known.items() if not is_virtual(node)}

    def offered(self, node: Json) -> Resources:
        """Allocatable amounts."""
        stated = (node.get("status") or {}).get("allocatable") or {}
        return {name: parse(name, str(amount)) for name, amount in stated.items()}

    def used(self, cluster: str) -> dict[str, Resources]:
        """By node, what its pods that have not ended take; virtual nodes are left out."""
        total: dict[str, Resources] = {}
        for life in self._sightings.lives.values():
            if life.cluster != cluster or not life.node or life.gone or life.ended:
                continue
            node = self._sightings.nodes[cluster].get(life.node)
            if life.elected or (node is not None and is_virtual(node)):
                continue
            _add(total.setdefault(life.node, {}), {**asked(life.manifest["spec"]), PODS: 1})
        return total

    def eligible(self, cluster: str, spec: Json) -> list[str]:
        """The nodes that a pod may be on, whatever is free there."""
        return [name for name, node in self.nodes(cluster).items() if _takes(node, spec)]

    def copies(self, cluster: str, spec: Json) -> int:
        """How many such pods there is room for on the nodes that they may be on."""
        used, wanted = self.used(cluster), {**asked(spec), PODS: 1}
        total = 0
        for node in self.eligible(cluster, spec):
            offered, taken = self.offered(self._sightings.nodes[cluster][node]), used.get(node, {})
            total += min(
                (offered.get(name, MOST_PODS if name == PODS else 0) - taken.get(name, 0)) // amount
                for name, amount in wanted.items()
                if amount > 0
            )
        return total

    def lacking(self, cluster: str, node: str, spec: Json) -> list[str]:
        """The resources of which a node has too little left for one more such pod."""
        offered = self.offered(self._sightings.nodes[cluster][node])
        used = self.used(cluster).get(node, {})
        wanted = {**asked(spec), PODS: 1}
        return [
            name
            for name, amount in sorted(wanted.items())
            if amount > 0
            and used.get(name, 0) + amount > offered.get(name, MOST_PODS if name == PODS else 0)
        ]


def asked(spec: Json) -> Resources:
    """Effective requests: all app containers and sidecars, or the worst moment of the start."""
    total: Resources = {}
    for container in spec.get("containers") or ():
        _add(total, _requests(container))
    sidecars: Resources = {}
    worst: Resources = {}
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            _add(sidecars, _requests(container))
            continue
        moment = dict(sidecars)
        _add(moment, _requests(container))
        worst = {name: max(worst.get(name, 0), moment.get(name, 0)) for name in {**worst, **moment}}
    _add(total, sidecars)
    total = {name: max(total.get(name, 0), worst.get(name, 0)) for name in {**total, **worst}}
    overhead = spec.get("overhead") or {}
    _add(total, {name: parse(name, str(amount)) for name, amount in overhead.items()})
    return {name: amount for name, amount in total.items() if amount}


def exit_codes(life: Life) -> dict[str, int]:
    """Exit code of each container that ended."""
    statuses: Iterable[Any] = (life.manifest.get("status") or {}).get("containerStatuses") or ()
    return {
        status["name"]: int(status["state"]["terminated"].get("exitCode", 0))
        for status in statuses
        if "terminated" in (status.get("state") or {})
    }


def _requests(container: Json) -> Resources:
    stated = (container.get("resources") or {}).get("requests") or {}
    return {name: parse(name, str(amount)) for name, amount in stated.items()}


def _add(total: Resources, more: Resources) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _takes(node: Json, spec: Json) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    if not ready or node.get("spec", {}).get("unschedulable"):
        return False
    labels = node["metadata"].get("labels") or {}
    wanted = (spec.get("nodeSelector") or {}).items()
    if any(labels.get(key) != value for key, value in wanted):
        return False
    taints = (node.get("spec") or {}).get("taints") or ()
    return all(
        taint["effect"] == "PreferNoSchedule"
        or any(_tolerates(each, taint) for each in spec.get("tolerations") or ())
        for taint in taints
    )


def _tolerates(toleration: Json, taint: Json) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")
