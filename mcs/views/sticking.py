"""What is stuck: who waits for a cluster that does not answer, and the command that ends it.

Nothing here ends by itself: a cluster that is merely out of reach may still run its delegates, so
only its return, or a person who knows that it is dead, may let go of them.
"""

from __future__ import annotations

import msgspec

from mcs.projections.ledger import Intent, Placement
from mcs.projections.membership import Member
from mcs.projections.state import State


class Stuck(msgspec.Struct, frozen=True, kw_only=True):
    """Something that waits: for what, and what a person may do. ``commands``, best first."""

    what: str
    waits_for: str
    commands: tuple[str, ...]


def stuck_things(state: State) -> tuple[Stuck, ...]:
    """Everything that waits for an unreachable cluster, in a total order."""
    found = [
        stuck
        for id in sorted(state.ledger.placements)
        if (stuck := _placement(state, state.ledger.placements[id])) is not None
    ]
    found += [
        stuck
        for uid in sorted(state.backlog.proxies)
        if (stuck := _released(state, uid)) is not None
    ]
    found += [_stranger(member) for member in _members(state) if member.stranger]
    return tuple(found)


def unreachable(member: Member | None) -> str:
    """Why nobody can speak for a cluster, or nothing."""
    if member is None:
        return "unknown"
    if member.removed:
        return "removed"
    if member.lost:
        return "lost"
    return "agent stopped" if member.left else ""


def _placement(state: State, placement: Placement) -> Stuck | None:
    """A placement whose delegate nobody can see or delete."""
    target = placement.target
    why = unreachable(state.membership.members.get(target))
    if not why or not placement.live or why == "removed":
        return None
    pod = f"{placement.source}/{placement.namespace}/{placement.name}"
    proxy = state.backlog.proxies.get(placement.uid)
    remove = f"mcs cluster remove {target} --confirm-dead"
    if placement.intent >= Intent.WITHDRAWN or (proxy is not None and proxy.deleting):
        waits = f"{target} ({why}) to say that its delegate is gone"
        release = (f"mcs release {pod}",) if proxy is not None and proxy.deleting else ()
        return Stuck(what=f"deletion of {pod}", waits_for=waits, commands=(*release, remove))
    if why != "lost" or placement.phase.ended:
        return None  # it comes back, or it tells nothing that matters: nothing is wrong yet
    waits = f"{target} ({why}), where it may be running unseen, to return"
    return Stuck(what=pod, waits_for=waits, commands=(remove,))


def _released(state: State, uid: str) -> Stuck | None:
    """A proxy that was let go, in a source that has not heard of it."""
    proxy = state.backlog.proxies[uid]
    why = unreachable(state.membership.members.get(proxy.source))
    if not proxy.released or proxy.gone or not why or why == "removed":
        return None
    return Stuck(
        what=f"{proxy.source}/{proxy.namespace}/{proxy.name}",
        waits_for=f"the agent of {proxy.source} ({why}) to remove it",
        commands=(f"mcs cluster remove {proxy.source} --confirm-dead",),
    )


def _stranger(member: Member) -> Stuck:
    return Stuck(
        what=f"an agent that calls itself {member.name}",
        waits_for=(
            f"its place: it speaks for another cluster (kube-system uid {member.stranger}) than "
            f"the one known (uid {member.uid}); check its kubeconfig first"
        ),
        commands=(f"mcs cluster remove {member.name} --confirm-dead",),
    )


def _members(state: State) -> list[Member]:
    return [state.membership.members[name] for name in sorted(state.membership.members)]
