"""All pods of some clusters, seen by watches of the test's own: who existed, ran, was deleted.

It shares no code with mcs, so it is a witness of what mcs did. A watch that breaks (a test may kill
its API server) is begun again from a list; nothing changes while an API server is away.
"""

import contextlib
import threading
import time
from dataclasses import dataclass, field

import urllib3

from tests.kubernetes.pods import DOMAIN
from tools.api import ApiError

_PODS = "/api/v1/pods"
_WATCH_S = 5  # a watch ends so soon by itself, and its thread may look whether it is still wanted


@dataclass
class Life:
    """What was seen of one pod."""

    cluster: str
    uid: str
    namespace: str
    name: str
    proxy_uid: str = ""  # of a delegate: whose it is
    attempt: str = ""
    elected: bool = False  # it is a proxy
    node: str = ""
    phases: list = field(default_factory=list)  # in the order seen
    deleting: bool = False
    restarts: int = 0
    gone: bool = False

    @property
    def phase(self):
        return self.phases[-1] if self.phases else ""

    @property
    def ended(self):
        return self.phase in {"Succeeded", "Failed"}

    @property
    def placement(self):
        return f"{self.proxy_uid}.{self.attempt}"

    def __str__(self):
        return f"{self.cluster}/{self.namespace}/{self.name} ({self.uid})"


class Sightings:
    """Watches every pod of these planes from ``begin`` until ``end``; ``lives`` by uid."""

    def __init__(self, planes):
        self.lives = {}
        self._planes = planes
        self._over = threading.Event()
        self._threads = []

    def begin(self):
        for name in self._planes:
            thread = threading.Thread(target=self._follow, args=(name,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def end(self):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def proxies(self, namespace=""):
        return [
            life
            for life in list(self.lives.values())
            if life.elected and namespace in {"", life.namespace}
        ]

    def delegates(self, proxy_uid=""):
        return [
            life
            for life in list(self.lives.values())
            if life.proxy_uid and proxy_uid in {"", life.proxy_uid}
        ]

    def _follow(self, cluster):
        api = self._planes[cluster].api
        while not self._over.is_set():
            with contextlib.suppress(urllib3.exceptions.HTTPError, ApiError):
                (listed,) = api.lines(_PODS)
                self._list(cluster, listed["items"])
                version = listed["metadata"]["resourceVersion"]
                while not self._over.is_set():
                    version = self._watch(cluster, api, version)
            time.sleep(0.02)  # a thread of the witness, not of a test

    def _watch(self, cluster, api, version):
        query = f"watch=1&allowWatchBookmarks=true&timeoutSeconds={_WATCH_S}"
        for event in api.lines(f"{_PODS}?{query}&resourceVersion={version}"):
            if event["type"] == "ERROR":
                raise ApiError(event["object"].get("code", 500), str(event["object"]))
            version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self._see(cluster, event["object"], gone=event["type"] == "DELETED")
        return version

    def _list(self, cluster, items):
        present = {item["metadata"]["uid"] for item in items}
        for item in items:
            self._see(cluster, item, gone=False)
        for life in list(self.lives.values()):
            if life.cluster == cluster and life.uid not in present:
                life.gone = True

    def _see(self, cluster, item, *, gone):
        meta, status = item["metadata"], item["status"]
        labels, notes = meta.get("labels", {}), meta.get("annotations", {})
        life = self.lives.setdefault(
            meta["uid"], Life(cluster, meta["uid"], meta["namespace"], meta["name"])
        )
        life.proxy_uid = labels.get(f"{DOMAIN}/proxy-uid", "")
        life.attempt = labels.get(f"{DOMAIN}/attempt", "")
        life.elected = f"{DOMAIN}/sourcepod-manifest" in notes and not life.proxy_uid
        life.node = item["spec"].get("nodeName", "")
        if (phase := status.get("phase", "")) != life.phase:
            life.phases.append(phase)
        life.deleting = life.deleting or "deletionTimestamp" in meta
        counts = [one["restartCount"] for one in status.get("containerStatuses", ())]
        life.restarts = max([life.restarts, *counts])
        life.gone = life.gone or gone
