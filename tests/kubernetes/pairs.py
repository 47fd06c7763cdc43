"""A proxy and its delegate, started and deleted in every way."""

from tests.kubernetes.pods import path, pod
from tools.api import ApiError

OURS = "multicluster.admiralty.io/delegate"
THEIRS = "example.org/kept"


class Pair:
    """A proxy in c1 and its delegate in c2."""

    def __init__(self, federation, namespace, name="p"):
        self.federation = federation
        self.source, self.target = federation.planes["c1"], federation.planes["c2"]
        self.namespace, self.name = namespace, name
        self.proxy = path(namespace, name)
        self.delegate_name = f"c1-{namespace}-{name}"
        self.delegate = path(namespace, self.delegate_name)

    async def start(self, *, phase="Running", kept=False, stop_after="", **fields):
        """Have it run; ``kept``: somebody else's finalizer keeps the proxy for a look at its end;
        ``stop_after``: how long its containers take to stop.
        """
        notes = fields.pop("annotations", {})
        if stop_after:
            notes["kwok.mcs/stop-after"] = stop_after
        made = pod(self.name, namespace=self.namespace, cluster="c2", annotations=notes, **fields)
        if kept:
            made["metadata"]["finalizers"] = [THEIRS]
        await self.source.apply([made])
        await self.source.api.wait_pod(self.name, phase, namespace=self.namespace)
        return self

    async def delete(self, *flags):
        """Delete the proxy."""
        await self._delete(self.source, self.name, flags)

    async def delete_delegate(self, *flags):
        await self._delete(self.target, self.delegate_name, flags)

    async def _delete(self, plane, name, flags):
        wait = () if "--force" in flags else ("--wait=false",)
        await plane.kubectl("delete", "pod", name, "-n", self.namespace, *wait, *flags)

    async def gone(self):
        """Both are, and while the delegate was there our finalizer was on the proxy."""

        async def both():
            held = await look(self.source, self.proxy)
            delegate = await look(self.target, self.delegate)  # after the proxy, hence the order
            if held is None or OURS not in held["metadata"].get("finalizers", ()):
                assert delegate is None, "the finalizer goes last"
            return held is None and delegate is None

        await self.federation.wait("proxy and delegate are gone", both)

    async def let_go(self):
        """The proxy as it is once only somebody else's finalizer keeps it."""

        async def ours_is_gone():
            held = await self.source.api.get(self.proxy)
            delegate = await look(self.target, self.delegate)
            if OURS in held["metadata"]["finalizers"]:
                return None
            assert delegate is None, "the finalizer goes last"
            return held

        held = await self.federation.wait("our finalizer is gone", ours_is_gone)
        await self.source.api.merge(self.proxy, {"metadata": {"finalizers": None}})
        await self.source.api.wait_gone(self.proxy)
        return held


async def look(plane, place):
    """The object, or None."""
    try:
        return await plane.api.get(place)
    except ApiError as error:
        if error.status != 404:
            raise
        return None


def deleting(item):
    return "deletionTimestamp" in item["metadata"]
