"""The story of one proxy: what was seen and decided, the verdicts behind it, and how it stands now.

``mcs why`` reads the log once for the lines, and folds it once more to stand where the last
decision about the pod was taken: there, and at the moment that was asked about, the numbers behind
the reasons are computed.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mcs.events.decisions import PodDeferred, PodPlaced
from mcs.events.frames import DecisionFrame
from mcs.projections.backlog import Proxy
from mcs.projections.ledger import Placement, Stage
from mcs.projections.state import State
from mcs.views.evidence import Evidence, Position
from mcs.views.grounds import Grounds
from mcs.views.lines import Line
from mcs.views.naming import Proxied
from mcs.views.observed import phase_word
from mcs.views.reasoning import ClusterVerdict, verdicts_of
from mcs.views.sticking import unreachable
from mcs.views.words import Piece, Words, bad, cluster, good, node, pod, quiet, say, wait


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What each cluster said to the pod at a position, and by which decision that mattered
    (``line``; None: at the moment that was asked about).
    """

    line: Line | None
    position: Position
    verdicts: tuple[ClusterVerdict, ...]


class Story:
    """Gathers what concerns one proxy; ``look`` is called before each cycle is folded."""

    def __init__(self, uid: str, named: Proxied, lines: Sequence[Line]) -> None:
        self.uid, self.named, self.lines = uid, named, tuple(lines)
        self.moment: Moment | None = None
        self._decisions = {
            line.sequence: line for line in lines if isinstance(line.event, PodPlaced | PodDeferred)
        }

    @classmethod
    def of(cls, uid: str, named: Proxied, lines: Sequence[Line]) -> Story:
        """The story of ``uid``, picked from many lines."""
        return cls(uid, named, [line for line in lines if line.uid == uid])

    def look(self, state: State, frame: DecisionFrame) -> None:
        """See the state in which a cycle was decided; remember it if the cycle decides about us."""
        first = state.decided.sequence + 1
        for sequence in range(first, first + frame.count):
            if line := self._decisions.get(sequence):
                self.moment = Moment(
                    line=line, position=Position.of(state), verdicts=verdicts_of(state, self.uid)
                )


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one proxy at a moment (``time_ns``, and a position in the log).

    ``moment`` is that of the last decision before; ``now`` has verdicts if the pod waits; ``past``:
    a moment was asked for.
    """

    named: Proxied
    uid: str
    lines: tuple[Line, ...]
    moment: Moment | None
    standing: Words
    now: Moment
    time_ns: int
    past: bool


def story_of(
    story: Story, state: State, time_ns: int, evidence: Evidence, *, past: bool = False
) -> Explanation:
    """The story as it stands at a moment, to which ``state`` was folded; ``evidence`` knows which
    decisions the log holds up to then.
    """
    now = Moment(line=None, position=Position.of(state), verdicts=verdicts_of(state, story.uid))
    return Explanation(
        named=story.named,
        uid=story.uid,
        lines=story.lines,
        moment=None if story.moment is None else _dated(story.moment, evidence),
        standing=standing(state, story.uid),
        now=now,
        time_ns=time_ns,
        past=past,
    )


def _dated(moment: Moment, evidence: Evidence) -> Moment:
    """With the decisions of those that the same cycle took first."""
    replace = msgspec.structs.replace
    rows = []
    for row in moment.verdicts:
        bookings = tuple(
            replace(each, decision=evidence.placed(each.placement)) if each.ahead else each
            for each in row.grounds.bookings
        )
        rows.append(replace(row, grounds=Grounds(row.grounds.facts, bookings)))
    return replace(moment, verdicts=tuple(rows))


def standing(state: State, uid: str) -> Words:
    """How a proxy stands: where it runs, or what it waits for."""
    proxy = state.backlog.proxies.get(uid)
    latest = state.ledger.latest(uid)
    if proxy is None:
        return say(quiet("it is gone, and nothing of it is left anywhere"))
    if proxy.released:
        return say("it was let go; its source removes it")
    if latest is not None and latest.seen is not None and latest.phase.ended:
        where = (" in ", cluster(latest.target), " on ", node(latest.seen.node))
        return say("it has ended: ", phase_word(latest.phase), *where)
    if latest is not None and latest.live:
        return _placed(state, proxy, latest)
    if proxy.gates:
        return say(wait(f"it has not arrived: gated by {', '.join(proxy.gates)}"))
    if proxy.waits:
        ahead = [entry[2] for entry in state.backlog.waiting].index(uid)
        others = f", behind {ahead} other{'s' if ahead > 1 else ''}" if ahead else ""
        return say(wait("it waits for a place"), others)
    return say("it has ended")


def _placed(state: State, proxy: Proxy, placement: Placement) -> Words:
    where: list[Piece] = [" in ", cluster(placement.target)]
    where += [" as ", pod(placement.namespace, placement.delegate)]
    away = unreachable(state.membership.members.get(placement.target))
    lost: tuple[Piece, ...] = ("; ", bad(f"{placement.target} is out of reach: {away}"))
    tail = lost if away else ()
    if proxy.deleting:
        return say(wait("it is being deleted"), "; its delegate ends", *where, *tail)
    if placement.stage is Stage.DECIDED:
        booked = (" (booked on ", node(placement.node), ")")
        return say(wait("it is placed"), *where, *booked, ", and not seen there yet", *tail)
    seen = placement.seen
    assert seen is not None
    on: tuple[Piece, ...] = (" on ", node(seen.node)) if seen.node else (", without a node yet",)
    word = good("it runs") if seen.phase == "Running" else say("it is ", phase_word(seen.phase))
    return say(word, *where, *on, *tail)
