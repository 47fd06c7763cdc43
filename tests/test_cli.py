"""The command line: help is fast and has examples, errors name their remedy, codes tell."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mcs
from mcs import app, cli
from mcs.adapters.jetstream import connect
from mcs.adapters.nats_server import embedded_server, free_port
from mcs.adapters.streams import apply_streams
from mcs.errors import BadSettings, LogLost, NotFound, Unavailable
from tests.building import World, node, proxy

HEAVY = {"nats", "aiohttp", "cryptography", "prometheus_client", "rich"}


@pytest.fixture
def run(capsys):
    """Run a command line; its exit code, output and errors."""

    def call(*arguments):
        try:
            cli.main([*arguments])
        except SystemExit as end:
            code = end.code
        else:
            code = 0
        captured = capsys.readouterr()
        return code or 0, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The URL of a server with a small log."""
    import asyncio

    world = World()
    world.join("c1", node("n1", cpu=300))
    world.join("c2", node("n1", cpu=100))
    world.proxies("c1", proxy("u1"), proxy("u2"))
    world.cycle()
    world.heartbeat("c1")
    loop = asyncio.new_event_loop()
    server = embedded_server(tmp_path_factory.mktemp("nats"))

    async def fill(url):
        log = await connect(url)
        await apply_streams(log)
        for _, subject, _, data in world.observations:
            await log.append([(subject, data)])
        for _, subject, data, _ in world.decisions:
            await log.append([(subject, data)])
        await log.close()

    started = loop.run_until_complete(server.__aenter__())
    loop.run_until_complete(fill(started.url))
    yield started.url
    loop.run_until_complete(server.__aexit__(None, None, None))
    loop.close()


