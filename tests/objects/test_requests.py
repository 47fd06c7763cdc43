"""Every case was computed by hand from PodRequests in component-helpers v0.36.3."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcs.errors import BadQuantity
from mcs.objects.kinds import Pod, PodSpec
from mcs.objects.requests import bound_requests, effective_requests
from mcs.quantities import LARGEST

MI = 1024 * 1024


def container(cpu="", memory="", *, always=False, name="c", **others):
    requests = {"cpu": cpu, "memory": memory, **others}
    made = {"name": name, "resources": {"requests": {k: v for k, v in requests.items() if v}}}
    return made | ({"restartPolicy": "Always"} if always else {})


def spec(**fields):
    return msgspec.convert(fields, PodSpec)


CASES = {
    "nothing asked": (spec(containers=[{"name": "a"}]), {}),
    "one container": (spec(containers=[container("200m", "1Gi")]), {"cpu": 200, "memory": 2**30}),
    "containers add up": (
        spec(containers=[container("200m", "1Gi"), container("1", "1Gi")]),
        {"cpu": 1200, "memory": 2 * 2**30},
    ),
    "limits do not count": (
        spec(containers=[{"name": "a", "resources": {"limits": {"cpu": "1"}}}]),
        {},
    ),
    "a large init container decides": (
        spec(containers=[container("100m")], initContainers=[container("500m")]),
        {"cpu": 500},
    ),
    "a small init container does not": (
        spec(containers=[container("100m"), container("100m")], initContainers=[container("150m")]),
        {"cpu": 200},
    ),
    "init containers do not add up": (
        spec(containers=[container("1m")], initContainers=[container("3"), container("2")]),
        {"cpu": 3000},
    ),
    "the larger is taken by resource": (
        spec(containers=[container("1", "1Mi")], initContainers=[container("500m", "2Mi")]),
        {"cpu": 1000, "memory": 2 * MI},
    ),
    "a sidecar runs beside the containers": (
        spec(containers=[container("1")], initContainers=[container("200m", always=True)]),
        {"cpu": 1200},
    ),
    "a sidecar declared earlier runs beside an init container": (
        spec(
            containers=[container("100m")],
            initContainers=[container("200m", always=True), container("1")],
        ),
        {"cpu": 1200},
    ),
    "a sidecar declared later does not": (
        spec(
            containers=[container("100m")],
            initContainers=[container("1"), container("200m", always=True)],
        ),
        {"cpu": 1000},
    ),
    "sidecars between init containers": (
        spec(
            containers=[container("100m")],
            initContainers=[
                container("100m", always=True),
                container("1"),
                container("300m", always=True),
                container("900m"),
            ],
        ),
        {"cpu": 1300},
    ),
    "overhead comes on top": (
        spec(containers=[container("1")], overhead={"cpu": "50m", "memory": "10Mi"}),
        {"cpu": 1050, "memory": 10 * MI},
    ),
    "requests of the whole pod replace sums": (
        spec(
            containers=[container("1", "1Mi"), container("1")],
            resources={"requests": {"cpu": "1500m"}},
        ),
        {"cpu": 1500, "memory": MI},
    ),
    "also when they are smaller than an init container": (
        spec(
            containers=[container("1")],
            initContainers=[container("4")],
            resources={"requests": {"cpu": "2"}},
            overhead={"cpu": "100m"},
        ),
        {"cpu": 2100},
    ),
    "huge pages can be asked for the whole pod, devices cannot": (
        spec(
            containers=[container("1")],
            resources={"requests": {"hugepages-2Mi": "4Mi", "nvidia.com/gpu": "1"}},
        ),
        {"cpu": 1000, "hugepages-2Mi": 4 * MI},
    ),
    "limits of the whole pod do not count": (
        spec(containers=[container("1")], resources={"limits": {"cpu": "8"}}),
        {"cpu": 1000},
    ),
    "devices count in units": (
        spec(
            containers=[container("1", **{"nvidia.com/gpu": "2"})],
            initContainers=[container(**{"nvidia.com/gpu": "1"})],
        ),
        {"cpu": 1000, "nvidia.com/gpu": 2},
    ),
    "amounts may be numbers": (
        spec(containers=[{"name": "a", "resources": {"requests": {"cpu": 2, "memory": 0.5}}}]),
        {"cpu": 2000, "memory": 1},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_requests_are_those_of_kube_scheduler(case):
    given_spec, expected = CASES[case]

    assert effective_requests(given_spec) == expected


def test_a_bad_amount_is_told():
    with pytest.raises(BadQuantity):
        effective_requests(spec(containers=[container("much")]))


CPU = st.integers(0, 4000)


@given(
    st.lists(CPU, min_size=1, max_size=4), st.lists(st.tuples(CPU, st.booleans()), max_size=5), CPU
)
def test_the_pod_asks_for_its_worst_moment(apps, inits, overhead):
    built = spec(
        containers=[container(f"{cpu}m") for cpu in apps],
        initContainers=[container(f"{cpu}m", always=always) for cpu, always in inits],
        overhead={"cpu": f"{overhead}m"},
    )

    moments, sidecars = [], 0
    for cpu, always in inits:
        moments.append(cpu + sidecars)
        sidecars += cpu if always else 0
    moments.append(sum(apps) + sidecars)
    assert effective_requests(built).get("cpu", 0) == max(moments) + overhead


def bound(statuses, *, asked="1", conditions=(), **more):
    return msgspec.convert(
        {
            "spec": {"containers": [container(asked)], **more},
            "status": {
                "containerStatuses": msgspec.Raw(msgspec.json.encode(statuses)),
                "conditions": list(conditions),
            },
        },
        Pod,
    )


def granted(cpu, allocated, name="c"):
    return {
        "name": name,
        "resources": {"requests": {"cpu": cpu}},
        "allocatedResources": {"cpu": allocated},
    }


INFEASIBLE = {"type": "PodResizePending", "status": "True", "reason": "Infeasible"}
BOUND = {
    "no status yet": (bound(None), 1000),
    "a status without resources": (bound([{"name": "c"}]), 1000),
    "shrinking counts what is in force": (bound([granted("2", "1")]), 2000),
    "growing counts what is asked": (bound([granted("500m", "500m")]), 1000),
    "a refused resize counts what is granted": (
        bound([granted("500m", "600m")], asked="64", conditions=[INFEASIBLE]),
        600,
    ),
    "another container's status says nothing": (bound([granted("9", "9", name="x")]), 1000),
    "overhead comes on top": (bound([granted("2", "1")], overhead={"cpu": "1"}), 3000),
}


@pytest.mark.parametrize("case", BOUND)
def test_a_bound_pod_counts_at_its_peak(case):
    pod, cpu = BOUND[case]

    assert bound_requests(pod) == {"cpu": cpu}


def test_a_pod_may_ask_for_more_than_there_are_numbers():
    asked = {"name": "c", "resources": {"requests": {"memory": "8Ei"}}}
    spec = msgspec.convert({"containers": [asked, asked, asked]}, PodSpec)

    assert effective_requests(spec) == {"memory": LARGEST}
