"""Parts are built once into a cache, or taken from what the machine offers."""

from pathlib import Path

import pytest

from tools import parts


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MCS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def builds(monkeypatch):
    """What would be built; the programs appear without a compiler."""
    made = []

    def build(title, command, folder):
        made.append(title)
        Path(command[command.index("-o") + 1]).write_text(folder.name)

    monkeypatch.setattr(parts, "_run_build", build)
    monkeypatch.setattr(parts, "go_command", lambda cache: cache / "go")
    return made


def offer(folder, program, answer):
    folder.mkdir(exist_ok=True)
    (folder / program).write_text(f"#!/bin/sh\necho '{answer}'\n")
    (folder / program).chmod(0o755)


@pytest.mark.parametrize("name", parts.PARTS)
def test_every_part_names_the_tools_of_its_module(name):
    text = (parts._MODULES / name / "go.mod").read_text()
    assert parts.version_of(name).startswith("v")
    for package in parts.PARTS[name].packages.values():
        assert f"\t{package}\n" in text or f"tool {package}\n" in text


def test_a_part_is_built_once(cache, builds):
    first = parts.locate("etcd")
    assert builds == ["etcd v3.6.5"]
    assert first["etcd"].is_relative_to(cache)
    assert parts.locate("etcd") == first
    assert len(builds) == 1


def test_only_what_is_missing_is_built(cache, builds):
    parts.locate("kubernetes")["kubectl"].unlink()
    builds.clear()
    parts.locate("kubernetes")
    assert builds == [f"kubectl {parts.version_of('kubernetes')}"]


def test_a_program_of_our_minor_version_is_taken_as_it_is(cache, builds, tmp_path, monkeypatch):
    minor = parts.version_of("kubernetes").rpartition(".")[0]
    offer(tmp_path / "assets", "kube-apiserver", f"Kubernetes {minor}.0")
    offer(tmp_path / "assets", "kubectl", "Client Version: v1.12.3")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    found = parts.locate("kubernetes")
    assert found["kube-apiserver"] == tmp_path / "assets" / "kube-apiserver"
    assert found["kubectl"].is_relative_to(cache)
    assert len(builds) == 3


def test_kubernetes_is_stamped_with_its_version():
    flags = parts._linker_flags(parts.PARTS["kubernetes"], "v1.36.3")
    assert "-X k8s.io/component-base/version.gitVersion=v1.36.3" in flags
    assert "-X k8s.io/client-go/pkg/version.gitMinor=36" in flags


def test_a_failed_build_shows_the_compilers_words(tmp_path):
    with pytest.raises(parts.BuildFailed, match="no such compiler"):
        parts._run_build("x", ["sh", "-c", "echo no such compiler; exit 1"], tmp_path)
