"""Writes on proxies, and remembers what it wrote until the watch shows it.

So a proxy is always judged as it is now: a write is not repeated because its echo is late, and a
change of somebody else's is seen.
"""

from __future__ import annotations

from typing import Final, assert_never

import msgspec

from mcs.decisions.reflecting import Bind, DeleteProxy, Explain, Finish, Release, Show, Step
from mcs.names import Keys
from mcs.objects import feedback, waiting
from mcs.objects.kinds import PODS, Pod
from mcs.ports import Clock, Cluster, Manifest, Patch
from mcs.services.pods import Pods
from mcs.services.timestamps import timestamp

LATE_S: Final = 10.0  # a deletion that was granted is in view by then, or was cut off half-way


class ProxyWriter:
    """Takes feedback's steps in ``cluster``."""

    def __init__(self, cluster: Cluster, pods: Pods, keys: Keys, clock: Clock) -> None:
        self._cluster, self._pods, self._keys, self._clock = cluster, pods, keys, clock
        self._written: dict[str, Pod] = {}
        self._ended: dict[str, float] = {}  # let go and deleted, when; still to be seen

    def current(self, uid: str) -> Pod | None:
        """The proxy as it is, as far as we know; None when it is gone."""
        ended_s = self._ended.get(uid)
        if ended_s is not None and self._clock.monotonic() - ended_s < LATE_S:
            return None
        return self._written.get(uid) or self._pods.proxies.get(uid)

    def shown(self, uid: str, after: Pod | None) -> None:
        """The watch showed the proxy ``after`` a change (None: it is gone)."""
        written = self._written.get(uid)
        if after is None or (written is not None and _revision(after) >= _revision(written)):
            self._written.pop(uid, None)
        if after is None:
            self._ended.pop(uid, None)

    def forget(self, uid: str) -> None:
        """Believe the watch again."""
        self._written.pop(uid, None)

    def patch(self, step: Step, proxy: Pod, *, reachable: bool) -> Manifest | None:
        """The status patch of a step; None when nothing differs, or when it is none.

        ``reachable``: the delegate's addresses mean the same here.
        """
        at = timestamp(self._clock.now())[:19] + "Z"  # metav1.Time has whole seconds
        match step:
            case Show():
                return feedback.shown(proxy, step.delegate, self._keys, at=at, reachable=reachable)
            case Explain():
                return waiting.condition(proxy, reason=step.reason, message=step.message, at=at)
            case Finish():
                return feedback.finished(
                    proxy, step.phase, reason=step.reason, message=step.message, at=at
                )
            case Release():
                return feedback.released(
                    proxy,
                    self._keys,
                    at=at,
                    delegate=step.delegate,
                    end=step.end,
                    message=step.why,
                )
            case Bind() | DeleteProxy():
                return None
            case _:
                assert_never(step)

    async def take(self, step: Step, proxy: Pod, patch: Manifest | None) -> Pod:
        """Write a step; the proxy as it is then.

        Raises:
            NotFound: it is gone.
            Conflict: it is bound already, or another pod has its name.
        """
        match step:
            case Bind():
                return await self._bind(proxy, step.node)
            case DeleteProxy():
                await self._delete(proxy, None)
            case Show() | Explain() | Finish() | Release():
                if patch is not None:
                    proxy = await self._write(proxy, patch)
                if isinstance(step, Release) and step.delete:
                    await self._delete(proxy, 0)
                    self._end(proxy)
            case _:
                assert_never(step)
        return proxy

    async def _bind(self, proxy: Pod, node: str) -> Pod:
        meta = proxy.metadata
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        await self._cluster.create(
            PODS, binding, namespace=meta.namespace, name=meta.name, subresource="binding"
        )
        bound = msgspec.structs.replace(
            proxy, spec=msgspec.structs.replace(proxy.spec, node_name=node)
        )
        return self._remember(proxy, bound)

    async def _write(self, proxy: Pod, patch: Manifest) -> Pod:
        written = await self._cluster.patch(
            PODS,
            proxy.metadata.name,
            patch,
            namespace=proxy.metadata.namespace,
            subresource="status",
            type=Patch.STRATEGIC,
        )
        return self._remember(proxy, written)

    async def _delete(self, proxy: Pod, grace_s: int | None) -> None:
        meta = proxy.metadata
        await self._cluster.delete(
            PODS, meta.name, namespace=meta.namespace, uid=meta.uid, grace_s=grace_s
        )

    def _end(self, proxy: Pod) -> None:
        """Nothing is left to do, though the watch may show it a few times more."""
        uid = proxy.metadata.uid
        if uid in self._pods.proxies:
            self._ended[uid] = self._clock.monotonic()

    def _remember(self, before: Pod, after: Pod) -> Pod:
        """Keep what we wrote, unless the watch has shown it, or the pod's end, already."""
        uid = before.metadata.uid
        shown = self._pods.proxies.get(uid)
        ours = _revision(after)
        if shown is not None and (_revision(shown) < ours or shown is before):
            self._written[uid] = after
        return after


def _revision(pod: Pod) -> int:
    """Resource versions of one kind can be compared as numbers (KEP 5504)."""
    text = pod.metadata.resource_version
    return int(text) if text.isdigit() else 0
