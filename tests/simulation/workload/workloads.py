"""Small workloads for tests."""

from hypothesis import strategies as st

from mcs.quantities import CPU, MEMORY, PODS
from mcs.simulation.workload.traces import Cluster, Node, Pod, Workload, shape

GPU = "example.com/gpu"


def node(name="n1", *, cpu=4000, memory=0, pods=110, labels=None, **more):
    allocatable = {CPU: cpu, MEMORY: memory, PODS: pods, **more}
    return Node(name=name, allocatable=allocatable, labels=labels or {})


def cluster(name="c1", *nodes):
    return Cluster(name=name, nodes=nodes or (node(),))


def pod(name="p1", source="c1", *, at=0, lasts=10, cpu=1000, selector=None, priority=0, **more):
    return Pod(
        name=name,
        source=source,
        arrival_s=at,
        duration_s=lasts,
        shape=shape({CPU: cpu, **more}, selector),
        priority=priority,
    )


def workload(*pods, clusters=None):
    ordered = tuple(sorted(pods, key=lambda each: each.arrival_s))
    return Workload(name="w", clusters=tuple(clusters or [cluster()]), pods=ordered)


@st.composite
def workloads(draw):
    """Two or three clusters of different nodes; pods that fit, wait, or never fit."""
    names = ["c1", "c2", "c3"][: draw(st.integers(2, 3))]
    cpus = st.sampled_from([1000, 2000, 4000])
    clusters = [
        cluster(
            name,
            *(
                node(f"n{number}", cpu=draw(cpus), memory=draw(st.integers(1, 8)))
                for number in range(draw(st.integers(1, 3)))
            ),
        )
        for name in names
    ]
    pods = [
        pod(
            f"p{number}",
            draw(st.sampled_from(names)),
            at=draw(st.integers(0, 20)),
            lasts=draw(st.integers(1, 15)),
            cpu=draw(st.sampled_from([500, 1000, 3000, 9000])),
            memory=draw(st.integers(0, 3)),
            priority=draw(st.integers(0, 1)),
        )
        for number in range(draw(st.integers(0, 12)))
    ]
    return workload(*pods, clusters=clusters)
