"""What a verdict rests on: the facts that decided it, and the bookings that counted.

A fact is named by what it is about (``("node", "c1", "n1")``), not by an event: which message said
it last is known to ``evidence``, which has read the log.
"""

from __future__ import annotations

import msgspec

from mcs.decisions.choosing import Choosing
from mcs.decisions.fitting import barred
from mcs.events.decisions import Fits, Lacks, Never, Partly, Verdict
from mcs.names import placement_id
from mcs.projections.backlog import Proxy
from mcs.projections.state import State

Fact = tuple[str, ...]
_NODES_MOST = 5  # nodes that are named where one constraint bars many


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """Capacity set aside for a delegate that was not seen bound yet. ``decision``: the sequence of
    its decision; 0: it was not taken. ``ahead``: it is of a pod further ahead in the queue, which
    the cycle that decides this one takes first.
    """

    placement: str
    namespace: str
    name: str
    node: str
    requests: dict[str, int]
    decision: int = 0
    ahead: bool = False


class Grounds(msgspec.Struct, frozen=True):
    """What one cluster's verdict rests on."""

    facts: tuple[Fact, ...]
    bookings: tuple[Booking, ...]


def grounds_of(
    state: State, choosing: Choosing, proxy: Proxy, cluster: str, verdict: Verdict
) -> Grounds:
    """The grounds of a cluster's verdict on a proxy, but for bookings of the same cycle."""
    match verdict:
        case Never(constraint=constraint):
            return Grounds(_barring(state, proxy, cluster, constraint), ())
        case Fits() | Partly():
            node = choosing.fit(proxy, cluster).node
        case Lacks(resource=resource):
            node = freest(state, choosing, proxy, cluster, resource)
    used = [
        ("charge", key)
        for key, charge in state.inventory.charges.items()
        if (charge.cluster, charge.node) == (cluster, node) and not charge.booking
    ]
    return Grounds((("node", cluster, node), *used), _bookings(state, cluster))


def ahead(proxy: Proxy, node: str) -> Booking:
    """What a proxy further ahead in the queue takes in the same cycle."""
    return Booking(
        placement=placement_id(proxy.uid, proxy.attempts + 1),
        namespace=proxy.namespace,
        name=proxy.name,
        node=node,
        requests=proxy.requests,
        ahead=True,
    )


def freest(state: State, choosing: Choosing, proxy: Proxy, cluster: str, resource: str) -> str:
    """The eligible node with most of a resource left, ties to the name; empty: there is none."""
    free = free_of(state, choosing, proxy, cluster, resource)
    return min(free, key=lambda name: (-free[name], name), default="")


def free_of(
    state: State, choosing: Choosing, proxy: Proxy, cluster: str, resource: str
) -> dict[str, int]:
    """What each eligible node has left of a resource."""
    return {
        name: node.allocatable.get(resource, 0)
        - choosing.scores.used(cluster, name).get(resource, 0)
        for name, node in state.inventory.nodes.get(cluster, {}).items()
        if not barred(proxy.constraints, node)
    }


def _bookings(state: State, cluster: str) -> tuple[Booking, ...]:
    """All that is booked in a cluster, in the order of decisions."""
    found = []
    for id, charge in state.inventory.charges.items():
        placement = state.ledger.placements.get(id)
        if charge.booking and charge.cluster == cluster and placement is not None:
            booking = Booking(
                placement=id,
                namespace=placement.namespace,
                name=placement.name,
                node=charge.node,
                requests=charge.requests,
                decision=placement.decided,
            )
            found.append(booking)
    return tuple(sorted(found, key=lambda booking: (booking.decision, booking.placement)))


def _barring(state: State, proxy: Proxy, cluster: str, constraint: str) -> tuple[Fact, ...]:
    """The facts behind a constraint, as ``decisions.placing`` and ``decisions.fitting`` word it."""
    asked = ("proxy", proxy.uid)
    table: dict[str, tuple[Fact, ...]] = {
        "cluster lost": (("lost", cluster),),
        "agent stopped": (("left", cluster),),
        "cluster cordoned": (("cordon", cluster),),
        f"virtual node cordoned in {proxy.source}": (("virtual", proxy.source, cluster),),
        "capacity not known yet": (("joined", cluster), ("capacity", cluster)),
        "no nodes": (("capacity", cluster),),
        "no such target cluster": (asked, ("joined", cluster)),
        f"pinned to {proxy.cluster}": (asked,),
    }
    if constraint in table:
        return table[constraint]
    if constraint.startswith("tried: "):
        tried = [each for each in state.ledger.of(proxy.uid) if each.target == cluster]
        return (("charge", tried[-1].id),) if tried else ()
    nodes = [
        ("node", cluster, name)
        for name, node in state.inventory.nodes.get(cluster, {}).items()
        if barred(proxy.constraints, node) == constraint
    ]
    return (asked, *nodes[:_NODES_MOST])
