"""``mcs simulate --workload``: what a person types, sees, and is refused."""

import json

import pytest

from mcs import cli

SMALL = ["--pods", 60, "--nodes", 2, "--clusters", 2, "--trials", 2]
NODES = "sn,cpu_milli,memory_mib,gpu,model\nn1,8000,1024,2,T4\nn2,8000,1024,0,\n"
PODS = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,"
    "creation_time,deletion_time,scheduled_time\n"
    "p1,8000,1,0,0,,LS,Running,0,100,0\np2,1000,1,1,500,T4,BE,Running,0,20,0\n"
    "p3,1000,1,1,1000,V100,BE,Running,5,20,10\n"
)


@pytest.fixture
def simulate(capsys):
    """Run the command; its exit code, output and errors."""

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            cli.main(["simulate", *map(str, arguments)])
        captured = capsys.readouterr()
        return end.value.code or 0, captured.out, captured.err

    return call


def test_a_federation_stands_beside_separate_clusters(simulate):
    code, out, _ = simulate("--workload", "bursts", *SMALL)

    assert code == 0
    assert out.startswith("bursts: 60 pods in ")
    for heading in ("Waits", "Capacity", "Nodes"):
        assert f"\n{heading}" in out
    rows = [line.split() for line in out.splitlines()]
    assert [row[0] for row in rows if row[1:2] == ["most-replicas"]] == 2 * [
        "separate",
        "federation",
    ]
    assert any(row[:1] == ["most-replicas"] for row in rows)
    assert "a federation does with " in out


def test_the_same_seed_prints_the_same(simulate):
    first = simulate("--workload", "steady", "--seed", 3, *SMALL)

    assert simulate("--workload", "steady", "--seed", 3, *SMALL) == first
    assert simulate("--workload", "steady", "--seed", 4, *SMALL) != first


def test_programs_get_json_with_the_same_figures(simulate):
    _, out, _ = simulate("--workload", "steady", "--json", *SMALL)

    found = json.loads(out)
    assert found["workload"]["clusters"] == {"cluster1": 2, "cluster2": 2}
    assert [each["clusters"] for each in found["plays"]] == ["separate", "federation"]
    for each in found["plays"]:
        measures = each["measures"]
        assert measures["ran"] + measures["never"] == measures["pods"] == 60
        assert 0 < measures["levels"]["cpu"]["used"] <= 1
        assert measures["waits"]["p99_s"] >= 0
    (compacted,) = found["compactions"]
    assert compacted["policy"] == "most-replicas"
    assert compacted["compaction"]["nodes"] == 4


def test_there_is_one_row_for_each_policy(simulate):
    policies = ["--policy", "most-replicas", "--policy", "binpack"]
    _, out, _ = simulate("--workload", "steady", "--json", "--no-separate", *policies, *SMALL)

    found = json.loads(out)
    assert [each["clusters"] for each in found["plays"]] == ["federation", "federation"]
    for rows in (found["plays"], found["compactions"]):
        assert [each["policy"] for each in rows] == ["most-replicas", "binpack"]


def test_without_trials_no_nodes_are_taken_away(simulate):
    _, out, _ = simulate("--workload", "steady", *SMALL, "--trials", 0)

    assert "Capacity" in out
    assert "\nNodes" not in out


def test_a_trace_is_read_and_who_never_runs_is_told(simulate, tmp_path):
    nodes, pods = tmp_path / "nodes.csv", tmp_path / "pods.csv"
    nodes.write_text(NODES)
    pods.write_text(PODS)

    code, out, _ = simulate("--workload", nodes, "--workload", pods, "--clusters", 1, "--trials", 1)

    assert code == 0
    assert out.startswith("nodes.csv and pods.csv: 3 pods in 5.0s, for 1 cluster with 2 nodes;")
    assert "1 pod would never run (federation, most-replicas): cluster1: node affinity" in out
    assert "gpu-milli" in out
    assert "left out: 1 pod that no node at home takes" in out


def test_a_bad_trace_is_refused_with_file_and_line(simulate, tmp_path):
    nodes, pods = tmp_path / "nodes.csv", tmp_path / "pods.csv"
    nodes.write_text(NODES + "n3,many,1,0,\n")
    pods.write_text(PODS)

    code, out, err = simulate("--workload", nodes, "--workload", pods)

    assert (code, out) == (2, "")
    assert f"{nodes} line 4: cpu_milli: 'many' is no whole number" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--workload", "no-such"], "neither a file nor one of steady, bursts"),
        (["--workload", "steady", "--workload", "bursts"], "--workload steady stands alone"),
        (["--workload", "steady", "--policy", "no-such"], "no-such"),
        (["--workload", "steady", "--trace"], "--trace does not go with --workload"),
        (["--workload", "steady", "--journal", "x"], "--journal does not go with --workload"),
        (["--seed", 1, "--pods", 5], "--pods needs --workload"),
        (["--json"], "--json needs --workload"),
        (["--workload", __file__, "--nodes", 5], "--nodes: the files say which nodes"),
    ],
)
def test_what_makes_no_sense_is_refused(simulate, arguments, said):
    code, out, err = simulate(*arguments)

    assert (code, out) == (2, "")
    assert said in err
