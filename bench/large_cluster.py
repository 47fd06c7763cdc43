"""Thousands of nodes and tens of thousands of running pods on one real control plane, in seconds.

One node, and one pod for each request, are made as usual and kept by KWOK until they are Ready and
Running. All others are copies of these, put into etcd under names of the same length, so that the
bytes stay true: to create each over the API takes many minutes on a small machine. The API server,
KWOK and everybody else see them come as they would see any other.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Self
from uuid import UUID

import aiohttp
import msgspec

from bench.clusters import Client
from tools.api import Object
from tools.controlplane import ControlPlane

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_LEVEL = "--log=info"
_SAID = "posting ready"  # in the message of KWOK's condition Ready
_LOOK_S = 0.5
_PUTS = 100  # in one transaction; etcd takes 128
_TEAMS = 20
_REQUESTS = [
    {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}
    for cpu, memory in itertools.product((50, 100, 250, 500), (64, 256, 1024))
]
_LABELS = ("region", "zone", "instance-type", "capacity-type", "image", "generation", "owner")


class LargeCluster:
    """So many ``nodes`` and ``pods``, made by ``fill``."""

    def __init__(
        self, plane: ControlPlane, client: Client, etcd: Etcd, *, nodes: int, pods: int
    ) -> None:
        self.nodes, self.pods = nodes, pods
        self._plane, self._client, self._etcd = plane, client, etcd
        self._serial = itertools.count()
        self._model_node = b""
        self._models: list[bytes] = []

    async def fill(self) -> None:
        """Make all; returns once the API server shows them, and is quiet."""
        await self._make_models()
        shapes = range(len(_REQUESTS))
        self._model_node = await self._etcd.get(f"minions/{_node(0)}")
        await self._etcd.put(map(self._copied_node, range(1, self.nodes)))
        self._models = [await self._etcd.get(f"pods/{_pod(shape)}") for shape in shapes]
        await self._etcd.put(map(self._copied_pod, range(len(shapes), self.pods)))
        await self._shown("/api/v1/nodes", self.nodes)
        await self._shown("/api/v1/pods", self.pods)
        await self._shown(_LEASES, self.nodes)  # KWOK makes them, and is quiet then

    async def beat(self, number: int) -> None:
        """Let a node say again that it is well, as its kubelet does every five minutes."""
        said = f"{next(self._serial):0{len(_SAID)}d}"
        await self._etcd.put([self._copied_node(1 + number % (self.nodes - 1), said)])

    async def touch(self, number: int) -> None:
        """Change a copied pod in a way that says nothing about capacity; in etcd as well, since a
        patch takes several milliseconds of the API server's CPU.
        """
        first = len(self._models)
        level = f"--log={next(self._serial) % 10_000:04d}"
        copy = self._copied_pod(first + number % (self.pods - first), {_LEVEL: level})
        await self._etcd.put([copy])

    async def live(self, _number: int) -> None:
        """One pod comes, runs for a second and goes."""
        number = self.pods + next(self._serial)
        await self._create(number, number % self.nodes)
        await asyncio.sleep(1.0)
        await self._client.ask("DELETE", _path(number))

    async def _make_models(self) -> None:
        """The first node, and the first pods."""
        api = self._plane.api
        for team in map(_team, range(_TEAMS)):
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": team}}
            await self._plane.apply(namespace)
            path = f"/api/v1/namespaces/{team}/serviceaccounts/default"
            await api.wait(path, lambda _: True)
        labels = {f"example.com/{key}": f"{key}-1" for key in _LABELS}
        prefix = _node(0).removesuffix("-0")
        await self._plane.add_nodes(1, cpu="64", memory="256Gi", labels=labels, prefix=prefix)
        for number in range(len(_REQUESTS)):
            await self._create(number, 0)
            await api.wait(_path(number), lambda pod: pod["status"]["phase"] == "Running")

    async def _create(self, number: int, on_node: int) -> None:
        await self._client.ask("POST", _path(number).rpartition("/")[0], pod(number, on_node))

    def _copied_node(self, number: int, said: str = _SAID) -> tuple[str, bytes]:
        names = {_node(0): _node(number), _SAID: said}
        return f"minions/{_node(number)}", copied(self._model_node, number, names)

    def _copied_pod(
        self, number: int, changed: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[str, bytes]:
        shape = number % len(self._models)
        names = {
            _name(shape): _name(number),
            _team(shape): _team(number),
            _service(shape): _service(number),
            _node(0): _node(number % self.nodes),
            **changed,
        }
        return f"pods/{_pod(number)}", copied(self._models[shape], self.nodes + number, names)

    async def _shown(self, path: str, wanted: int) -> None:
        """Return once the API server's own watch has brought it so many."""
        count = 0
        while count < wanted:
            await asyncio.sleep(_LOOK_S)
            answer = await self._client.ask("GET", f"{path}?limit=1")
            page = msgspec.json.decode(answer, type=_Page)
            count = 1 + page.metadata.remaining_item_count


