"""Alibaba's lists of nodes and pods, in files of their format that are written here."""

import pytest

from mcs.errors import BadSettings
from mcs.simulation.workload.alibaba import GPU, MODEL, read
from mcs.simulation.workload.playing import play

NODES = """\
sn,cpu_milli,memory_mib,gpu,model
node-0,32000,262144,0,
node-1,96000,393216,8,G2
node-2,64000,262144,2,P100
node-3,96000,393216,8,G2
"""
PODS = """\
name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time
pod-0,12000,16384,1,1000,,LS,Running,100,900,150
pod-1,6000,12288,1,460,P100|T4,BE,Succeeded,200,300,200
pod-2,88000,327680,8,1000,G2,Burstable,Failed,250,250,250
pod-3,4000,15258,0,0,,LS,Pending,260,270,
"""


@pytest.fixture
def files(tmp_path):
    def write(nodes=NODES, pods=PODS):
        paths = []
        for name, text in (("nodes.csv", nodes), ("pods.csv", pods)):
            (tmp_path / name).write_text(text)
            paths.append(tmp_path / name)
        return paths

    return write


def loaded(paths, **options):
    return read(paths, **{"clusters": 2, "seed": 0, **options})


def test_nodes_have_their_milli_gpus_and_the_model_as_a_label(files):
    nodes = {node.name: node for cluster in loaded(files()).clusters for node in cluster.nodes}

    assert nodes["node-1"].allocatable == {
        "cpu": 96000,
        "memory": 393216 << 20,
        GPU: 8000,
        "pods": 110,
    }
    assert nodes["node-1"].labels == {MODEL: "G2"}
    assert nodes["node-0"].allocatable[GPU] == 0
    assert nodes["node-0"].labels == {}


def test_each_cluster_gets_its_part_of_each_kind_of_node(files):
    first, second = loaded(files()).clusters

    assert {len(first.nodes), len(second.nodes)} == {2}
    assert [any(n.labels.get(MODEL) == "G2" for n in c.nodes) for c in (first, second)] == [
        True
    ] * 2


def test_pods_have_what_they_asked_for_when_they_came_and_as_long_as_they_ran(files):
    pods = {pod.name: pod for pod in loaded(files()).pods}

    shared = pods["pod-1"]
    assert shared.shape.requests == {"cpu": 6000, "memory": 12288 << 20, GPU: 460}
    assert shared.shape.selector == ((MODEL, ("P100", "T4")),)
    assert (shared.arrival_s, shared.duration_s) == (100, 100)  # since the first pod; running only
    assert (pods["pod-0"].arrival_s, pods["pod-0"].duration_s) == (0, 750)
    assert pods["pod-2"].shape.requests[GPU] == 8000
    assert pods["pod-2"].duration_s == 1  # shorter than a second
    assert pods["pod-0"].priority > pods["pod-2"].priority > shared.priority


def test_pods_that_never_ran_are_left_out_and_it_is_said(files):
    found = loaded(files())

    assert "pod-3" not in {pod.name for pod in found.pods}
    assert any("1 pod " in note and "left out" in note for note in found.notes)


def test_sources_are_drawn_from_the_seed(files):
    rows = "".join(f"p{n},1,1,0,0,,LS,Running,{n},99,{n}\n" for n in range(50))
    paths = files(pods=PODS.splitlines(keepends=True)[0] + rows)

    sources = [pod.source for pod in loaded(paths).pods]
    assert set(sources) == {"cluster1", "cluster2"}
    assert sources == [pod.source for pod in loaded(paths).pods]
    assert sources != [pod.source for pod in loaded(paths, seed=1).pods]


def test_the_files_may_come_in_any_order_and_the_first_pods_may_do(files):
    nodes, pods = files()
    found = loaded([pods, nodes], most=1)

    assert [pod.name for pod in found.pods] == ["pod-0"]
    assert any("first 1 of 3" in note for note in found.notes)


def test_a_trace_is_played(files):
    played = play(loaded(files()), "most-replicas")

    nodes = {run.pod.name: run.node for run in played.runs}
    assert nodes["pod-1"] == "node-2"  # the only P100
    assert nodes["pod-2"] in {"node-1", "node-3"}
    assert not played.waiting


HEAD = PODS.splitlines()[0]
BAD_PODS = {
    "x": ("pods.csv line 2: cpu_milli: 'x' is no whole number", "p,x,1,0,0,,LS,R,1,2,1"),
    "negative": ("line 2: memory_mib: '-1' is no whole number", "p,1,-1,0,0,,LS,R,1,2,1"),
    "empty": ("line 2: deletion_time: '' is no whole number", "p,1,1,0,0,,LS,R,1,,1"),
    "short": ("line 2: 3 columns, but the header has 11", "p,1,1"),
    "nameless": ("line 2: name is empty", ",1,1,0,0,,LS,R,1,2,1"),
    "twice": (
        "line 3: p stands here for the second time",
        "p,1,1,0,0,,LS,R,1,2,1\np,1,1,0,0,,LS,R,1,2,1",
    ),
    "backwards": (
        "line 2: deletion_time 5 is before scheduled_time 9",
        "p,1,1,0,0,,LS,R,1,5,9",
    ),
    "more than a GPU": ("line 2: gpu_milli: 1001 is more than a GPU", "p,1,1,1,1001,,LS,R,1,2,1"),
    "quote": ("line 2: ", 'p,1,1,0,0,,"LS'),
}


@pytest.mark.parametrize("case", BAD_PODS)
def test_a_bad_row_is_named_with_its_file_and_line(files, case):
    message, rows = BAD_PODS[case]

    with pytest.raises(BadSettings) as error:
        loaded(files(pods=f"{HEAD}\n{rows}\n"))
    assert message in str(error.value)


def test_numbers_may_be_written_as_pandas_does(files):
    paths = files(pods=f"{HEAD}\np,1,1,0,0,,LS,R,1.0,3.0,1.0\n")

    assert loaded(paths).pods[0].duration_s == 2


@pytest.mark.parametrize(
    ("nodes", "pods", "message"),
    [
        ("a,b\n1,2\n", PODS, "nodes.csv line 1: neither a list of nodes"),
        ("", PODS, "nodes.csv line 1: neither"),
        (NODES.splitlines()[0], PODS, "no nodes in nodes.csv and pods.csv"),
        (NODES, HEAD, "no pods in"),
        ("\n".join(NODES.splitlines()[:2]), PODS, "1 nodes in .* are too few for 2 clusters"),
    ],
)
def test_files_that_are_no_trace_are_refused(files, nodes, pods, message):
    with pytest.raises(BadSettings, match=message):
        loaded(files(nodes, pods))


def test_a_file_that_cannot_be_read_is_refused(files, tmp_path):
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(BadSettings, match="No such file"):
        loaded([tmp_path / "none.csv"])
    with pytest.raises(BadSettings, match=r"binary\.csv is no text"):
        loaded([binary])
