"""The webhook as an in-memory API server asks it: a pure function behind the namespace's gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mcs.adapters.memory_cluster import Mutator
from mcs.errors import Forbidden
from mcs.names import NAMESPACE_ENABLED, NAMESPACE_LABEL, Keys
from mcs.objects.admission import Refused, mutate
from mcs.objects.kinds import Namespace


def admission(keys: Keys) -> Mutator:
    """A mutator that asks about elected pods, where the namespace opted in."""

    async def admit(pod: dict[str, Any], home: Namespace) -> Sequence[Mapping[str, object]]:
        labels = home.metadata.labels or {}
        annotations = (pod.get("metadata") or {}).get("annotations") or {}
        asked = keys.elect in annotations or keys.manifest in annotations
        if not asked or labels.get(NAMESPACE_LABEL) != NAMESPACE_ENABLED:
            return ()
        answer = mutate(pod, keys, namespace=home.metadata.name)
        if isinstance(answer, Refused):
            raise Forbidden(answer.message, code=answer.code)
        return answer.operations

    return admit
