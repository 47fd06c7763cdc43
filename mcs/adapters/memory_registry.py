"""How an API server carries out writes: create, bind, update and delete, over a ``Store``.

Deletion follows Kubernetes' ``Store.Delete`` and ``rest.BeforeDelete`` (apiserver
``registry/generic/registry/store.go``, ``registry/rest/delete.go``): a pod that is bound keeps its
grace until somebody asks for none, everything waits for its finalizers, and the last one's removal
removes the object.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from mcs.adapters import memory_pods, memory_rules
from mcs.adapters.memory_store import Entry, Key, Store
from mcs.errors import AlreadyExists, Forbidden, Invalid, NotFound
from mcs.objects.kinds import NAMESPACES, PODS, Kind
from mcs.ports import Clock

Json = dict[str, Any]


class Request(NamedTuple):
    """What somebody asks of the API server; ``body`` is the object to be stored, if any."""

    verb: str
    kind: Kind[Any]
    namespace: str
    name: str
    subresource: str = ""
    body: Json | None = None


Validator = Callable[[Request], None]
"""Called before a write is stored; raises ``Forbidden`` as quotas and policies do."""


class Registry:
    """All writes to one store."""

    def __init__(self, store: Store, clock: Clock, random: Random) -> None:
        self.validators: list[Validator] = []
        self._store = store
        self._clock = clock
        self._random = random
        self._kinds: dict[str, Kind[Any]] = {}

    def entry(self, kind: Kind[Any], namespace: str, name: str) -> Entry:
        """The stored object. Raises NotFound."""
        entry = self._store.get(key_of(kind, namespace, name))
        if entry is None:
            word = memory_rules.resource(kind)
            raise NotFound(f'{word} "{name}" not found', code=404, reason="NotFound")
        return entry

    def validate(self, request: Request) -> None:
        """Ask every validator; one of them may raise."""
        for validator in self.validators:
            validator(request)

    def check_namespace(self, kind: Kind[Any], namespace: str) -> None:
        """Raise NotFound or Forbidden unless objects may be created in the namespace."""
        if not kind.namespaced:
            return
        entry = self.entry(NAMESPACES, "", namespace)
        if "deletionTimestamp" in entry.manifest["metadata"]:
            raise Forbidden(
                f"{kind.plural} is forbidden: unable to create new content in namespace "
                f"{namespace} because it is being terminated",
                code=403,
                reason="Forbidden",
            )

    def admissible(self, kind: Kind[Any], namespace: str, body: Json) -> Json:
        """A new object as admission webhooks get to see it."""
        metadata = dict(body.get("metadata") or {})
        memory_rules.wipe(metadata)
        if kind.namespaced:
            if not namespace:
                raise Invalid("the server does not allow this method on the resource", code=405)
            if metadata.setdefault("namespace", namespace) != namespace:
                raise Invalid(
                    "the namespace of the provided object does not match the namespace sent on "
                    "the request",
                    code=400,
                    reason="BadRequest",
                )
            self.check_namespace(kind, namespace)
        body = {**body, "apiVersion": kind.api, "kind": kind.name, "metadata": metadata}
        return memory_pods.with_defaults(body) if kind is PODS else body

    def add(self, kind: Kind[Any], body: Json) -> Entry:
        """Store a new object that admission has passed. Raises AlreadyExists, Invalid."""
        metadata = body["metadata"]
        if not metadata.get("name") and metadata.get("generateName"):
            suffix = self._random.choices(memory_rules.ALPHABET, k=memory_rules.SUFFIX)
            metadata["name"] = metadata["generateName"] + "".join(suffix)
        memory_rules.check_metadata(kind, metadata)
        name, namespace = metadata["name"], metadata.get("namespace", "")
        if kind is PODS:
            memory_pods.check_new(body)
            body = {**body, "status": memory_pods.new_status(body)}
        if kind is NAMESPACES:
            metadata.setdefault("labels", {})["kubernetes.io/metadata.name"] = name
            body["status"] = {"phase": "Active"}
        self.validate(Request("create", kind, namespace, name, "", body))
        self._kinds[kind.path()] = kind
        key = key_of(kind, namespace, name)
        if self._store.get(key) is not None:
            word = memory_rules.resource(kind)
            raise AlreadyExists(f'{word} "{name}" already exists', code=409, reason="AlreadyExists")
        metadata["uid"] = str(UUID(int=self._random.getrandbits(128), version=4))
        metadata["creationTimestamp"] = memory_rules.timestamp(self._clock.now())
        return self._store.put(key, body)

    def bind(self, kind: Kind[Any], request: Request, binding: Json) -> None:
        """Bind a pod to a node. Raises NotFound, Conflict."""
        if kind is not PODS or request.subresource != "binding":
            raise NotFound("the server could not find the requested resource", code=404)
        metadata = binding.get("metadata") or {}
        if metadata.get("name") != request.name:
            raise Invalid(
                "name in URL does not match name in Binding object", code=400, reason="BadRequest"
            )
        entry = self.entry(kind, request.namespace, request.name)
        memory_rules.check_preconditions(
            kind,
            entry.manifest["metadata"],
            metadata.get("uid", ""),
            metadata.get("resourceVersion", ""),
        )
        self.validate(request)
        now = memory_rules.timestamp(self._clock.now())
        new = memory_pods.bound(entry.manifest, binding, now)
        self._store.put(key_of(kind, request.namespace, request.name), new)

    def update(self, kind: Kind[Any], old: Entry, new: Json) -> Entry:
        """Store a changed object, or remove it when this lets a pending deletion happen."""
        key = key_of(kind, new["metadata"].get("namespace", ""), new["metadata"]["name"])
        if new == old.manifest:
            return old  # as a real one: nothing changed, nothing is written
        if memory_rules.ends_with_update(old.manifest, new):
            self._remove(key)
            return Entry(new, msgspec.json.encode(new))
        return self._store.put(key, new)

    def delete(self, kind: Kind[Any], entry: Entry, asked_s: int | None) -> None:
        """Delete an object, or mark it as being deleted."""
        metadata = entry.manifest["metadata"]
        key = key_of(kind, metadata.get("namespace", ""), metadata["name"])
        now, left = int(self._clock.now()), metadata.get("deletionGracePeriodSeconds")
        grace = 0
        if kind is PODS and left:
            # already on its way: the grace may only be shortened, and counts from the first request
            if asked_s is None or asked_s >= left:
                return
            grace = asked_s if asked_s >= 0 else 1
            self._mark(key, entry, memory_rules.unix(metadata["deletionTimestamp"]) - left, grace)
        elif kind is PODS and left is None:
            grace = memory_pods.grace_s(entry.manifest, asked_s)
            self._mark(key, entry, now, grace)
        elif left is None and (metadata.get("finalizers") or kind is NAMESPACES):
            self._mark(key, entry, now, 0)
        if kind is NAMESPACES:
            self._empty(metadata["name"])
        elif not grace and not metadata.get("finalizers"):
            self._remove(key)

    def _mark(self, key: Key, entry: Entry, start: int, grace: int) -> None:
        marks = {
            "deletionTimestamp": memory_rules.timestamp(start + grace),
            "deletionGracePeriodSeconds": grace,
        }
        manifest = {**entry.manifest, "metadata": {**entry.manifest["metadata"], **marks}}
        if key[0] == NAMESPACES.path():
            manifest["status"] = {"phase": "Terminating"}
        self._store.put(key, manifest)

    def _remove(self, key: Key) -> None:
        self._store.remove(key)
        namespace = self._store.get(key_of(NAMESPACES, "", key[1]))
        if namespace is not None and "deletionTimestamp" in namespace.manifest["metadata"]:
            self._empty(key[1])

    def _empty(self, namespace: str) -> None:
        """What the namespace controller does, at once: contents first, then the namespace."""
        for key in self._store.within(namespace):
            entry = self._store.get(key)
            if entry is not None and "deletionTimestamp" not in entry.manifest["metadata"]:
                self.delete(self._kinds[key[0]], entry, None)
        home = key_of(NAMESPACES, "", namespace)
        if not self._store.within(namespace) and self._store.get(home) is not None:
            self._store.remove(home)


def key_of(kind: Kind[Any], namespace: str, name: str) -> Key:
    """Where an object is stored."""
    return (kind.path(), namespace if kind.namespaced else "", name)
