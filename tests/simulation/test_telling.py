"""A run told: its plan, its story and its verdict."""

from mcs.simulation.plan import CordonNode, Kill
from mcs.simulation.running import run
from mcs.simulation.telling import planned, story, verdict
from mcs.views.words import plain
from tests.simulation.test_running import QUIET


def test_a_run_reads_as_a_story():
    kill = Kill(at_s=6, process="agent-c2-1", calls=0, down_s=1)
    outcome = run(QUIET.only(accidents=(kill,)), whole=True)
    plan = [plain(words) for words in planned(outcome)]
    assert plan[0] == "  c1: source and target; nodes 1000m; agents 1"
    assert plan[-1].startswith("  accident     6.00 s  Kill process=agent-c2-1")

    lines = [plain(words) for words in story(outcome)]
    assert lines == sorted(lines, key=lambda line: float(line.split(" s ")[0]))
    text = "\n".join(lines)
    assert "—— 6.00 s  Kill process=agent-c2-1" in text
    assert "agent-c2-1" in text
    assert "is killed" in text
    assert "placed work/b-0 on c2" in text
    assert "create pods c1-work-b-0 in c2" in text
    assert "a scheduler became active: reign 1" in text
    assert "act two: everything is healed" in text
    assert [plain(words) for words in story(outcome, last=3)] == lines[-3:]


def test_the_verdict_is_a_sentence():
    outcome = run(QUIET)
    assert plain(verdict(outcome)).startswith("seed 1: ")
    assert plain(verdict(outcome)).endswith(" frames, 4 pods, no accident: every rule held")
    outcome.failure = "I1: two of them"
    assert plain(verdict(outcome)).endswith("no accident: I1: two of them")


def test_items_of_work_are_told_too():
    item = CordonNode(at_s=1, cluster="c1", number=0, for_s=2)
    outcome = run(QUIET.only(work=(*QUIET.work, item)), whole=True)
    assert any("CordonNode cluster=c1" in plain(words) for words in story(outcome))
