"""Defects in what is folded and decided: the checkers that replay the log have them, too."""

from mcs.decisions import (
    columns,
    fitting,
    framing,
    ganging,
    gangs,
    placing,
    reclaiming,
    scheduling,
)
from mcs.decisions.scoring import Scores
from mcs.events import codec
from mcs.projections import decided, folding
from mcs.projections.backlog import Backlog
from mcs.projections.inventory import Inventory
from mcs.projections.lines import Line
from mcs.projections.membership import Membership
from mcs.projections.state import State
from tests.defects.defect import Defect, Edit

OF_THE_CORE = (
    Defect(
        "a booking forgotten",
        "a placement that was decided charges nothing to its node",
        ("I5",),
        (
            Edit(
                decided.fold_decision,
                "state.inventory.charge(event.placement, *place, event.requests, booking=True)",
                "pass",
            ),
        ),
    ),
    Defect(
        "a booking not counted in its own cycle",
        "the pods of one cycle do not see each other's bookings",
        ("I5",),
        (Edit(Scores.book, "number = self._index", "return\n        number = self._index"),),
    ),
    Defect(
        "a charge never released",
        "a delegate that ended keeps its room",
        ("I2", "I5"),
        (
            Edit(
                folding._delegate,
                "if placement.stage is ENDED:\n                state.inventory.discharge",
                "if placement.stage is ENDED:\n                (lambda _: None)",
            ),
        ),
    ),
    Defect(
        "a charge released twice",
        "what is given back a second time is subtracted a second time",
        ("I3", "I5", "crash"),
        (Edit(Inventory.discharge, "self.placed.pop(key, None)", "self.placed.get(key)"),),
    ),
    Defect(
        "the limit of pods ignored",
        "a node is taken to hold any number of pods",
        ("I5",),
        (
            Edit(
                columns.offered,
                "node.allocatable.get(resource, DEFAULT_PODS if resource == PODS else 0)",
                "1000 if resource == PODS else node.allocatable.get(resource, 0)",
            ),
        ),
    ),
    Defect(
        "a cordoned node takes pods",
        "placement does not ask whether a node is cordoned",
        ("I5",),
        (Edit(fitting.barred, "if node.cordoned:", "if False:"),),
    ),
    Defect(
        "a gang placed in part",
        "those of a group that are there are placed, though too few of it are",
        ("I5",),
        (
            Edit(
                gangs.needed,
                "return short if short <= waiting else None",
                "return min(short, waiting)",
            ),
        ),
    ),
    Defect(
        "a gang in two clusters",
        "each member of a group goes where it likes, asked to or not",
        ("I5",),
        (Edit(ganging.look_at, "spread=members.spread", "spread=True"),),
    ),
    Defect(
        "a late member that does not follow",
        "one that comes after the others of its group were placed goes where it likes",
        ("I5",),
        (
            Edit(
                ganging.look_at,
                'led = "" if members.spread else anchor(_living(state, members))',
                'led = ""',
            ),
        ),
    ),
    Defect(
        "a frame folded twice",
        "a frame that was taken before, and comes again, is taken again",
        ("I6",),
        (
            Edit(
                Membership.admit,
                "if frame.number <= channel.number:\n            return Admission.OLD",
                "if frame.number <= channel.number:\n            return Admission.TAKEN",
            ),
        ),
    ),
    Defect(
        "a gap taken for normal",
        "a frame is taken although the one before it is missing",
        ("I6",),
        (
            Edit(
                Membership.admit,
                "counts = follows and not channel.broken and channel.number >= 0",
                "counts = channel.number >= 0",
            ),
        ),
    ),
    Defect(
        "a channel stays broken",
        "a full account does not mend its channel",
        ("I2", "I6"),
        (
            Edit(
                Membership.admit,
                "channel.broken = frame.number, digest, False",
                "channel.broken = frame.number, digest, channel.broken",
            ),
        ),
    ),
    Defect(
        "a sweep skipped",
        "nodes and pods that a full account does not name are kept",
        ("I5",),
        (Edit(folding._complete, "state.inventory.sweep(source, resync)", "pass"),),
    ),
    Defect(
        "an account stored twice has no end",
        "a full account whose beginning was stored twice is not completed by the second's number",
        ("I2", "I5", "I6"),
        (Edit(Membership.complete_resync, "started < state.resync", "started != state.resync"),),
    ),
    Defect(
        "a wrong number taken",
        "a full account may begin with any number, also where no frame is missing",
        ("I2", "I6"),
        (Edit(Membership.admit, "counts = follows or channel.broken", "counts = True"),),
    ),
    Defect(
        "a release that gives nothing back",
        "what was booked for a delegate that was given up unseen stays booked",
        ("I5",),
        (Edit(Inventory.unbook, "self.discharge(key)", "pass"),),
    ),
    Defect(
        "a misrouted frame taken",
        "a frame counts for the cluster that it names, whatever subject it is on",
        ("I9",),
        (
            Edit(
                codec.decode_observation,
                "if (frame.source, frame.channel) != (source, channel):",
                "if frame.channel != channel:",
            ),
        ),
    ),
    Defect(
        "a digest without a field",
        "the digest of proxies leaves out why they were deferred",
        ("I3",),
        (
            Edit(
                Backlog.digest,
                "self._digest.settle(self.proxies.get)",
                "self._digest.settle(\n"
                "        lambda uid: (proxy := self.proxies.get(uid))\n"
                "        and msgspec.structs.replace(proxy, deferred=None)\n"
                "    )",
            ),
        ),
    ),
    Defect(
        "a change without a mark",
        "the digest of proxies is not told when one that waits changes",
        ("I3",),
        (
            Edit(
                Backlog.refresh,
                "self._digest.touch(uid)",
                "uid in self._queued or self._digest.touch(uid)",
            ),
        ),
    ),
    Defect(
        "an unreadable frame ends the loop",
        "what cannot be read is not parked",
        ("I2", "I8", "crash"),
        (Edit(State.observe, "except BadFrame:", "except LogLost:"),),
    ),
    Defect(
        "a walk in no order",
        "the frames of a cycle stand in the order in which a set has their subjects",
        ("determinism",),
        (
            Edit(
                framing.frame_cycle,
                "for subject in sorted(by_subject)",
                "for subject in {*by_subject}",
            ),
        ),
    ),
    Defect(
        "a decision by the wall clock",
        "a cluster is lost by what the scheduler's clock says, not the log",
        ("I4", "I7"),
        (
            Edit(
                scheduling._cluster,
                "state.elapsed_ms - member.heard_ms",
                "__import__('asyncio').get_running_loop().time() * 1000 - member.heard_ms",
            ),
        ),
    ),
    Defect(
        "a stale reason",
        "a proxy that waits keeps the first reasons that it was given",
        ("I2",),
        (
            Edit(
                Line.to_tell,
                "if each.told != told]",
                "if not each.told]",
            ),
        ),
    ),
    Defect(
        "one impossible pod stops the others",
        "placing ends at the first pod that no cluster takes",
        ("I2", "I8"),
        (
            Edit(
                placing.Placing._turn,
                "self._stalled.append(Stalled(line, followed, None))\n            return True",
                "self._stalled.append(Stalled(line, followed, None))\n            return False",
            ),
        ),
    ),
    Defect(
        "a back-off without end",
        "a cluster that failed a pod once is never tried again for it",
        ("I2", "I3"),
        (
            Edit(
                Backlog.advance,
                "while self._resting and",
                "while False and",
            ),
        ),
    ),
    Defect(
        "a deletion forgotten",
        "the placement of a proxy that is being deleted is not withdrawn",
        ("I2",),
        (
            Edit(
                reclaiming._leave,
                "if not (proxy.deleting or proxy.gone):",
                "if not proxy.gone:",
            ),
        ),
    ),
    Defect(
        "a release before the end",
        "a proxy that is being deleted is released while its delegate may run",
        ("I7",),
        (Edit(reclaiming._leave, "live = state.ledger.live(proxy.uid)", "live = None"),),
    ),
    Defect(
        "a lost cluster given up",
        "what was placed in a lost cluster is released, as if the cluster had been removed",
        ("I1", "I7"),
        (
            Edit(
                decided.fold_decision,
                "state.membership.decide(event)",
                "state.membership.decide(event)\n"
                "            state.attention |= dict.fromkeys(state.ledger.strand(event.cluster))",
            ),
        ),
    ),
    Defect(
        "a removed cluster's placements kept",
        "what was placed in a removed cluster is never released",
        ("I2",),
        (Edit(reclaiming._trouble, "if placement.releasable:", "if False:"),),
    ),
)
