"""What work costs: requests that API servers counted, and CPU and memory of processes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from bench.clusters import Client
from tools.federation import Federation
from tools.nats import NatsServer
from tools.processes import Process

_LABEL = re.compile(r'(\w+)="([^"]*)"')
_WRITES = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
Requests = Counter[str]
"""Requests by verb and resource, such as ``create pods/binding``."""


async def writes(client: Client) -> Requests:
    """Every write that this API server has answered, whoever sent it."""
    found: Requests = Counter()
    for line in (await client.ask("GET", "/metrics")).decode().splitlines():
        if not line.startswith("apiserver_request_total{"):
            continue
        labels = dict(_LABEL.findall(line))
        if verb := _WRITES.get(labels["verb"]):
            resource = "/".join(filter(None, (labels["resource"], labels["subresource"])))
            found[f"{verb} {resource}"] += int(float(line.rpartition(" ")[2]))
    return found


async def webhook_seconds(client: Client) -> tuple[float, int]:
    """What the API server has waited for our webhook in all, and how often."""
    total, count = 0.0, 0
    prefix = "apiserver_admission_webhook_admission_duration_seconds_"
    for line in (await client.ask("GET", "/metrics")).decode().splitlines():
        if line.startswith(f"{prefix}sum") and 'type="admit"' in line:
            total += float(line.rpartition(" ")[2])
        if line.startswith(f"{prefix}count") and 'type="admit"' in line:
            count += int(float(line.rpartition(" ")[2]))
    return total, count


class Use(msgspec.Struct, frozen=True):
    """CPU seconds since the start, and resident memory in MiB."""

    cpu_s: float
    rss_mib: float


def processes(federation: Federation) -> dict[str, Process]:
    """All processes, by a name that tells what they are."""
    assert isinstance(federation.nats, NatsServer), "one server is measured"
    named: dict[str, Process] = {"mcs scheduler": federation.scheduler, "nats": federation.nats}
    named |= {f"mcs agent {name}": agent for name, agent in federation.agents.items()}
    for name, plane in federation.planes.items():
        named |= {f"{part} {name}": process for part, process in plane.processes.items()}
    return named


def use(parts: Mapping[str, Process]) -> dict[str, Use]:
    """What each process has used."""
    return {
        name: Use(process.cpu_seconds(), process.rss_bytes() / 2**20)
        for name, process in parts.items()
    }


class Meter:
    """What each process uses from here on."""

    def __init__(self, federation: Federation) -> None:
        self._parts = processes(federation)
        self._before = use(self._parts)

    def read(self) -> dict[str, Use]:
        """CPU seconds since then, and memory as it is now."""
        now = use(self._parts)
        return {
            name: Use(now[name].cpu_s - self._before[name].cpu_s, now[name].rss_mib)
            for name in self._parts
        }


def total(counters: Iterable[Requests]) -> Requests:
    """The sum of all."""
    result: Requests = Counter()
    for counter in counters:
        result.update(counter)
    return result
