"""Pods come and go as the plan says, however long an API server or a webhook is away."""

import asyncio
import base64

from tests.kubernetes.pods import path, pod
from tools.api import ApiError

AGAIN_S = 0.3
PATIENCE_S = 240.0  # a create that does not succeed for so long is a failure of the run
AT_ONCE = 16  # requests: an API server that was away is not to be buried
SECRET = "hidden"


class Traffic:
    """The pods of a plan in one namespace of c1; ``deleted``: uids whose deletion was asked for."""

    def __init__(self, federation, sightings, namespace, births, *, hidden):
        """``hidden`` is the content of a Secret that some of the pods use."""
        self.deleted = set()
        self.created = {}  # uid by name
        self._api = federation.planes["c1"].api
        self.namespace = namespace
        self._sightings, self._births = sightings, births
        self._hidden = hidden
        self._few = asyncio.Semaphore(AT_ONCE)

    async def run(self, clock):
        """Create and delete everything; ``clock`` gives the seconds since the run began."""
        data = {"data": base64.b64encode(self._hidden.encode()).decode()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "data": data}
        await self._api.create(f"/api/v1/namespaces/{self.namespace}/secrets", secret)
        async with asyncio.TaskGroup() as tasks:
            for birth in self._births:
                await asyncio.sleep(max(0.0, birth.at_s - clock()))
                tasks.create_task(self._live(birth))

    async def delete(self, name):
        """Have a proxy deleted, whatever it takes."""
        uid = self.created[name]
        self.deleted.add(uid)
        async with asyncio.timeout(PATIENCE_S):
            while not (self._sightings.lives[uid].deleting or self._sightings.lives[uid].gone):
                try:
                    async with self._few:
                        await self._api.delete(path(self.namespace, name))
                except ApiError as error:
                    if error.status == 404:
                        return
                except Exception:  # noqa: BLE001 (away, in many ways; told by the time-out)
                    pass
                await asyncio.sleep(AGAIN_S)

    def lives(self):
        return self._sightings.proxies(self.namespace)

    async def _live(self, birth):
        await self._create(birth)
        if birth.delete_after_s:
            await asyncio.sleep(birth.delete_after_s)
            await self.delete(birth.name)

    async def _create(self, birth):
        body = self._manifest(birth)
        async with asyncio.timeout(PATIENCE_S):
            while not (uid := self._uid(birth.name)):
                try:
                    async with self._few:
                        made = await self._api.create(path(self.namespace), body)
                    uid = made["metadata"]["uid"]
                    break
                except Exception:  # noqa: BLE001 (as above; "already exists" is seen by the witness)
                    await asyncio.sleep(AGAIN_S)
            self.created[birth.name] = uid
            while uid not in self._sightings.lives:
                await asyncio.sleep(AGAIN_S)

    def _uid(self, name):
        return next((life.uid for life in self.lives() if life.name == name), "")

    def _manifest(self, birth):
        source = {"secretRef": {"name": SECRET}}
        container = {"envFrom": [source]} if birth.secret else {}
        return pod(
            birth.name,
            namespace=self.namespace,
            cluster=birth.cluster,
            run_for=birth.run_for,
            cpu=birth.cpu,
            annotations=birth.notes,
            container={"resources": {"requests": {"cpu": birth.cpu}}, **container},
        )