def pod(number: int, on_node: int) -> Object:
    """A bound pod, as a Deployment's would look."""
    container = {
        "name": "main",
        "image": f"registry.example.com/team/{_service(number)}:1.2.3",
        "args": ["--listen=:8080", "--metrics=:9090", _LEVEL],
        "env": [{"name": f"SETTING_{each}", "value": f"value-{each}" * 3} for each in range(12)],
        "ports": [{"containerPort": 8080}, {"containerPort": 9090}],
        "resources": {"requests": _REQUESTS[number % len(_REQUESTS)]},
    }
    labels = {"app": _service(number), "tier": "backend", "version": "1.2.3"}
    return {
        "metadata": {"name": _name(number), "labels": labels},
        "spec": {"nodeName": _node(on_node), "containers": [container]},
    }


def copied(model: bytes, number: int, names: Mapping[str, str]) -> bytes:
    """A stored object under other names and with a uid of its own."""
    start = model.index(b"-", model.index(b"\x2a\x24")) - 8  # field 5 of 36 bytes: metadata.uid
    value = model.replace(model[start : start + 36], str(UUID(int=number)).encode())
    for old, new in names.items():
        assert len(old) == len(new), "lengths are stored beside texts"
        assert old.encode() in value, f"{old} is not in the model"
        value = value.replace(old.encode(), new.encode())
    return value


class _KeyValue(msgspec.Struct):
    value: bytes


class _Range(msgspec.Struct):
    kvs: tuple[_KeyValue, ...]


class _Metadata(msgspec.Struct, rename="camel"):
    remaining_item_count: int = 0


class _Page(msgspec.Struct):
    metadata: _Metadata


class Etcd:
    """What an API server has stored, over etcd's JSON gateway: an async context manager."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/v3/kv"

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, key: str) -> bytes:
        """One object's bytes."""
        answer = await self._ask("range", {"key": _key(key)})
        (found,) = msgspec.json.decode(answer, type=_Range).kvs
        return found.value

    async def put(self, objects: Iterable[tuple[str, bytes]]) -> None:
        """Store objects, so many at once."""
        rest = iter(objects)
        while batch := list(itertools.islice(rest, _PUTS)):
            puts = [
                {"requestPut": {"key": _key(key), "value": base64.b64encode(value).decode()}}
                for key, value in batch
            ]
            await self._ask("txn", {"success": puts})

    async def _ask(self, what: str, body: object) -> bytes:
        data = msgspec.json.encode(body)
        async with self._session.post(f"{self._url}/{what}", data=data) as response:
            answer = await response.read()
            if response.status != 200:
                raise RuntimeError(f"etcd: {response.status} {answer.decode()}")
            return answer


def _key(key: str) -> str:
    return base64.b64encode(f"/registry/{key}".encode()).decode()


def _node(number: int) -> str:
    return f"node-{1000 + number // 10}-{number % 10}"


def _team(number: int) -> str:
    return f"team-{10 + number % _TEAMS}"


def _service(number: int) -> str:
    return f"service-{10 + number % 50}"


def _name(number: int) -> str:
    return f"{_service(number)}-7c9d8b6f5-{number:06d}"


def _pod(number: int) -> str:
    return f"{_team(number)}/{_name(number)}"


def _path(number: int) -> str:
    return f"/api/v1/namespaces/{_team(number)}/pods/{_name(number)}"
