"""Why a pod waits, or went where it went: each cluster's verdict, with the numbers behind it.

The log keeps reasons without numbers (a number changes with every pod, a reason seldom). The
numbers are computed here, from the state of the moment that is asked about, by the rules that
placement itself uses.
"""

from __future__ import annotations

import msgspec

from mcs.decisions.fitting import barred
from mcs.decisions.placing import verdicts_for
from mcs.decisions.scoring import Scores
from mcs.events.decisions import Fits, Lacks, Never, Verdict
from mcs.projections.backlog import Proxy
from mcs.projections.state import State
from mcs.quantities import CPU, MEMORY, PODS
from mcs.views.amounts import amount, lasting
from mcs.views.words import Words, bad, good, node, say, wait


class ClusterVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster's verdict on one pod. ``room``: how many such pods fit there; ``words`` say why,
    with numbers; ``chosen``: placement would take this one.
    """

    cluster: str
    verdict: Verdict
    room: int
    words: Words
    chosen: bool = False


def verdicts_of(state: State, uid: str) -> tuple[ClusterVerdict, ...]:
    """What each cluster says to a waiting proxy now, after those before it in the queue took what
    they can; empty when it does not wait.
    """
    queue = [entry[2] for entry in state.backlog.waiting]
    if uid not in queue:
        return ()
    scores = Scores(state.inventory)
    for before in queue[: queue.index(uid)]:
        _book(state, scores, state.backlog.proxies[before])
    return explained(state, scores, state.backlog.proxies[uid])


def explained(state: State, scores: Scores, proxy: Proxy) -> tuple[ClusterVerdict, ...]:
    """Each cluster's verdict on a proxy, in the order of names."""
    home = state.membership.members.get(proxy.source)
    if home is None:
        return ()
    verdicts, totals = verdicts_for(state, scores, proxy, home)
    best = min(totals, key=lambda name: (-totals[name], name), default="")
    return tuple(
        ClusterVerdict(
            cluster=name,
            verdict=verdicts[name],
            room=totals.get(name, 0),
            words=_words(state, scores, proxy, name, verdicts[name]),
            chosen=name == best,
        )
        for name in sorted(verdicts)
    )


def _book(state: State, scores: Scores, proxy: Proxy) -> None:
    """Let a proxy further ahead take its place, as a cycle would."""
    home = state.membership.members.get(proxy.source)
    if home is None or home.lost or home.removed:
        return
    _, totals = verdicts_for(state, scores, proxy, home)
    if totals:
        target = min(totals, key=lambda name: (-totals[name], name))
        fit = scores.fit(proxy.requests, proxy.constraints, target)
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


def _lack(state: State, scores: Scores, proxy: Proxy, name: str, resource: str) -> Words:
    """``asks 200m cpu, the freest of 3 eligible nodes (n2) has 140m``."""
    nodes = state.inventory.nodes.get(name, {})
    free = {
        key: each.allocatable.get(resource, 0) - scores.used(name, key).get(resource, 0)
        for key, each in nodes.items()
        if not barred(proxy.constraints, each)
    }
    head = say(wait(f"not enough {resource}"))
    if not free:
        return head
    most = min(free, key=lambda key: (-free[key], key))
    which = "the only eligible node" if len(free) == 1 else f"the freest of {len(free)} nodes"
    if resource == PODS:
        return say(head, f": {which} (", node(most), f") takes {max(0, free[most])} more pods")
    asked = amount(resource, proxy.requests.get(resource, 0))
    unit = resource if resource in {CPU, MEMORY} else ""
    had = amount(resource, max(0, free[most]))
    return say(head, f": asks {asked} {unit}".rstrip(), f", {which} (", node(most), f") has {had}")
