"""Why a pod waits, or went where it went: each cluster's verdict, with the numbers behind it.

The log keeps reasons without numbers (a number changes with every pod, a reason seldom). The
numbers are computed here, from the state of the moment that is asked about, by the rules that
placement itself uses.
"""

from __future__ import annotations

import msgspec

from mcs.decisions.choosing import Choosing
from mcs.decisions.ganging import look_at
from mcs.events.decisions import Fits, Lacks, Never, Partly, Verdict
from mcs.projections.backlog import Proxy
from mcs.projections.state import State
from mcs.quantities import CPU, MEMORY, PODS
from mcs.views.amounts import amount, lasting
from mcs.views.decided import verdict_words
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
    line = state.backlog.line_of(uid)
    if line is None:
        return ()
    choosing = Choosing(state, apart=True)
    booked: dict[str, list[Booking]] = {}
    for _, _, before in state.backlog.waiting:
        if before == uid:
            break
        _book(state, choosing, state.backlog.proxies[before], booked)
    proxy = state.backlog.proxies[uid]
    return tuple(
        msgspec.structs.replace(row, grounds=_grounds(state, choosing, proxy, row, booked))
        for row in explained(state, choosing, proxy)
    )


def explained(state: State, choosing: Choosing, proxy: Proxy) -> tuple[ClusterVerdict, ...]:
    """Each cluster's verdict on a proxy that waits, in the order of names."""
    line = state.backlog.line_of(proxy.uid)
    if line is None or proxy.source not in state.membership.members:
        return ()
    verdicts, ranking = choosing.reasons(line), choosing.ranking(line)
    best = min(ranking, key=lambda name: (-ranking[name], name), default="")
    tied = [name for name in sorted(ranking) if ranking[name] == ranking[best]]
    return tuple(
        ClusterVerdict(
            cluster=name,
            verdict=verdicts[name],
            score=choosing.fit(proxy, name).total if name in ranking else 0,
            words=_words(state, choosing, proxy, name, verdicts[name]),
            chosen=name == best,
            tie=tuple(other for other in tied if other != name) if name in tied else (),
        )
        for name in sorted(verdicts)
    )


def _grounds(
    state: State,
    choosing: Choosing,
    proxy: Proxy,
    row: ClusterVerdict,
    booked: dict[str, list[Booking]],
) -> Grounds:
    found = grounds_of(state, choosing, proxy, row.cluster, row.verdict)
    if isinstance(row.verdict, Never):
        return found
    return Grounds(found.facts, (*found.bookings, *booked.get(row.cluster, ())))


def _book(state: State, choosing: Choosing, proxy: Proxy, booked: dict[str, list[Booking]]) -> None:
    """Let a proxy further ahead take its place, as a cycle would."""
    line = state.backlog.line_of(proxy.uid)
    if line is None or line.kind.unreadable or not choosing.openness.speaks(proxy.source):
        return
    if proxy.group is not None:
        _book_group(state, choosing, proxy, booked)
        return
    choice = choosing.choose(line)
    if choice is not None:
        booked.setdefault(choice.target, []).append(ahead(proxy, choice.node))
        choosing.book(choice, proxy.requests)


def _book_group(
    state: State, choosing: Choosing, proxy: Proxy, booked: dict[str, list[Booking]]
) -> None:
    """Let a group take its places, when its first waiting member has its turn."""
    if state.backlog.groups[proxy.gang].waiting[0][2] != proxy.uid:
        return
    for uid, choice in look_at(state, choosing, proxy.gang).places.items():
        member = state.backlog.proxies[uid]
        booked.setdefault(choice.target, []).append(ahead(member, choice.node))


def _words(state: State, choosing: Choosing, proxy: Proxy, name: str, verdict: Verdict) -> Words:
    match verdict:
        case Fits():
            room = choosing.fit(proxy, name).total
            return say(good("fits"), f": there is room for {room} of its kind")
        case Lacks(resource=resource):
            return _lack(state, choosing, proxy, name, resource)
        case Never(constraint=constraint):
            backoff = proxy.backoff.get(name)
            left_ms = backoff.until_ms - state.elapsed_ms if backoff is not None else 0
            again = f", again in {lasting(left_ms / 1000)}" if left_ms > 0 else ""
            return say(bad(constraint), again)
        case Partly():
            return verdict_words(verdict)


def _lack(state: State, choosing: Choosing, proxy: Proxy, name: str, resource: str) -> Words:
    """``asks 200m cpu, the freest of 3 eligible nodes (n2) has 140m``."""
    free = free_of(state, choosing, proxy, name, resource)
    head = say(wait(f"not enough {resource}"))
    if not free:
        return head
    most = freest(state, choosing, proxy, name, resource)
    which = "the only eligible node" if len(free) == 1 else f"the freest of {len(free)} nodes"
    if resource == PODS:
        return say(head, f": {which} (", node(most), f") takes {max(0, free[most])} more pods")
    asked = amount(resource, proxy.requests.get(resource, 0))
    unit = resource if resource in {CPU, MEMORY} else ""
    had = amount(resource, max(0, free[most]))
    return say(head, f": asks {asked} {unit}".rstrip(), f", {which} (", node(most), f") has {had}")
