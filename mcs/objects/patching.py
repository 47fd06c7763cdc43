"""The parts of a patch for ``pods/status``: conditions that differ, and the whole of it.

Patches are strategic merges: conditions merge by type and a finalizer is removed by name, so what
others write at the same time stays. Each carries the pod's uid as a precondition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mcs.objects.kinds import Condition, Pod

Json = dict[str, object]


def condition_changes(proxy: Pod, wanted: Sequence[Condition], *, at: str) -> list[Json]:
    """Those of ``wanted`` that the proxy does not show, each with a time of transition."""
    have = {item.type: item for item in proxy.status.conditions or ()}
    changed: list[Json] = []
    for item in wanted:
        old = have.get(item.type)
        if old is not None and _said(old) == _said(item):
            continue
        same = old is not None and old.status == item.status
        time = old.last_transition_time if same and old else item.last_transition_time
        changed.append(
            {
                "type": item.type,
                "status": item.status,
                "reason": item.reason or None,
                "message": item.message or None,
                "lastTransitionTime": time or at,
            }
        )
    return changed


def _said(item: Condition) -> tuple[str, str, str]:
    return item.status, item.reason or "", item.message or ""


def patch_of(
    proxy: Pod,
    *,
    annotations: Mapping[str, str] | None = None,
    changes: Json | None = None,
    let_go: str = "",
) -> Json | None:
    """The patch, or None when it would say nothing."""
    if not annotations and not changes and not let_go:
        return None
    metadata: Json = {"uid": proxy.metadata.uid}
    if annotations:
        metadata["annotations"] = dict(annotations)
    if let_go:
        metadata["$deleteFromPrimitiveList/finalizers"] = [let_go]
    return {"metadata": metadata, **({"status": changes} if changes else {})}
