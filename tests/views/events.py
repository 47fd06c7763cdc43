"""One of each event, for tests of their sentences."""

from mcs.events.constraints import Group, Taint
from mcs.events.decisions import (
    ClusterLost,
    ClusterRecovered,
    ClusterRemoved,
    CycleMarked,
    Fits,
    Incomplete,
    Lacks,
    Never,
    Partly,
    PlacementWithdrawn,
    PodDeferred,
    PodPlaced,
    Policy,
    PolicyActivated,
    ProxyEvicted,
    ProxyReleased,
    SchedulerClaimed,
)
from mcs.events.event import Last
from mcs.events.observations import (
    ClusterHeartbeat,
    ClusterJoined,
    ClusterLeft,
    DelegateGone,
    DelegateObserved,
    DelegateRejected,
    End,
    NodeGone,
    NodeObserved,
    NodePoolGone,
    NodePoolObserved,
    OperatorCommanded,
    Phase,
    PodGone,
    PodObserved,
    PodsObserved,
    ProxyDeleted,
    ProxyGone,
    ProxyObserved,
    ResyncCompleted,
    ResyncStarted,
    Ticked,
    Verb,
    VirtualNodeObserved,
)

POD = {"uid": "u1", "namespace": "default", "name": "step-3"}
PLACED = {**POD, "source": "c2", "placement": "u1.1"}

OBSERVED = {
    "joined as source and target (Kubernetes v1.36.3)": ClusterJoined(
        id="i", uid="k", kubernetes="v1.36.3"
    ),
    "lives: 3 nodes, 12 pods, 980m cpu free, has read decision 7": ClusterHeartbeat(
        nodes=3, pods=12, free={"cpu": 980}, decision=Last(sequence=7)
    ),
    "left in good order: stopped": ClusterLeft(reason="stopped"),
    "full account of delegates of c2 begins: on request": ResyncStarted(reason="on request"),
    "full account of delegates of c2 is whole, from 4 on": ResyncCompleted(started=4),
    "node n1 has 940m cpu, not ready, cordoned, tainted k:NoSchedule": NodeObserved(
        name="n1",
        allocatable={"cpu": 940, "pods": 110},
        ready=False,
        cordoned=True,
        taints=(Taint(key="k", effect="NoSchedule"),),
    ),
    "node n1 is gone": NodeGone(name="n1"),
    "node pool gpu has 2 nodes": NodePoolObserved(name="gpu", nodes=2),
    "node pool gpu is empty": NodePoolGone(name="gpu"),
    "pod kube-system/dns uses 260m cpu on n1": PodObserved(
        uid="p1", namespace="kube-system", name="dns", node="n1", requests={"cpu": 260}
    ),
    "2 pods use capacity, on 1 nodes": PodsObserved(
        uid=("p1", "p2"),
        name=("dns", "proxy"),
        namespace=(0, 0),
        node=(0, 0),
        ask=(0, 1),
        namespaces=("kube-system",),
        nodes=("n1",),
        asks=({"cpu": 260}, {}),
    ),
    "pod kube-system/dns uses nothing any more": PodGone(uid="p1"),
    "virtual node mcs-c2 for c2 is in place, cordoned": VirtualNodeObserved(
        target="c2", cordoned=True
    ),
    "proxy default/step-3 asks 200m cpu, pinned to c1, gated by g, priority 5": ProxyObserved(
        **POD,
        created="",
        manifest="SECRET",
        requests={"cpu": 200},
        cluster="c1",
        gates=("g",),
        priority=5,
    ),
    "proxy default/step-3 asks 200m cpu, in group g of 8, spread": ProxyObserved(
        **POD,
        created="",
        manifest="SECRET",
        requests={"cpu": 200},
        group=Group(name="g", size=8, spread=True),
    ),
    "proxy default/step-3 is being deleted, with 30s of grace": ProxyDeleted(**POD, grace_s=30),
    "proxy default/step-3 is gone": ProxyGone(**POD),
    "delegate of default/step-3 is Running on n2": DelegateObserved(
        placement="u1.1", namespace="default", name="d", uid="d", phase=Phase.RUNNING, node="n2"
    ),
    "delegate of default/step-3 (attempt 2) is Pending: no room": DelegateObserved(
        placement="u1.2", namespace="default", name="d", uid="d", unschedulable="no room"
    ),
    "delegate of default/step-3 was rejected: QuotaExceeded: no": DelegateRejected(
        placement="u1.1", namespace="default", name="d", reason="QuotaExceeded", message="no"
    ),
    "delegate of default/step-3 is gone: it had succeeded": DelegateGone(
        placement="u1.1", namespace="default", name="d", end=End.SUCCEEDED
    ),
    "a second passed in which nobody wrote": Ticked(),
    "ada commands mcs cluster remove c1 --confirm-dead": OperatorCommanded(
        id="1", verb=Verb.REMOVE, cluster="c1", by="ada"
    ),
    "ada commands mcs release c1/default/step-3": OperatorCommanded(
        id="2", verb=Verb.RELEASE, cluster="c1", namespace="default", name="step-3", by="ada"
    ),
}

DECIDED = {
    "a scheduler became active: reign 3 (mcs 1.0)": SchedulerClaimed(
        reign=3, id="x", version="1.0"
    ),
    "nothing to decide": CycleMarked(),
    "policy in force, rules 1, schema 1: most-replicas; a cluster is lost after 40s of silence, a "
    "delegate tried elsewhere after 30s without a node": PolicyActivated(
        rules=1, schema=1, version="1", policy=Policy()
    ),
    "placed default/step-3 on c1 node n2 (attempt 1), asking 200m cpu": PodPlaced(
        **PLACED, target="c1", delegate="d", manifest="SECRET", node="n2", requests={"cpu": 200}
    ),
    "default/step-3 waits: c1: not enough cpu on any one node; c2: fits; c3: cluster lost": (
        PodDeferred(
            **POD,
            source="c2",
            reasons={
                "c3": Never(constraint="cluster lost"),
                "c2": Fits(),
                "c1": Lacks(resource="cpu"),
            },
        )
    ),
    "default/step-3 waits: its group waits for members: 8 are placed together, or none": (
        PodDeferred(**POD, source="c2", group=Incomplete(size=8))
    ),
    "default/step-3 waits: c1: not enough room for the whole group": (
        PodDeferred(**POD, source="c2", reasons={"c1": Partly()})
    ),
    "withdrew default/step-3 from c1 (attempt 1): unschedulable, unless it has a node": (
        PlacementWithdrawn(
            **PLACED, target="c1", delegate="d", reason="unschedulable", unbound_only=True
        )
    ),
    "evicted default/step-3: delegate deleted": ProxyEvicted(**PLACED, reason="delegate deleted"),
    "let go of default/step-3 of c1: operator": ProxyReleased(
        **PLACED, target="c1", reason="operator"
    ),
    "cluster c1 is lost: it is silent": ClusterLost(cluster="c1"),
    "cluster c1 is back": ClusterRecovered(cluster="c1"),
    "cluster c1 is removed for good": ClusterRemoved(cluster="c1"),
}
