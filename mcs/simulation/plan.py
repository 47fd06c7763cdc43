"""What shall happen in a simulated world: its clusters, its users' work, and its accidents.

A plan is data: it can be printed, drawn from a seed (``drawing``), and made smaller (``shrinking``)
until only what a failure needs is left. Times are seconds of virtual time since the world began.
Which pod or node an item concerns is a number, taken modulo those that are there at that time, so
that an item still means something after others were taken away.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

BAD_FRAMES: Final = 9
"""Kinds of bad frames."""

FORGED: Final = range(6, BAD_FRAMES)
"""Those that are made of real ones."""


class ClusterPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster: millicores of each node, how many pods each may hold, how many agents compete for
    it, when it joins.
    """

    name: str
    nodes: tuple[int, ...]
    pods: int = 20
    agents: int = 1
    roles: tuple[str, ...] = ("source", "target")
    begins_s: float = 0.0


class Item(msgspec.Struct, frozen=True, kw_only=True, tag=str.lower):
    """Something that happens at ``at_s``."""

    at_s: float

    def __str__(self) -> str:
        fields = msgspec.structs.asdict(self)
        at_s = fields.pop("at_s")
        words = " ".join(f"{name}={value}" for name, value in fields.items() if value != "")
        return f"{at_s:7.2f} s  {type(self).__name__} {words}"


# -- what users and administrators do ----------------------------------------------------------


class Burst(Item, frozen=True, kw_only=True):
    """``count`` elected pods are created at once in ``cluster``; each runs ``run_s`` seconds.

    ``pin``: the only cluster allowed; ``selector``: a node label that no node has, so that the pod
    is impossible; ``gate_s``: held by a scheduling gate so long.
    """

    cluster: str
    name: str
    count: int
    milli: int
    run_s: float
    exit_code: int = 0
    pin: str = ""
    selector: bool = False
    gate_s: float = 0.0
    stay_s: int = 300


class Gang(Burst, frozen=True, kw_only=True):
    """A burst of which ``size`` pods are placed all or none, in one cluster or ``spread``; the last
    ``late`` ones are created ``late_s`` after the others; every second one asks ``other_milli``.
    """

    size: int
    spread: bool = False
    late: int = 0
    late_s: float = 0.0
    other_milli: int = 0


class Job(Item, frozen=True, kw_only=True):
    """A Job of ``completions`` elected pods; ``failures`` of them exit with 1 before one succeeds;
    a pod that is deleted or fails is replaced. ``size``: so many are placed all or none.
    """

    cluster: str
    name: str
    completions: int
    failures: int
    milli: int
    run_s: float
    size: int = 0


class DeletePod(Item, frozen=True, kw_only=True):
    """A user deletes an elected pod."""

    number: int
    grace_s: int | None = None


class DeleteDelegate(Item, frozen=True, kw_only=True):
    """Somebody in a target cluster deletes a delegate."""

    number: int
    grace_s: int | None = None


class CordonNode(Item, frozen=True, kw_only=True):
    """A node (a virtual one, if ``virtual``) is cordoned for a while."""

    cluster: str
    number: int
    for_s: float
    virtual: bool = False


class RemoveNode(Item, frozen=True, kw_only=True):
    """A node vanishes, with its pods; another one of its size comes after ``for_s``."""

    cluster: str
    number: int
    for_s: float


class CordonCluster(Item, frozen=True, kw_only=True):
    """``mcs cluster cordon``, and ``uncordon`` after a while."""

    cluster: str
    for_s: float


class CloseNamespace(Item, frozen=True, kw_only=True):
    """The namespace of a cluster loses the label that opts in, for a while: delegates are rejected
    there.
    """

    cluster: str
    for_s: float


class Leave(Item, frozen=True, kw_only=True):
    """A cluster's agents are stopped in good order, and started again after a while."""

    cluster: str
    for_s: float


class ReleasePod(Item, frozen=True, kw_only=True):
    """A user deletes an elected pod, and ``mcs release`` lets go of it at once."""

    number: int


class RemoveCluster(Item, frozen=True, kw_only=True):
    """A cluster's agents vanish, or are cut off from NATS (``cut``); after ``silent_s`` people take
    it for dead (``mcs cluster remove``), and ``for_s`` later it returns.
    """

    cluster: str
    cut: bool
    silent_s: float
    for_s: float


# -- accidents -----------------------------------------------------------------------------------


class Kill(Item, frozen=True, kw_only=True):
    """A process is killed, ``calls`` requests after ``at_s``; it starts again ``down_s`` later."""

    process: str
    calls: int
    down_s: float


