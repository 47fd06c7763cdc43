"""Inventories to which anything happens at random, for whoever follows their changes."""

import random

from mcs.events.constraints import Constraints, Requirement, Taint, Term, Toleration
from mcs.projections.inventory import Inventory
from tests.building import node, pods

CLUSTERS = ("c1", "c2", "c3")
NODES = 60
GPU = "nvidia.com/gpu"
REQUESTS = ({}, {"cpu": 100}, {"cpu": 300, "memory": 1 << 33}, {GPU: 1, "cpu": 1}, {"none": 1})


def requirement(key, *values, operator="In"):
    return Requirement(key=key, operator=operator, values=values)


CONSTRAINTS = (
    Constraints(),
    Constraints(selector={"zone": "b"}, tolerations=(Toleration(operator="Exists"),)),
    Constraints(affinity=(Term(labels=(requirement("zone", "a", "c"),)),)),
    Constraints(selector={"kubernetes.io/hostname": "n3"}),
    Constraints(affinity=(Term(labels=(requirement("kubernetes.io/hostname", "n4", "n5"),)),)),
    Constraints(affinity=(Term(fields=(requirement("metadata.name", "n6"),)),)),
)


class Stock:
    """An inventory of a few clusters, each with nodes enough that single changes are followed."""

    def __init__(self, seed):
        self.random, self.inventory, self.serial = random.Random(seed), Inventory(), 0
        self.placed = []
        for cluster in CLUSTERS:
            for number in range(NODES):
                self.inventory.observe_node(cluster, self.node(number), 1)

    def node(self, number):
        chance = self.random
        return node(
            f"n{number}",
            cpu=chance.choice((0, 500, 4000)),
            pods=chance.choice((2, 110)),
            labels={"zone": chance.choice("ab"), "kubernetes.io/hostname": f"n{number}"},
            taints=(Taint(key="gpu", effect="NoSchedule"),) * (chance.random() < 0.2),
            ready=chance.random() < 0.9,
            cordoned=chance.random() < 0.1,
            more={GPU: 2} if chance.random() < 0.1 else {},
        )

    def change(self, most=6):
        """A few things happen, or, now and then, very many."""
        for _ in range(self.random.choice((1, 2, most, most, 40))):
            self._happen(self.random.choice(CLUSTERS))

    def _happen(self, cluster):
        chance, inventory = self.random, self.inventory
        number, where = chance.randrange(NODES + 4), f"n{chance.randrange(NODES + 4)}"
        match chance.randrange(8):
            case 0:
                inventory.observe_node(cluster, self.node(number), 1)
            case 1 if chance.random() < 0.5:
                inventory.drop_node(cluster, where)
            case 2 | 3:
                asked = chance.choice(({"cpu": 50}, {"cpu": 900}, {GPU: 1}, {"odd": 3}))
                inventory.observe_pod(cluster, f"p{chance.randrange(99)}", where, asked, 1)
            case 4:
                inventory.drop_pod(cluster, f"p{chance.randrange(99)}")
            case 5:
                self.serial += 1
                self.placed.append(f"u{self.serial}")
                inventory.charge(self.placed[-1], cluster, where, {"cpu": 200}, booking=True)
            case 6 if self.placed:
                inventory.discharge(self.placed.pop())
            case 7 if chance.random() < 0.2:
                each = [(f"p{chance.randrange(99)}", where, 10) for _ in range(3)]
                inventory.observe_pods(cluster, pods(*each), 1)
