"""A demo's folder: numbered runs, one server on each at most."""

import pytest

from mcs.demo.folder import new_run, newest_run, runs, serve_run
from mcs.errors import BadSettings


def test_runs_are_numbered(tmp_path):
    first, second = new_run(tmp_path, fresh=False), new_run(tmp_path, fresh=False)

    assert [first.name, second.name] == ["run-1", "run-2"]
    assert runs(tmp_path) == [first, second]


def test_a_fresh_one_removes_the_others_and_nothing_else(tmp_path):
    new_run(tmp_path, fresh=False)
    new_run(tmp_path, fresh=False)
    (tmp_path / "notes.txt").write_text("mine")

    run = new_run(tmp_path, fresh=True)

    assert runs(tmp_path) == [run]
    assert run.name == "run-1"
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_the_tenth_run_is_newer_than_the_ninth(tmp_path):
    for number in range(1, 11):
        (tmp_path / f"run-{number}" / "nats").mkdir(parents=True)

    assert newest_run(tmp_path).name == "run-10"
    assert newest_run(tmp_path / "run-3").name == "run-3"


def test_a_folder_without_a_demo_says_how_to_make_one(tmp_path):
    with pytest.raises(BadSettings, match="run `mcs demo --dir"):
        newest_run(tmp_path)


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(BadSettings, match="--dir"):
        new_run(tmp_path / "file", fresh=False)


@pytest.mark.live
async def test_a_folder_that_takes_no_file_is_named(tmp_path):
    run = new_run(tmp_path, fresh=False)
    (run / "url").mkdir()

    with pytest.raises(BadSettings, match="--dir"):
        async with serve_run(run):
            pytest.fail("served")


@pytest.mark.live
async def test_a_second_reader_uses_the_server_that_runs(tmp_path):
    run = new_run(tmp_path, fresh=False)

    async with serve_run(run) as first, serve_run(run) as second:
        assert first == second
        with pytest.raises(BadSettings, match="a demo is running"):
            new_run(tmp_path, fresh=True)

    assert not (run / "url").exists()
