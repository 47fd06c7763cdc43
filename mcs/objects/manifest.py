"""The user's pod, as the proxy's annotation keeps it, brought up to date with the proxy.

The annotation holds the pod as admitted. A gated pod may still be told where to run while it waits
(Kueue adds node selectors and tolerations before it opens its gate), and Kubernetes lets
tolerations be added at any time; such words land on the proxy, so they are added here to the
constraints that the annotation keeps.
"""

from __future__ import annotations

from typing import TypeVar, cast

import msgspec

from mcs.errors import BadManifest
from mcs.names import PROVIDER, VIRTUAL_NODE_TAINT, Keys
from mcs.objects import tolerations
from mcs.objects.kinds import Object, Pod, PodSpec

Json = dict[str, object]
T = TypeVar("T", bound=Object)


def saved(pod: Pod, keys: Keys) -> str:
    """The user's pod of a proxy as JSON, with the constraints added since its admission.

    Raises:
        BadManifest: the proxy has no readable annotation.
    """
    text = (pod.metadata.annotations or {}).get(keys.manifest, "")
    admitted = decoded(text, Pod)
    if not _changed(admitted.spec, pod.spec):
        return text
    manifest = parsed(text)
    spec = cast(Json, manifest.setdefault("spec", {}))
    _add_selector(spec, pod.spec)
    if added := _new_tolerations(_plain(admitted.spec), pod.spec):
        spec["tolerations"] = [*cast(list[Json], spec.get("tolerations") or []), *added]
    _add_affinity(spec, pod.spec)
    return msgspec.json.encode(manifest).decode()


def decoded(text: str, type: type[T]) -> T:
    """A manifest as one of the structs of ``kinds``.

    Raises:
        BadManifest: it is none.
    """
    try:
        return msgspec.json.decode(text, type=type)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadManifest(f"unreadable manifest: {error}") from error


def parsed(text: str) -> Json:
    """A manifest as JSON-like data.

    Raises:
        BadManifest: it is no JSON object.
    """
    try:
        return msgspec.json.decode(text, type=Json)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadManifest(f"unreadable manifest: {error}") from error


def _changed(admitted: PodSpec, proxy: PodSpec) -> bool:
    return bool(
        proxy.affinity
        or _new_selector(admitted.node_selector or {}, proxy)
        or _new_tolerations(_plain(admitted), proxy)
    )


def _new_selector(admitted: dict[str, str], proxy: PodSpec) -> dict[str, str]:
    ours = (VIRTUAL_NODE_TAINT, PROVIDER)
    return {
        key: value
        for key, value in (proxy.node_selector or {}).items()
        if (key, value) != ours and admitted.get(key) != value
    }


def _new_tolerations(admitted: list[Json], proxy: PodSpec) -> list[Json]:
    known = tolerations.of_proxy(admitted) + admitted
    return [item for item in _plain(proxy) if item not in known]


def _plain(spec: PodSpec) -> list[Json]:
    return [cast(Json, msgspec.to_builtins(item)) for item in spec.tolerations or ()]


def _add_selector(spec: Json, proxy: PodSpec) -> None:
    selector = cast(dict[str, str], spec.get("nodeSelector") or {})
    if added := _new_selector(selector, proxy):
        spec["nodeSelector"] = selector | added


def _add_affinity(spec: Json, proxy: PodSpec) -> None:
    """The webhook left no affinity on the proxy, so what is there now was added: both must hold."""
    if proxy.affinity is None or proxy.affinity.node_affinity is None:
        return
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    added = cast(Json, msgspec.to_builtins(proxy.affinity.node_affinity)).get(required)
    if not added:
        return
    affinity = cast(Json, spec.get("affinity") or {})
    node = cast(Json, affinity.get("nodeAffinity") or {})
    node[required] = _both(cast(Json | None, node.get(required)), cast(Json, added))
    spec["affinity"] = affinity | {"nodeAffinity": node}


def _both(left: Json | None, right: Json) -> Json:
    """Node selector terms are alternatives: both selectors hold where a pair of terms does."""
    if not left:
        return right
    pairs = [
        {
            kind: [*cast(list[object], a.get(kind) or []), *cast(list[object], b.get(kind) or [])]
            for kind in ("matchExpressions", "matchFields")
            if a.get(kind) or b.get(kind)
        }
        for a in cast(list[Json], left.get("nodeSelectorTerms") or [])
        for b in cast(list[Json], right.get("nodeSelectorTerms") or [])
        if a and b  # a term that asks nothing matches nothing
    ]
    return {"nodeSelectorTerms": pairs}
