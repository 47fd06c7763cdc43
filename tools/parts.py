"""Builds the programs that no Python package offers, once, into a cache.

A part is a Go module of ours under `tools/go/`, whose `tool` lines name the programs and whose
go.sum pins every byte of their source. `locate("kubernetes")` answers where the programs are and
builds them if need be; `python -m tools.parts` builds everything (up to fifteen minutes on two
cores).

The cache (`MCS_CACHE`, else `XDG_CACHE_HOME/mcs`, else `~/.cache/mcs`) holds one folder per part,
version and content of its module, so it never needs to be cleared for being stale. A lock on a
file beside that folder keeps parallel test runs from building the same thing twice. Programs that
`KUBEBUILDER_ASSETS` or PATH offers in the same minor version are used as they are.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tools.go_toolchain import go_command
from tools.locks import exclusively

_MODULES = Path(__file__).parent / "go"
_PROGRESS_INTERVAL_S = 15.0
_KUBERNETES_STAMPS = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


@dataclass(frozen=True, kw_only=True)
class Part:
    """What to build from one module: program name → Go package."""

    module: str
    packages: dict[str, str]
    stamps: tuple[str, ...] = ()
    version_arguments: dict[str, tuple[str, ...]] = field(default_factory=dict)


PARTS = {
    "etcd": Part(
        module="go.etcd.io/etcd/server/v3",
        packages={"etcd": "go.etcd.io/etcd/server/v3"},
        version_arguments={"etcd": ("--version",)},
    ),
    "kwok": Part(
        module="sigs.k8s.io/kwok",
        packages={"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
        stamps=("sigs.k8s.io/kwok/pkg/consts.Version={version}",),
    ),
    "kubernetes": Part(
        module="k8s.io/kubernetes",
        packages={
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
        },
        stamps=tuple(
            f"{package}.{variable}"
            for package in _KUBERNETES_STAMPS
            for variable in (
                "gitVersion={version}",
                "gitMajor={major}",
                "gitMinor={minor}",
                "gitTreeState=clean",
            )
        ),
        version_arguments={
            "kube-apiserver": ("--version",),
            "kube-controller-manager": ("--version",),
            "kube-scheduler": ("--version",),
            "kubectl": ("version", "--client"),
        },
    ),
    "argo": Part(
        module="github.com/argoproj/argo-workflows/v3",
        packages={
            "workflow-controller": "github.com/argoproj/argo-workflows/v3/cmd/workflow-controller"
        },
        stamps=("github.com/argoproj/argo-workflows/v3.version={version}",),
    ),
    "natscli": Part(
        module="github.com/nats-io/natscli",
        packages={"nats": "github.com/nats-io/natscli/nats"},
        stamps=("main.version={version}",),
        version_arguments={"nats": ("--version",)},
    ),
}


class BuildFailed(RuntimeError):
    """The Go compiler, or the download of a module, failed; the message shows its output."""


def locate(name: str) -> dict[str, Path]:
    """Where the programs of this part are, by name; what is missing is built first."""
    part, version = PARTS[name], version_of(name)
    folder = cache_folder() / f"{name}-{version}-{_fingerprint(name)}"
    found: dict[str, Path] = {}
    for program in part.packages:
        path = _offered(program, part, version) or folder / program
        if path.exists():
            found[program] = path
    missing = [program for program in part.packages if program not in found]
    if missing:
        with exclusively(folder):
            absent = [program for program in missing if not (folder / program).exists()]
            if absent:
                _build(name, absent, folder)
        found |= {program: folder / program for program in missing}
    return found


def version_of(name: str) -> str:
    """The version of a part, as its go.mod requires it."""
    text = (_MODULES / name / "go.mod").read_text()
    match = re.search(
        rf"^(?:require)?\s*{re.escape(PARTS[name].module)} (v\S+)", text, re.MULTILINE
    )
    if match is None:
        raise BuildFailed(f"tools/go/{name}/go.mod does not require {PARTS[name].module}")
    return match.group(1)


def cache_folder() -> Path:
    """Where built programs are kept."""
    if explicit := os.environ.get("MCS_CACHE"):
        return Path(explicit)
    if general := os.environ.get("XDG_CACHE_HOME"):
        return Path(general) / "mcs"
    return Path.home() / ".cache" / "mcs"


def _fingerprint(name: str) -> str:
    digest = hashlib.sha256()
    for file in ("go.mod", "go.sum"):
        digest.update((_MODULES / name / file).read_bytes())
    digest.update(repr(PARTS[name]).encode())
    return digest.hexdigest()[:12]


def _offered(program: str, part: Part, version: str) -> Path | None:
    """A program that the machine already has, if it is of our minor version."""
    if program not in part.version_arguments:
        return None
    folders = [os.environ.get("KUBEBUILDER_ASSETS", ""), os.environ.get("PATH", "")]
    path = shutil.which(program, path=os.pathsep.join(filter(None, folders)))
    if path is None:
        return None
    command = [path, *part.version_arguments[program]]
    answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    match = re.search(r"\bv?(\d+\.\d+)\.\d+", answer)
    return Path(path) if match and version.startswith(f"v{match.group(1)}.") else None


def _build(name: str, programs: list[str], folder: Path) -> None:
    part, version = PARTS[name], version_of(name)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as scratch:
        for program in programs:
            target = Path(scratch) / program
            command = [
                *(str(go_command(cache_folder())), "build", "-trimpath"),
                *("-ldflags", _linker_flags(part, version), "-o", str(target)),
                part.packages[program],
            ]
            _run_build(f"{program} {version}", command, _MODULES / name)
            target.rename(folder / program)  # whole or not at all


def _linker_flags(part: Part, version: str) -> str:
    major, minor = version.removeprefix("v").split(".")[:2]
    values = {"version": version, "major": major, "minor": minor}
    return " ".join(["-s -w", *(f"-X {stamp.format(**values)}" for stamp in part.stamps)])


def _run_build(title: str, command: list[str], folder: Path) -> None:
    # readonly: a go.sum that lacks a line fails here, and is not quietly completed
    settings = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    environment = {**os.environ, **settings, "GOTOOLCHAIN": "local"}
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        while True:
            _say(f"building {title} … {time.monotonic() - started:.0f} s")
            try:
                status = child.wait(_PROGRESS_INTERVAL_S)
                break
            except subprocess.TimeoutExpired:
                continue
        output.seek(0)
        if status != 0:
            text = output.read()[-8_000:].decode(errors="replace")
            raise BuildFailed(f"building {title} failed:\n{text}")
    _say(f"built {title} in {time.monotonic() - started:.0f} s")


def _say(text: str) -> None:
    print(f"parts: {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Build every part and say where it is."""
    for name in PARTS:
        for program, path in locate(name).items():
            print(f"{program}\t{version_of(name)}\t{path}")


if __name__ == "__main__":
    main()
