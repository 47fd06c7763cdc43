"""A cluster's summary, all nodes added up: what ``services.totals`` must agree with."""

from mcs.objects.summary import Summary, common_labels, left
from mcs.quantities import add, bounded


def summarised(nodes, used, *, pods=None):
    """The cluster's real nodes together.

    ``used`` and ``pods``: requests and number of the pods bound to each node, by its name.
    """
    everything = sorted(nodes, key=lambda node: node.name)
    count = pods or {}
    totals, free = {}, {}
    for node in everything:
        totals = add(totals, node.allocatable)
        free = add(free, left(node, used.get(node.name, {}), count.get(node.name, 0)))
    return Summary(
        totals=bounded(totals),
        free=bounded(free),
        labels=common_labels(node.labels for node in everything),
        nodes=len(everything),
        pods=sum(count.get(node.name, 0) for node in everything),
    )
