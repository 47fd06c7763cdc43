"""Nodes and shapes of pods, by number: as many distinct ones as a case asks for.

A shape is what placement reads of a pod: requests and constraints. Nodes stand in ten zones and
four pools; each tenth is tainted. ``kind`` names the constraints that a case is about.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final, NamedTuple

from mcs.events.constraints import Constraints, Requirement, Taint, Term, Toleration
from mcs.events.observations import NodeObserved

GIB: Final = 1 << 30
ZONES: Final = 10
POOLS: Final = ("general", "general", "fast", "gpu")
KINDS: Final = ("plain", "selectors", "taints", "affinity", "mixed")

MANIFEST: Final = json.dumps(
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "NAME",
            "namespace": "default",
            "labels": {"app": "train", "step": "3"},
            "annotations": {"multicluster.admiralty.io/elect": ""},
        },
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "main",
                    "image": "registry.example/train:1.4",
                    "command": ["python", "-m", "train", "--epochs", "3"],
                    "env": [{"name": "SEED", "value": "1"}, {"name": "MODE", "value": "full"}],
                    "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}},
                }
            ],
        },
    },
    separators=(",", ":"),
)


class Shape(NamedTuple):
    """What placement reads of a pod."""

    requests: dict[str, int]
    constraints: Constraints = Constraints()


def node_name(number: int) -> str:
    """Name of a cluster's node."""
    return f"node-{number:05d}"


def node(number: int, *, ready: bool = True, generation: int = 0) -> NodeObserved:
    """A node of a cluster. Each ``generation`` of it offers a little less memory, as kubelets that
    are upgraded do.
    """
    name = node_name(number)
    return NodeObserved(
        name=name,
        allocatable={
            "cpu": 64_000,
            "ephemeral-storage": 400 * GIB,
            "memory": 256 * GIB - (generation % 64 << 20),
            "pods": 250,
        },
        labels={
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "pool": POOLS[number % len(POOLS)],
            "topology.kubernetes.io/zone": f"z{number % ZONES}",
        },
        taints=(Taint(key="dedicated", value="batch", effect="NoSchedule"),)
        if number % 10 == 9
        else (),
        ready=ready,
    )


def shapes(count: int, kind: str = "plain") -> list[Shape]:
    """So many distinct shapes of a kind."""
    return [
        Shape(
            {"cpu": 100 + number % 400, "memory": (1 + number // 400) << 28},
            constraints(kind, number),
        )
        for number in range(count)
    ]


def constraints(kind: str, number: int) -> Constraints:
    """The constraints of shape ``number`` in a case of ``kind``."""
    match kind:
        case "plain":
            return Constraints()
        case "selectors":
            return Constraints(selector={"topology.kubernetes.io/zone": f"z{number % ZONES}"})
        case "taints":
            tolerated = Toleration(key="dedicated", operator="Equal", value="batch")
            return Constraints(tolerations=(tolerated,) if number % 2 else ())
        case "affinity":
            return Constraints(affinity=tuple(_terms(number)))
        case "mixed":
            return constraints(KINDS[number % 4], number // 4)
        case _:
            raise ValueError(kind)


def _terms(number: int) -> Iterator[Term]:
    zones = tuple(f"z{(number + step) % ZONES}" for step in range(3))
    in_zones = Requirement(key="topology.kubernetes.io/zone", operator="In", values=zones)
    yield Term(labels=(in_zones, Requirement(key="pool", operator="NotIn", values=("gpu",))))
    yield Term(labels=(Requirement(key="pool", operator="In", values=("fast",)),))
