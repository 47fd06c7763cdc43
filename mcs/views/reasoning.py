"""Why a pod waits, or went where it went: each cluster's verdict, with the numbers behind it.

The log keeps reasons without numbers (a number changes with every pod, a reason seldom). The
numbers are computed here, from the state of the moment that is asked about, by the rules that
placement itself uses.
"""

from __future__ import annotations

import msgspec

from mcs.decisions.placing import verdicts_for
from mcs.decisions.scoring import Scores
from mcs.events.decisions import Fits, Lacks, Never, Partly, Verdict
from mcs.projections.backlog import Proxy
from mcs.projections.state import State
from mcs.quantities import CPU, MEMORY, PODS
from mcs.views.amounts import amount, lasting
from mcs.views.grounds import Booking, Grounds, ahead, free_of, freest, grounds_of
from mcs.views.words import Words, bad, good, node, say, wait


class ClusterVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster's verdict on one pod. ``score``: how many such pods fit there; ``words`` say why,
    with numbers; ``chosen``: placement would take this one; ``tie``: clusters of the same, highest
    score, among which the name decides; ``grounds``: what it rests on, where that was asked for.
    """

    cluster: str
    verdict: Verdict
    score: int
    words: Words
    chosen: bool = False
    tie: tuple[str, ...] = ()
    grounds: Grounds = Grounds((), ())


def verdicts_of(state: State, uid: str) -> tuple[ClusterVerdict, ...]:
    """What each cluster says to a waiting proxy now, after those before it in the queue took what
    they can; empty when it does not wait.
    """
    queue = [entry[2] for entry in state.backlog.waiting]
    if uid not in queue:
        return ()
    scores = Scores(state.inventory)
    booked: dict[str, list[Booking]] = {}
    for before in queue[: queue.index(uid)]:
        _book(state, scores, state.backlog.proxies[before], booked)
    proxy = state.backlog.proxies[uid]
    return tuple(
        msgspec.structs.replace(row, grounds=_grounds(state, scores, proxy, row, booked))
        for row in explained(state, scores, proxy)
    )


def explained(state: State, scores: Scores, proxy: Proxy) -> tuple[ClusterVerdict, ...]:
    """Each cluster's verdict on a proxy, in the order of names."""
    home = state.membership.members.get(proxy.source)
    if home is None:
        return ()
    verdicts, totals = verdicts_for(state, scores, proxy, home)
    best = min(totals, key=lambda name: (-totals[name], name), default="")
    tied = [name for name in sorted(totals) if totals[name] == totals[best]]
    return tuple(
        ClusterVerdict(
            cluster=name,
            verdict=verdicts[name],
            score=totals.get(name, 0),
            words=_words(state, scores, proxy, name, verdicts[name]),
            chosen=name == best,
            tie=tuple(other for other in tied if other != name) if name in tied else (),
        )
        for name in sorted(verdicts)
    )


def _grounds(
    state: State,
    scores: Scores,
    proxy: Proxy,
    row: ClusterVerdict,
    booked: dict[str, list[Booking]],
) -> Grounds:
    found = grounds_of(state, scores, proxy, row.cluster, row.verdict)
    if isinstance(row.verdict, Never):
        return found
    return Grounds(found.facts, (*found.bookings, *booked.get(row.cluster, ())))


def _book(state: State, scores: Scores, proxy: Proxy, booked: dict[str, list[Booking]]) -> None:
    """Let a proxy further ahead take its place, as a cycle would."""
    home = state.membership.members.get(proxy.source)
    if home is None or home.lost or home.removed:
        return
    _, totals = verdicts_for(state, scores, proxy, home)
    if totals:
        target = min(totals, key=lambda name: (-totals[name], name))
        fit = scores.fit(proxy.requests, proxy.constraints, target)
        booked.setdefault(target, []).append(ahead(proxy, fit.node))
        scores.book(target, fit.node, proxy.requests)


def _words(state: State, scores: Scores, proxy: Proxy, name: str, verdict: Verdict) -> Words:
    match verdict:
        case Fits():
            room = scores.fit(proxy.requests, proxy.constraints, name).total
            return say(good("fits"), f": there is room for {room} of its kind")
        case Lacks(resource=resource):
            return _lack(state, scores, proxy, name, resource)
        case Never(constraint=constraint):
            backoff = proxy.backoff.get(name)
            left_ms = backoff.until_ms - state.elapsed_ms if backoff is not None else 0
            again = f", again in {lasting(left_ms / 1000)}" if left_ms > 0 else ""
            return say(bad(constraint), again)
        case Partly():
            return say(wait("not enough room for the whole group"))


def _lack(state: State, scores: Scores, proxy: Proxy, name: str, resource: str) -> Words:
    """``asks 200m cpu, the freest of 3 eligible nodes (n2) has 140m``."""
    free = free_of(state, scores, proxy, name, resource)
    head = say(wait(f"not enough {resource}"))
    if not free:
        return head
    most = freest(state, scores, proxy, name, resource)
    which = "the only eligible node" if len(free) == 1 else f"the freest of {len(free)} nodes"
    if resource == PODS:
        return say(head, f": {which} (", node(most), f") takes {max(0, free[most])} more pods")
    asked = amount(resource, proxy.requests.get(resource, 0))
    unit = resource if resource in {CPU, MEMORY} else ""
    had = amount(resource, max(0, free[most]))
    return say(head, f": asks {asked} {unit}".rstrip(), f", {which} (", node(most), f") has {had}")
