"""What must be true once everything is healed, had its time, and is quiet.

I2  Every proxy has reached an end: finished as its delegate did, gone, or waiting for a reason that
    is true now. No delegate outlives its proxy.
I5  What the log says of nodes, and of what is taken there, is what the clusters have.
I8  A proxy is placed, or told why not, within a bound (``check_answers``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mcs.events.subjects import CAPACITY, PROXY
from mcs.projections.state import State
from mcs.quantities import Resources
from mcs.simulation.checkers.findings import Findings
from mcs.simulation.checkers.orders import Orders
from mcs.simulation.checkers.replaying import Replaying
from mcs.simulation.checkers.rooms import Rooms, exit_codes
from mcs.simulation.checkers.sightings import ENDED, Life, Sightings
from mcs.simulation.checkers.waiting import Waiting

BOUND_ELSEWHERE = "BoundElsewhere"


class Endings:
    """Looks once, at the end."""

    def __init__(
        self, sightings: Sightings, orders: Orders, rooms: Rooms, waiting: Waiting
    ) -> None:
        self._sightings, self._orders = sightings, orders
        self._rooms, self._waiting = rooms, waiting

    def check(self, findings: Findings) -> None:
        """I2."""
        for proxy in self._sightings.proxies.values():
            for problem in self._problems(proxy) if not proxy.gone else ():
                findings.add("I2", f"proxy {proxy} {problem}")
        for delegates in self._sightings.delegates.values():
            for delegate in delegates:
                home = delegate.source in self._sightings.nodes
                if not delegate.gone and home and delegate.source not in self._orders.removed:
                    owner = self._sightings.proxies.get(delegate.proxy_uid)
                    if owner is None or owner.gone:
                        findings.add("I2", f"delegate {delegate} outlives its proxy")

    def _problems(self, proxy: Life) -> Iterator[str]:
        delegates = self._sightings.delegates.get(proxy.uid, [])
        running = [each for each in delegates if each.could_run]
        if proxy.deleting:
            finalizers = proxy.manifest["metadata"].get("finalizers")
            yield f"is still being deleted, with finalizers {finalizers}"
        elif proxy.ended:
            yield from self._finished(proxy)
            for delegate in running:
                yield f"has ended, and its delegate {delegate} could run ({delegate.phase})"
        elif not proxy.node:
            yield from self._waiting.problems(proxy)
        else:
            shown = [f"{each} {each.phase}" for each in delegates]
            yield f"has not ended: it is {proxy.phase} on {proxy.node}, with {shown}"

    def _finished(self, proxy: Life) -> Iterator[str]:
        placements = self._orders.of(proxy.uid)
        told = [self._orders.ends.get(each.placement, "") for each in placements]
        reason = (proxy.manifest.get("status") or {}).get("reason", "")
        if reason == BOUND_ELSEWHERE or (
            placements and placements[-1].placement in self._orders.late
        ):
            return
        if not placements or placements[-1].placement not in self._orders.ends:
            if proxy.uid not in self._orders.released:
                yield f"is {proxy.phase}, and nobody told the end of its delegate"
            return
        if told[-1] in ENDED and told[-1] != proxy.phase:
            yield f"is {proxy.phase}, but {placements[-1].placement} was told to be {told[-1]}"
        for delegate in self._sightings.delegates.get(proxy.uid, []):
            if self._orders.unseen(delegate):
                continue  # another one was made (seed 56130)
            if delegate.placement == placements[-1].placement and told[-1] == proxy.phase:
                mine, theirs = exit_codes(proxy), exit_codes(delegate)
                if delegate.phase == proxy.phase and mine != theirs:
                    yield f"shows exit codes {mine}; its delegate ended with {theirs}"


def check_inventory(
    findings: Findings,
    rooms: Rooms,
    state: Replaying,
    clusters: Collection[str],
    forged: Collection[int] = (),
) -> None:
    """I5, at the end: the scheduler's inventory and the plain account agree with the clusters.

    ``forged``: see ``check_known``; what its agent says after such an account is not heard
    (seed 2862).
    """
    for name, member in sorted(state.membership.members.items()):
        if name not in clusters or member.removed or member.left or member.lost:
            continue
        if CAPACITY in member.channels and member.channels[CAPACITY].resync in forged:
            continue
        real = {node: rooms.offered(manifest) for node, manifest in rooms.nodes(name).items()}
        observed = state.inventory.nodes.get(name, {})
        projected = {node: known.allocatable for node, known in observed.items()}
        plain = {
            place[1]: node.allocatable
            for place, (node, _) in state.accounts.nodes.items()
            if place[0] == name
        }
        for whose, nodes in (("the scheduler", projected), ("the log", plain)):
            for node in sorted({*nodes, *real}):
                if nodes.get(node) != real.get(node):
                    text = f"{whose} has node {name}/{node} with {nodes.get(node)}"
                    findings.add("I5", f"{text}; the cluster, with {real.get(node)}")
        used = rooms.used(name)
        for node in sorted({*used, *real, *observed}):
            taken = _some(used.get(node, {}))
            for whose, load in (
                ("the scheduler", state.inventory.used(name, node)),
                ("the log", state.accounts.used((name, node))),
            ):
                if _some(load) != taken:
                    text = f"{whose} takes {_some(load)} of {name}/{node} for used"
                    findings.add("I5", f"{text}; its pods use {taken}")


def check_known(
    findings: Findings, state: State, clusters: Collection[str], forged: Collection[int] = ()
) -> None:
    """I2: each cluster's last account is complete, or its pods and others' would wait for ever.

    ``forged``: sequences at which somebody began an account in a cluster's name. Who may write
    there may leave it open (seed 1370); rights keep others from that, not the fold.
    """
    for name, member in sorted(state.membership.members.items()):
        if name not in clusters or member.removed or member.left:
            continue
        for channel, known in sorted(member.channels.items()):
            if known.resync in forged:
                continue
            endless = known.completed < known.resync and channel in {CAPACITY, PROXY}
            if known.broken or endless:
                what = "has a gap" if known.broken else f"has not ended since {known.resync}"
                findings.add("I2", f"the account of {name}/{channel} {what}, and nobody mends it")


def check_answers(
    findings: Findings,
    sightings: Sightings,
    orders: Orders,
    uids: Collection[str],
    *,
    bound_s: float,
    since_s: float,
) -> None:
    """I8: each of these proxies was placed, or told why not, at most ``bound_s`` after it was
    created, or after ``since_s`` if that is later.
    """
    for uid in sorted(uids):
        proxy = sightings.proxies[uid]
        begun_s = max(proxy.seen_s, since_s)
        answered_s = orders.answered_s.get(uid, findings.now_s())
        if answered_s - begun_s > bound_s:
            known = "was answered" if uid in orders.answered_s else "has no answer"
            text = f"proxy {proxy} {known} after {answered_s - begun_s:.1f} s"
            findings.add("I8", f"{text}; the bound is {bound_s:g} s")


def _some(amounts: Resources) -> Resources:
    return {name: amounts[name] for name in sorted(amounts) if amounts[name]}
