"""The state as people ask for it: clusters, who waits and why, what runs where, what is stuck.

Data only; ``tables`` draws it, ``--json`` prints it. Ages are seconds at ``now_s``; log time that
passed unseen since the newest observation counts as well.
"""

from __future__ import annotations

from typing import Final

import msgspec

from mcs.decisions.choosing import Choosing
from mcs.events.decisions import Policy, Verdict
from mcs.events.seals import Seal
from mcs.projections.backlog import Proxy
from mcs.projections.membership import Member
from mcs.projections.state import Parked, State
from mcs.quantities import CPU, MEMORY
from mcs.views.reasoning import explained
from mcs.views.sticking import Stuck, stuck_things
from mcs.views.words import plain

SILENT_S: Final = 5.0
"""A scheduler marks the log every second; after so many, none is active."""
EXPLAINED_MOST: Final = 1000
"""Waiting pods whose verdicts are computed; the others show the reasons of their last deferral."""


class ClusterRow(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster. ``states`` are words, best first: ``ok``, or what is wrong."""

    name: str
    roles: tuple[str, ...]
    states: tuple[str, ...]
    nodes: int
    ready: int
    free: dict[str, int]
    total: dict[str, int]
    heard_s: float
    kubernetes: str
    epoch: int


class WaitingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A pod without a place. ``reasons``: by cluster, in words; ``gates``: it has not arrived."""

    source: str
    namespace: str
    name: str
    uid: str
    created: str
    requests: dict[str, int]
    priority: int
    gates: tuple[str, ...]
    reasons: dict[str, str]
    verdicts: dict[str, Verdict]


class RunningRow(msgspec.Struct, frozen=True, kw_only=True):
    """Live placements from one source in one target, by the delegate's phase."""

    source: str
    target: str
    count: int
    phases: dict[str, int]


class SchedulerRow(msgspec.Struct, frozen=True, kw_only=True):
    """The scheduler. ``silent_s``: since its last decision (None: there is none)."""

    reign: int
    cycle: int
    rules: int
    policy: Policy
    silent_s: float | None

    @property
    def active(self) -> bool:
        """Whether somebody decides at the moment."""
        return self.silent_s is not None and self.silent_s < SILENT_S


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, and the position and digest of the state that it was taken from.

    ``token`` pins both logs up to there (see ``mcs.events.seals``).
    """

    clusters: tuple[ClusterRow, ...]
    waiting: tuple[WaitingRow, ...]
    running: tuple[RunningRow, ...]
    stuck: tuple[Stuck, ...]
    parked: dict[str, Parked]
    scheduler: SchedulerRow
    observation: int
    decision: int
    digest: str
    token: str
    behind_s: float


def overview(state: State, *, now_s: float, decided_ns: int = 0) -> Overview:
    """The overview of a state; ``decided_ns`` is the time of the last decision folded."""
    behind_s = max(0.0, now_s - state.now_ns / 1e9) if state.now_ns else 0.0
    members = [state.membership.members[name] for name in sorted(state.membership.members)]
    return Overview(
        clusters=tuple(_cluster(state, member, behind_s) for member in members),
        waiting=_waiting(state),
        running=_running(state),
        stuck=stuck_things(state),
        parked=dict(sorted(state.parked.items())),
        scheduler=SchedulerRow(
            reign=state.reign,
            cycle=state.cycle,
            rules=state.rules,
            policy=state.policy,
            silent_s=max(0.0, now_s - decided_ns / 1e9) if decided_ns else None,
        ),
        observation=state.observed.sequence,
        decision=state.decided.sequence,
        digest=state.digest(),
        token=str(Seal(decided=state.decided, observed=state.observed)),
        behind_s=behind_s,
    )


def _cluster(state: State, member: Member, behind_s: float) -> ClusterRow:
    nodes = state.inventory.nodes.get(member.name, {})
    total = {CPU: 0, MEMORY: 0}
    free = {CPU: 0, MEMORY: 0}
    for name, node in nodes.items():
        used = state.inventory.used(member.name, name)
        for resource in (CPU, MEMORY):
            total[resource] += node.allocatable.get(resource, 0)
            if node.ready and not node.cordoned:
                left = node.allocatable.get(resource, 0) - used.get(resource, 0)
                free[resource] += max(0, left)
    return ClusterRow(
        name=member.name,
        roles=member.roles,
        states=states_of(state, member),
        nodes=len(nodes),
        ready=sum(node.ready for node in nodes.values()),
        free=free,
        total=total,
        heard_s=(state.elapsed_ms - member.heard_ms) / 1000 + behind_s,
        kubernetes=member.version,
        epoch=member.epoch,
    )


def states_of(state: State, member: Member) -> tuple[str, ...]:
    """How a cluster stands, in words: ``ok``, or what is wrong with it."""
    if member.removed:
        return ("removed",)
    words = []
    if member.stranger:
        words.append("stranger at the door")
    if member.removing:
        words.append("being removed")
    if member.lost:
        words.append("lost")
    if member.left:
        words.append("left")
    if member.cordoned:
        words.append("cordoned")
    cordons = sorted(name for name, cordoned in member.cordons.items() if cordoned)
    words += [f"its node for {name} cordoned" for name in cordons]
    broken = [channel for name, channel in state.membership.broken() if name == member.name]
    if broken:
        words.append(f"resync asked ({', '.join(broken)})")
    elif not member.current:
        words.append("capacity not known yet")
    return tuple(words) or ("ok",)


def _waiting(state: State) -> tuple[WaitingRow, ...]:
    choosing = Choosing(state, apart=True)
    queue = [state.backlog.proxies[uid] for _, _, uid in state.backlog.waiting]
    gated = [proxy for proxy in state.backlog.proxies.values() if _gated(proxy)]
    gated.sort(key=lambda proxy: proxy.order)
    rows = []
    for number, proxy in enumerate([*queue, *gated]):
        verdicts: dict[str, Verdict] = proxy.deferred or {}
        reasons: dict[str, str] = {}
        if number < EXPLAINED_MOST and not proxy.gates:
            each = explained(state, choosing, proxy)
            verdicts = {row.cluster: row.verdict for row in each}
            reasons = {row.cluster: plain(row.words) for row in each}
        rows.append(_row(proxy, reasons, verdicts))
    return tuple(rows)


def _row(proxy: Proxy, reasons: dict[str, str], verdicts: dict[str, Verdict]) -> WaitingRow:
    return WaitingRow(
        source=proxy.source,
        namespace=proxy.namespace,
        name=proxy.name,
        uid=proxy.uid,
        created=proxy.created,
        requests=proxy.requests,
        priority=proxy.priority,
        gates=proxy.gates,
        reasons=reasons,
        verdicts=verdicts,
    )


def _gated(proxy: Proxy) -> bool:
    over = proxy.ended or proxy.deleting or proxy.gone or proxy.released or proxy.placed
    return bool(proxy.gates) and not over


def _running(state: State) -> tuple[RunningRow, ...]:
    phases: dict[tuple[str, str], dict[str, int]] = {}
    for placement in state.ledger.placements.values():
        if placement.live and placement.decided and not placement.phase.ended:
            row = phases.setdefault((placement.source, placement.target), {})
            row[placement.phase] = row.get(placement.phase, 0) + 1
    return tuple(
        RunningRow(source=source, target=target, count=sum(row.values()), phases=row)
        for (source, target), row in sorted(phases.items())
    )
