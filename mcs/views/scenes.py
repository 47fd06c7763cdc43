"""What a live view shows, as data: clusters that fill, proxies beside their delegates, and events.

``mcs demo`` makes scenes from what it sees in its clusters, ``mcs replay --follow`` from the state
that it folds; ``screens`` draws both.
"""

from __future__ import annotations

import msgspec

from mcs.events.observations import Phase
from mcs.projections.backlog import Proxy
from mcs.projections.ledger import Placement, Stage
from mcs.projections.membership import Member
from mcs.projections.state import State
from mcs.quantities import CPU
from mcs.views.overview import states_of
from mcs.views.words import Words


class Gauge(msgspec.Struct, kw_only=True):
    """One node's CPU in thousandths of a core. ``ours``: delegates' use, ``booked``: set aside for
    some; ``count``: how many these are; ``others``: all other pods' use.
    """

    node: str
    whole: int
    others: int = 0
    ours: int = 0
    booked: int = 0
    count: int = 0

    @property
    def free(self) -> int:
        """What is left."""
        return max(0, self.whole - self.others - self.ours - self.booked)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster, its nodes in order. ``note``: what is wrong with it."""

    cluster: str
    gauges: tuple[Gauge, ...]
    note: str = ""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A proxy and its delegate (or a pod that runs where it is). Phases are words."""

    proxy: str
    shows: str
    target: str = ""
    node: str = ""
    delegate: str = ""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """One picture. ``rows``: lines to keep for pairs; ``heads``: of the proxies and delegates;
    ``unit``: what a node's count counts; ``tail``: sentences, newest last.
    """

    title: Words
    heading: Words
    places: tuple[Place, ...]
    pairs: tuple[Pair, ...]
    tail: tuple[Words, ...]
    tail_title: str
    rows: int = 0
    heads: tuple[str, str] = ("proxy", "delegate in")
    unit: str = "pod"


def places_of(state: State) -> tuple[Place, ...]:
    """The clusters of a state, and what is charged to their nodes."""
    gauges = {
        (cluster, name): Gauge(node=name, whole=node.allocatable.get(CPU, 0))
        for cluster, nodes in state.inventory.nodes.items()
        for name, node in nodes.items()
    }
    for key, charge in state.inventory.charges.items():
        gauge = gauges.get((charge.cluster, charge.node))
        if gauge is None:
            continue
        milli = charge.requests.get(CPU, 0)
        if charge.booking:
            gauge.booked += milli
        elif key in state.ledger.placements:
            gauge.ours += milli
        else:
            gauge.others += milli
            continue
        gauge.count += 1
    members = state.membership.members
    return tuple(
        Place(
            cluster=name,
            gauges=tuple(gauge for key, gauge in sorted(gauges.items()) if key[0] == name),
            note=_note(state, members[name]),
        )
        for name in sorted(members)
        if not members[name].removed
    )


def pairs_of(state: State) -> tuple[Pair, ...]:
    """The proxies of a state: first those that are not over, in the order of arrival; then the
    others, newest first.
    """
    proxies = sorted(state.backlog.proxies.values(), key=lambda proxy: (proxy.created, proxy.uid))
    over = [proxy for proxy in proxies if _over(state, proxy)]
    alive = [proxy for proxy in proxies if not _over(state, proxy)]
    return tuple(_pair(state, proxy) for proxy in [*alive, *reversed(over)])


def _note(state: State, member: Member) -> str:
    words = states_of(state, member)
    return "" if words == ("ok",) else ", ".join(words)


def _over(state: State, proxy: Proxy) -> bool:
    latest = state.ledger.latest(proxy.uid)
    return proxy.ended and (latest is None or latest.stage >= Stage.ENDED)


def _pair(state: State, proxy: Proxy) -> Pair:
    latest = state.ledger.latest(proxy.uid)
    name = f"{proxy.source} {proxy.namespace}/{proxy.name}"
    if latest is None or (not latest.live and proxy.waits):
        return Pair(proxy=name, shows=_shows(proxy, None))
    seen = latest.seen
    node = seen.node if seen is not None and seen.node else latest.node
    return Pair(
        proxy=name,
        shows=_shows(proxy, latest),
        target=latest.target,
        node=node,
        delegate=_delegate(latest),
    )


def _shows(proxy: Proxy, latest: Placement | None) -> str:
    """What a person sees of the proxy: a phase, or what it waits for."""
    if proxy.gone:
        return "gone"
    if proxy.released:
        return "let go"
    if proxy.deleting:
        return "Terminating"
    if latest is not None and (proxy.ended or latest.stage is Stage.BOUND):
        return str(latest.phase)
    if proxy.ended:
        return "ended"
    if latest is not None:
        return "placed"
    return "gated" if proxy.gates else "waiting"


def _delegate(latest: Placement) -> str:
    if latest.stage is Stage.DECIDED:
        return "booked"
    if latest.stage is Stage.REJECTED:
        return "rejected"
    if latest.stage is Stage.GONE:
        return f"{latest.phase}, gone" if latest.phase is not Phase.PENDING else "gone"
    return "Terminating" if latest.deleting and latest.stage < Stage.ENDED else str(latest.phase)