def test_help_imports_nothing_heavy():
    code = (
        "import sys, mcs.cli\n"
        "try: mcs.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert not HEAVY & set(re.findall(r"'(\w+)'", done.stderr))
    assert "Exit codes" in done.stdout


def test_an_agent_does_without_the_schedulers_libraries():
    tree = ast.parse(Path(app.__file__).read_text())
    parts = {"_run", "_agent", "_admission", "_cluster", "_show", "open_nats"}
    wanted = {
        each.module
        for function in tree.body
        if getattr(function, "name", "") in parts
        for each in ast.walk(function)
        if isinstance(each, ast.ImportFrom) and each.module != "mcs.demo.folder"
    }
    assert {"mcs.services.agent", "mcs.adapters.kubernetes", "mcs.adapters.jetstream"} <= wanted
    code = f"import sys, {', '.join(sorted(wanted))}\nprint('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout == "False\n"


def test_examples_stand_beside_what_they_do(run):
    _, text, _ = run("agent", "--help")

    assert max(len(line) for line in text.splitlines()) <= 100


def test_a_reader_who_has_enough_is_no_error():
    command = [sys.executable, "-m", "mcs", "manifests", "scheduler", "--image", "i"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""

    assert process.returncode == 0


@pytest.mark.parametrize(
    "command",
    [
        ["demo"],
        ["scheduler"],
        ["agent"],
        ["streams", "apply"],
        ["manifests", "agent"],
        ["manifests", "scheduler"],
        ["status"],
        ["log"],
        ["why"],
        ["replay"],
        ["history"],
        ["export"],
        ["verify"],
        ["cluster", "cordon"],
        ["cluster", "uncordon"],
        ["cluster", "remove"],
        ["release"],
    ],
)
def test_every_command_has_examples_and_variables(run, command):
    code, text, _ = run(*command, "--help")

    assert code == 0
    assert "Examples:" in text
    assert f"mcs {' '.join(command)}" in text
    assert "MCS_" in text


def test_the_version_is_told(run):
    assert run("--version") == (0, f"mcs, version {mcs.__version__}\n", "")


def test_it_is_a_module_too():
    done = subprocess.run(
        [sys.executable, "-m", "mcs", "--version"], check=True, capture_output=True, text=True
    )

    assert mcs.__version__ in done.stdout


@pytest.mark.parametrize(
    ("error", "code"),
    [(BadSettings("x"), 2), (Unavailable("x"), 3), (LogLost("x"), 4), (NotFound("x"), 1)],
)
def test_codes_tell_what_went_wrong(error, code):
    assert cli.exit_code(error) == code


@pytest.mark.parametrize(
    ("arguments", "code", "remedy"),
    [
        (["nothing"], 2, "No such command"),
        (["log", "--since", "yesterday"], 2, "10m"),
        (["log", "--pod", "step-3"], 2, "default/step-3"),
        (["why", "step-3"], 2, "NAMESPACE/NAME"),
        (["replay", "--at", "then"], 2, "dec:45"),
        (["replay", "--follow", "--speed", "0"], 2, "--speed"),
        (["replay", "--follow", "--since", "then"], 2, "dec:45"),
        (["replay", "--follow", "--json"], 2, "leave out one of --follow and --json"),
        (["replay", "--since", "10m"], 2, "--follow"),
        (["replay", "--speed", "3"], 2, "give --follow, or leave out --speed"),
        (["replay", "--plain"], 2, "give --follow, or leave out --plain"),
        (["status", "--log", "a", "--nats", "nats://b"], 2, "leave out one of --nats and --log"),
        (["why", "a/b", "--log", "a", "--demo-dir", "b"], 2, "one of --demo-dir and --log"),
        (["release", "c1/step-3"], 2, "CLUSTER/NAMESPACE/NAME"),
        (["cluster", "remove", "c1"], 2, "--confirm-dead"),
        (["agent"], 2, "--cluster"),
        (["agent", "--cluster", "C_1"], 2, "lower-case"),
        (["manifests", "agent", "--cluster", "C_1"], 2, "lower-case"),
        (["status", "--demo-dir", "/nonexistent"], 2, "mcs demo --dir /nonexistent"),
        (["scheduler", "--lost-after", "soon"], 2, "--lost-after"),
        (["scheduler", "--score", "spread+best"], 2, "no policy 'best': there are binpack"),
        (["status", "--nats-creds", "/nonexistent"], 2, "/nonexistent"),
    ],
)
def test_a_wrong_word_is_answered_with_its_remedy(run, arguments, code, remedy):
    found, _, errors = run(*arguments)

    assert found == code
    assert remedy in errors


@pytest.mark.live
def test_an_unreachable_server_is_named_with_what_to_check(run):
    url = f"nats://127.0.0.1:{free_port()}"

    code, _, errors = run("status", "--nats", url)

    assert code == 3
    assert url in errors
    assert "is it running" in errors


@pytest.mark.live
def test_missing_streams_are_told_with_the_command_that_makes_them(run, tmp_path):
    import asyncio

    async def ask():
        async with embedded_server(tmp_path) as server:
            return await asyncio.to_thread(run, "status", "--nats", server.url)

    code, _, errors = asyncio.run(ask())

    assert code == 4
    assert "mcs streams apply" in errors


@pytest.mark.live
def test_streams_are_made_then_found_as_wanted_then_different(run, tmp_path):
    import asyncio

    async def ask():
        async with embedded_server(tmp_path) as server:
            apply = ("streams", "apply", "--nats", server.url)
            first = await asyncio.to_thread(run, *apply)
            second = await asyncio.to_thread(run, *apply)
            third = await asyncio.to_thread(run, *apply, "--replicas", "3")
            return first, second, third

    first, second, third = asyncio.run(ask())

    assert first[0] == second[0] == 0
    assert first[1].count("created") == 3
    assert second[1].count("as wanted") == 3
    assert third[0] == 6
    assert "num_replicas: wanted 3, found 1" in third[1]


@pytest.mark.live
def test_status_is_data_on_request(run, served):
    code, text, _ = run("status", "--nats", served, "--json")

    found = json.loads(text)
    assert code == 0
    assert [row["name"] for row in found["clusters"]] == ["c1", "c2"]
    assert [row["name"] for row in found["waiting"]] == ["pod-u2"]


@pytest.mark.live
def test_status_is_tables_otherwise(run, served):
    code, text, _ = run("status", "--nats", served)

    assert code == 0
    assert "Waiting (1)" in text


@pytest.mark.live
def test_the_log_may_be_narrowed_to_a_pod_a_cluster_or_a_time(run, served):
    _, whole, _ = run("log", "--nats", served)
    _, pod, _ = run("log", "--nats", served, "--pod", "default/pod-u1")
    _, c2, _ = run("log", "--nats", served, "--cluster", "c2")
    _, later, _ = run("log", "--nats", served, "--since", "2100-01-01")
    _, everything, _ = run("log", "--nats", served, "--all")

    assert "proxy default/pod-u2 asks" in whole
    assert [("pod-u1" in line) for line in pod.splitlines()] == [True, True]
    assert "joined" in c2
    assert "pod-u1" not in c2
    _, _, said = run("log", "--nats", served, "--cluster", "c9")
    assert later == ""
    assert "nothing of that" in said
    assert "lives: " in everything
    assert "lives: " not in whole


@pytest.mark.live
def test_the_log_as_json_is_one_object_a_line(run, served):
    _, text, _ = run("log", "--nats", served, "--json")

    found = [json.loads(line) for line in text.splitlines()]
    assert {each["stream"] for each in found} == {"OBSERVATIONS", "DECISIONS"}
    assert any(each["event"]["type"] == "cluster.heartbeat" for each in found)
    times = [each["time"] for each in found]
    assert times == sorted(times)


@pytest.mark.live
def test_why_tells_the_numbers(run, served):
    code, text, _ = run("why", "--nats", served, "default/pod-u2")

    assert code == 0
    assert "asks 200m cpu, the only eligible node (n1) has 100m" in " ".join(text.split())


@pytest.mark.live
def test_replay_shows_the_state_as_it_was(run, served):
    _, before, _ = run("replay", "--nats", served, "--at", "obs:11", "--json")
    _, after, _ = run("replay", "--nats", served, "--at", "dec:3", "--json")
    _, now, _ = run("replay", "--nats", served, "--json")
    code, text, _ = run("replay", "--nats", served, "--at", "cycle:2")

    waiting = [[row["name"] for row in json.loads(each)["waiting"]] for each in (before, after)]
    assert waiting == [["pod-u1", "pod-u2"], ["pod-u2"]]
    assert (
        json.loads(now)["digest"]
        == json.loads(run("status", "--nats", served, "--json")[1])["digest"]
    )
    assert code == 0
    assert "As it was at" in text
    assert "Waiting (1)" in text


@pytest.mark.live
def test_history_is_played_as_lines_where_there_is_no_terminal(run, served):
    code, text, errors = run("replay", "--nats", served, "--follow", "--speed", "1000")
    _, log, _ = run("log", "--nats", served)
    _, part, _ = run("replay", "--nats", served, "-f", "--since", "obs:11", "--at", "dec:3")

    assert code == 0
    assert text.splitlines() == log.splitlines()
    assert "to decision 3, observation 12." in errors
    assert 0 < len(part.splitlines()) < len(text.splitlines())


@pytest.mark.live
def test_a_play_needs_a_beginning_before_its_end(run, served):
    code, _, errors = run("replay", "--nats", served, "-f", "--since", "obs:12", "--at", "obs:1")

    assert code == 2
    assert "--since is later than --at" in errors


@pytest.mark.live
def test_a_moment_that_the_log_does_not_hold_has_a_code_of_its_own(run, served):
    code, _, errors = run("replay", "--nats", served, "--at", "dec:99")

    assert code == 5
    assert "the log has no decision 99: it holds 1 to 3" in errors


@pytest.mark.live
def test_why_is_told_of_a_moment_too_with_the_events_behind_it(run, served):
    code, text, _ = run("why", "--nats", served, "default/pod-u2", "--at", "obs:11", "--json")

    (found,) = json.loads(text)
    verdicts = {row["cluster"]: row for row in found["verdicts"]}
    assert code == 0
    assert (found["standing"], found["decided"]) == ("it waits for a place, behind 1 other", None)
    assert "asks 200m cpu, the only eligible node (n1) has 100m" in verdicts["c1"]["text"]
    assert [row["name"] for row in verdicts["c1"]["bookings"]] == ["pod-u1"]
    assert [(row["stream"], row["sequence"]) for row in verdicts["c1"]["behind"]] == [
        ("OBSERVATIONS", 3)
    ]


@pytest.mark.live
def test_history_tells_a_pods_steps_and_stages(run, served):
    code, text, _ = run("history", "--nats", served, "default/pod-u1")
    _, data, _ = run("history", "--nats", served, "default/pod-u1", "--at", "dec:3", "--json")

    (found,) = json.loads(data)
    assert code == 0
    assert "created, through the webhook" in text
    assert [step["stage"] for step in found["steps"]] == ["waiting", "waiting", "placing"]
    assert set(found["stages_s"]) == {"waiting", "placing"}


@pytest.mark.live
def test_what_is_unknown_is_answered_with_what_is_known(run, served):
    for arguments, known in (
        (("why", "default/pod-u3"), "default/pod-u2"),
        (("history", "default/pod-u3"), "default/pod-u2"),
        (("why", "default/pod-u2", "--at", "obs:10"), "up to obs:10; no elected pod was ever seen"),
        (("why", "default/pod-u1", "--cluster", "c2"), "from cluster c2"),
        (("cluster", "cordon", "c9"), "c1, c2"),
        (("release", "c1/default/nothing"), "none is being deleted"),
    ):
        code, _, errors = run(*arguments, "--nats", served)
        assert code == 5, arguments
        assert known in errors


@pytest.mark.live
def test_a_command_is_an_event_in_the_log(run, served):
    code, text, _ = run("cluster", "cordon", "c2", "--by", "ada", "--nats", served)
    _, log, _ = run("log", "--nats", served)
    _, status, _ = run("status", "--nats", served)

    assert code == 0
    assert "the scheduler places nothing new there" in text
    assert "ada commands mcs cluster cordon c2" in log
    assert "cordoned" in status


@pytest.mark.live
def test_a_release_says_when_it_will_take_effect(run, served):
    code, text, _ = run("release", "c1/default/pod-u1", "--nats", served)

    assert code == 0
    assert "kubectl delete pod -n default pod-u1" in text
