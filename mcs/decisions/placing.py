"""Places for the pods that wait: filter, score, choose, book.

Each pod goes, in order, to the cluster that could hold the most replicas of it (ties to the
cluster's name) and is booked on one node there, so that the next pod sees what is left.
"""

from __future__ import annotations

import msgspec

from mcs.decisions.budget import Budget
from mcs.decisions.scoring import Scores
from mcs.errors import BadManifest
from mcs.events.decisions import Fits, Never, PodDeferred, PodPlaced, Verdict
from mcs.names import Keys, PodKey, delegate_name, placement_id
from mcs.objects.delegate import delegate_manifest
from mcs.projections.backlog import Proxy
from mcs.projections.membership import Member
from mcs.projections.state import State

_encoder = msgspec.json.Encoder()


def place(state: State, keys: Keys, budget: Budget) -> bool:
    """Place or defer every pod that waits; False when the budget ended first."""
    scores = Scores(state.inventory)
    names: set[tuple[str, str, str]] = set()
    for _, _, uid in state.backlog.waiting:
        proxy = state.backlog.proxies[uid]
        home = state.membership.members.get(proxy.source)
        if home is None or home.lost or home.removed or home.removing:
            continue  # its author cannot be heard: nothing new is started for it
        verdicts, totals = verdicts_for(state, scores, proxy, home)
        if not totals:
            if verdicts != proxy.deferred and not budget.take(_deferred(proxy, verdicts)):
                return False
            continue
        target = min(totals, key=lambda name: (-totals[name], name))
        fit = scores.fit(proxy.requests, proxy.constraints, target)
        name = _name(state, names, proxy, target)
        try:
            event = _placed(proxy, target, name, fit.node, keys)
        except BadManifest:
            # Never here, as the webhook wrote it; but one bad pod must not stop the others (I8).
            unreadable = Never(constraint="unreadable manifest")
            verdicts = dict.fromkeys(verdicts, unreadable)
            if verdicts != proxy.deferred and not budget.take(_deferred(proxy, verdicts)):
                return False
            continue
        if not budget.take(event):
            return False
        scores.book(target, event.node, event.requests)
        names.add((target, proxy.namespace, event.delegate))
    return True


def verdicts_for(
    state: State, scores: Scores, proxy: Proxy, home: Member
) -> tuple[dict[str, Verdict], dict[str, int]]:
    """Each cluster's verdict, and the score of those that fit."""
    verdicts: dict[str, Verdict] = {}
    totals: dict[str, int] = {}
    for name in sorted(state.membership.members):
        member = state.membership.members[name]
        if member.removed or "target" not in member.roles:
            continue
        if reason := _closed(state, proxy, home, member):
            verdicts[name] = Never(constraint=reason)
            continue
        fit = scores.fit(proxy.requests, proxy.constraints, name)
        verdicts[name] = fit.verdict
        if isinstance(fit.verdict, Fits) and member.removing:
            verdicts[name] = Never(constraint="cluster removed")  # by this very cycle
        elif isinstance(fit.verdict, Fits):
            totals[name] = fit.total
    if proxy.cluster and proxy.cluster not in verdicts:
        verdicts[proxy.cluster] = Never(constraint="no such target cluster")
    return verdicts, totals


def _closed(state: State, proxy: Proxy, home: Member, member: Member) -> str:
    """Why a cluster takes no new pod of this proxy, whatever is free there; or nothing."""
    if proxy.cluster and proxy.cluster != member.name:
        return f"pinned to {proxy.cluster}"
    if member.lost:
        return "cluster lost"
    if member.left:
        return "agent stopped"
    if member.cordoned:
        return "cluster cordoned"
    if home.cordons.get(member.name):
        return f"virtual node cordoned in {home.name}"
    if not member.current:
        return "capacity not known yet"
    backoff = proxy.backoff.get(member.name)
    if backoff is not None and state.elapsed_ms < backoff.until_ms:
        return f"tried: {backoff.reason}"
    return ""


def _name(state: State, names: set[tuple[str, str, str]], proxy: Proxy, target: str) -> str:
    """The delegate's name, distinct from those of live placements and of this cycle's."""
    key = PodKey(proxy.namespace, proxy.name)
    name = delegate_name(proxy.source, key)
    place = (target, proxy.namespace, name)
    if place in state.ledger.names or place in names:
        return delegate_name(proxy.source, key, salt=proxy.uid)
    return name


def _placed(proxy: Proxy, target: str, name: str, node: str, keys: Keys) -> PodPlaced:
    attempt = proxy.attempts + 1
    manifest = delegate_manifest(
        proxy.manifest,
        keys=keys,
        source=proxy.source,
        pod=PodKey(proxy.namespace, proxy.name),
        uid=proxy.uid,
        attempt=attempt,
        name=name,
    )
    try:
        text = _encoder.encode(manifest).decode()
    except (OverflowError, RecursionError) as error:
        raise BadManifest(f"unreadable manifest: {error}") from error
    return PodPlaced(
        placement=placement_id(proxy.uid, attempt),
        uid=proxy.uid,
        source=proxy.source,
        target=target,
        namespace=proxy.namespace,
        name=proxy.name,
        delegate=name,
        manifest=text,
        node=node,
        requests=proxy.requests,
    )


def _deferred(proxy: Proxy, verdicts: dict[str, Verdict]) -> PodDeferred:
    return PodDeferred(
        uid=proxy.uid,
        source=proxy.source,
        namespace=proxy.namespace,
        name=proxy.name,
        reasons=verdicts,
    )
