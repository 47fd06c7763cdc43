"""What becomes of a pod that waits, as an event: its place, or why it has none."""

from __future__ import annotations

from typing import Final

import msgspec

from mcs.decisions.choosing import Choice
from mcs.errors import BadManifest
from mcs.events.decisions import PodDeferred, PodPlaced
from mcs.names import Keys, PodKey, placement_id
from mcs.objects.delegate import delegate_manifest
from mcs.projections.backlog import Proxy
from mcs.projections.lines import Told

_encoder: Final = msgspec.json.Encoder()


def tell_place(proxy: Proxy, choice: Choice, name: str, keys: Keys) -> PodPlaced:
    """A pod's place, with the delegate to make there.

    Raises:
        BadManifest: what the webhook kept of it is no pod.
    """
    attempt = proxy.attempts + 1
    manifest = delegate_manifest(
        proxy.manifest,
        keys=keys,
        source=proxy.source,
        pod=PodKey(proxy.namespace, proxy.name),
        uid=proxy.uid,
        attempt=attempt,
        name=name,
    )
    try:
        text = _encoder.encode(manifest).decode()
    except (OverflowError, RecursionError) as error:
        raise BadManifest(f"unreadable manifest: {error}") from error
    return PodPlaced(
        placement=placement_id(proxy.uid, attempt),
        uid=proxy.uid,
        source=proxy.source,
        target=choice.target,
        namespace=proxy.namespace,
        name=proxy.name,
        delegate=name,
        manifest=text,
        node=choice.node,
        requests=proxy.requests,
    )


def tell_why(proxy: Proxy, told: Told) -> PodDeferred:
    """Why a pod waits."""
    return PodDeferred(
        uid=proxy.uid,
        source=proxy.source,
        namespace=proxy.namespace,
        name=proxy.name,
        reasons=told.reasons,
        group=told.group,
    )