class Pause(Item, frozen=True, kw_only=True):
    """A process stands still for a while, as under SIGSTOP."""

    process: str
    for_s: float


class Partition(Item, frozen=True, kw_only=True):
    """A process, or all of a cluster, loses its connection to NATS for a while."""

    who: str
    for_s: float


class NatsDown(Item, frozen=True, kw_only=True):
    """NATS restarts: nobody reaches it for a while."""

    for_s: float


class LoseTail(Item, frozen=True, kw_only=True):
    """NATS restarts and has lost the last messages of a stream, though it acknowledged them."""

    stream: str
    count: int
    for_s: float


class BadAppends(Item, frozen=True, kw_only=True):
    """Of a process' appends, ``rate`` percent are not sent, lost, stored without an answer, or
    stored long after the wait for the answer was over.
    """

    process: str
    for_s: float
    rate: int


class SlowDelivery(Item, frozen=True, kw_only=True):
    """What a process reads of either stream comes up to ``delay_s`` late, each in its own time."""

    process: str
    for_s: float
    delay_s: float


class LossyWay(Item, frozen=True, kw_only=True):
    """Of the messages between a process and NATS, ``rate`` percent are lost, come twice or late;
    only where processes speak to NATS through the adapter.
    """

    process: str
    for_s: float
    rate: int


class BadRequests(Item, frozen=True, kw_only=True):
    """Of the questions between members, ``rate`` percent are lost or come twice."""

    for_s: float
    rate: int


class BadFrame(Item, frozen=True, kw_only=True):
    """Something unreadable or foreign is stored on a subject of ``cluster``."""

    cluster: str
    kind: int


class ApiErrors(Item, frozen=True, kw_only=True):
    """``rate`` percent of a cluster's answers to mcs are 409, 410, 429 or 500, or are lost after
    the server acted.
    """

    cluster: str
    for_s: float
    rate: int


class ApiDown(Item, frozen=True, kw_only=True):
    """An API server is down for a while."""

    cluster: str
    for_s: float


class BreakWatches(Item, frozen=True, kw_only=True):
    """All watches of a cluster break; with ``compact`` their positions are too old, too."""

    cluster: str
    compact: bool


Work = (
    Burst
    | Gang
    | Job
    | DeletePod
    | DeleteDelegate
    | CordonNode
    | RemoveNode
    | CordonCluster
    | CloseNamespace
    | Leave
    | ReleasePod
    | RemoveCluster
)
Accident = (
    Kill
    | Pause
    | Partition
    | NatsDown
    | LoseTail
    | BadAppends
    | SlowDelivery
    | LossyWay
    | BadRequests
    | BadFrame
    | ApiErrors
    | ApiDown
    | BreakWatches
)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run. Act one ends at ``act_one_s``; then everything is healed. ``adapter``: processes
    speak to NATS through the adapter for it.
    """

    seed: int
    clusters: tuple[ClusterPlan, ...]
    schedulers: int
    lost_after_s: int
    act_one_s: float
    work: tuple[Work, ...]
    accidents: tuple[Accident, ...]
    adapter: bool = False

    @property
    def damaging(self) -> bool:
        """Whether the log itself is damaged: then it must be said, and nobody can go on."""
        return any(isinstance(item, LoseTail) for item in self.accidents)

    @property
    def unharmed(self) -> frozenset[str]:
        """The clusters whose pods nothing in this plan may delay (I8): all that goes wrong, or is
        stopped, is in other clusters.
        """
        harmed: set[str] = set()
        for item in (*self.accidents, *self.work):
            match item:
                case BadFrame() | BadRequests():
                    pass
                case (
                    ApiErrors()
                    | ApiDown()
                    | BreakWatches()
                    | Leave()
                    | RemoveNode()
                    | RemoveCluster()
                ):
                    harmed.add(item.cluster)
                case Kill() | Pause() | BadAppends() | SlowDelivery() | LossyWay() if (
                    "agent" in item.process
                ):
                    harmed.add(item.process.split("-")[1])
                case (
                    Kill()
                    | Pause()
                    | BadAppends()
                    | SlowDelivery()
                    | LossyWay()
                    | NatsDown()
                    | LoseTail()
                ):
                    return frozenset()
                case Partition():
                    if "scheduler" in item.who:
                        return frozenset()
                    harmed.add(item.who.removeprefix("agent-").split("-")[0])
                case _:
                    pass  # what people do to pods, nodes and clusters delays no other pod's answer
        return frozenset(each.name for each in self.clusters) - harmed

    def only(self, **changes: Any) -> Plan:
        """A copy with some fields changed."""
        return msgspec.structs.replace(self, **changes)
