import pytest

from bench import kept, tell
from bench.kept import Kept
from bench.machine import Machine
from bench.reporting import PROFILE, Figure

MACHINE = Machine(
    processor="a processor",
    cores=2,
    memory_gib=24,
    kernel="Linux 6",
    load=0.0,
    date="2026-01-01",
    versions={"mcs": "1"},
)


def figure(case, value, unit="events/s", floor=None):
    ratio = value / floor if floor else None
    return Figure(bench="fold", case=case, value=value, unit=unit, floor=floor, ratio=ratio)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    return tmp_path


def keep(*, short):
    figures = [
        figure("mixed", 600_000, floor=1_200_000),
        figure("steady changes", 10),
        figure(f"{PROFILE}mixed: fold", 40, "%"),
    ]
    kept.keep("fold", Kept(machine=MACHINE, short=short, figures=figures))


@pytest.fixture
def _run(folder):
    keep(short=True)


def verdicts():
    return {
        line.split("|")[2].strip(): line.split("|")[-2].strip()
        for line in block("aims").splitlines()
        if line.startswith("| fold")
    }


def block(words):
    return tell.told(f"before\n<!-- {words} -->\nstale words\n<!-- end -->\nafter\n")


def test_the_page_holds_what_the_kept_figures_say():
    page = tell.PAGE.read_text()

    assert tell.told(page) == page, "run: python -m bench.tell"


@pytest.mark.usefixtures("_run")
def test_what_stands_between_the_comments_is_written_anew_and_nothing_else():
    told = block("figures: fold")

    assert told.startswith("before\n<!-- figures: fold -->\n")
    assert told.endswith("\n<!-- end -->\nafter\n")
    assert "| mixed          | 600,000  | events/s | 1,200,000 | 0.5   |" in told
    assert "stale" not in told
    assert PROFILE not in told
    assert tell.told(told) == told


@pytest.mark.usefixtures("_run")
def test_only_the_cases_that_begin_so_are_in_the_table():
    told = block("figures: fold steady")

    assert "steady changes" in told
    assert "mixed" not in told


@pytest.mark.usefixtures("_run")
def test_a_profile_names_functions_and_their_shares():
    assert "| `fold`   | 40 %           |" in block("profile: fold mixed")


@pytest.mark.usefixtures("_run")
def test_the_machine_is_told_and_that_the_run_was_a_short_one():
    told = block("machine: fold")

    assert "2 cores of a processor" in told
    assert "short run" in told


@pytest.mark.usefixtures("folder")
def test_an_aim_is_met_or_not_or_not_measured():
    keep(short=False)

    assert verdicts()["mixed"] == "met"
    assert verdicts()["steady changes"] == "not met"
    assert verdicts()["full account of nodes"] == "not measured"


@pytest.mark.usefixtures("_run")
def test_no_aim_is_judged_by_a_short_run():
    assert set(verdicts().values()) == {"not judged: a short run", "not measured"}


@pytest.mark.usefixtures("folder")
def test_what_was_not_measured_is_said():
    assert "Not measured yet." in block("figures: fold")
