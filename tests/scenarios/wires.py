"""A process's ways to the world: each takes a moment, tells what was done, and dies with it.

The moments make the order of a story one of cause and effect, not of turns of the event loop.
"""

import asyncio
from contextlib import asynccontextmanager

import msgspec

from mcs.adapters.memory_log import Fate
from mcs.errors import ClusterError, Refused, Unavailable, Uncertain
from mcs.events import codec, subjects
from mcs.events.frames import digest
from mcs.objects.kinds import PODS
from mcs.ports import Patch, Stream
from tests.scenarios.telling import call

API_S = 0.004
LOG_S = 0.001


class Life:
    """One life of a process; ``kill`` ends it at once, and none of its clean-up acts."""

    def __init__(self, name, tell):
        self.name, self.tell = name, tell
        self.dead = False
        self.at_create = None  # called once a pod was created, before the answer
        self.at_append = None  # (text in the frame, fate, whether it dies then)
        self.stuck = ()  # ways that are cut when it dies

    def kill(self):
        self.dead = True
        for way in self.stuck:
            way.die()

    def check(self):
        if self.dead:
            raise asyncio.CancelledError


class LogWire:
    """``EventLog`` and ``Requests`` over a connection of its own."""

    def __init__(self, broker, life):
        self.connection = broker.connect()
        self._life = life
        self._garble = None  # a channel
        self._adds = {}  # by channel: events that only a newer version knows
        self._digests = {}  # by channel, of frames that were changed so
        self._written = {}  # by sequence: observations as their writer knows them, where changed

    def garble(self, channel):
        """Let the next frame of a channel arrive as bytes that nobody can read."""
        self._garble = channel

    def add(self, channel, tag):
        """Let the next frame of a channel hold an event more, as a newer agent's would."""
        self._adds[channel] = tag

    def die(self):
        connection = self.connection
        connection.closed = True
        connection.cut()
        connection.answering.clear()
        if connection in connection.broker.connections:
            connection.broker.connections.remove(connection)

    async def append(self, messages, *, expected_last=None):
        self._life.check()
        await asyncio.sleep(LOG_S)
        self._life.check()
        written = messages
        messages = [(subject, self._changed(subject, data)) for subject, data in messages]
        trap = self._trap(messages)
        self.connection.fate = lambda _: trap[1] if trap else Fate.DELIVERED
        try:
            last = await self.connection.append(messages, expected_last=expected_last)
            if messages != written:
                self._written[last] = written[-1][1]
            return last
        except Refused:
            self._life.tell("!", self._life.name, "its append is refused: somebody was first")
            raise
        except (Uncertain, Unavailable):
            if trap:
                self._life.tell("!", self._life.name, "gets no answer to its append")
                if trap[2]:
                    self._life.kill()
            raise
        finally:
            self._life.check()

    async def get(self, stream, sequence):
        self._life.check()
        found = await self.connection.get(stream, sequence)
        if stream is Stream.OBSERVATIONS and sequence in self._written:
            return msgspec.structs.replace(found, data=self._written[sequence])
        return found

    async def ask(self, subject, data=b"", *, timeout_s=2.0):
        self._life.check()
        _, _, asked, asker, what = subject.split(".")
        about = f"{asker} asks for {what} of {data.decode()}"
        try:
            answer = await self.connection.ask(subject, data, timeout_s=timeout_s)
        except Unavailable as error:
            self._life.tell("ask", asked, f"{about}: {error}")
            raise
        self._life.tell("ask", asked, f"{about}: {answer.decode()}")
        return answer

    def __getattr__(self, name):
        self._life.check()
        return getattr(self.connection, name)

    def _trap(self, messages):
        trap = self._life.at_append
        if trap and any(trap[0].encode() in data for _, data in messages):
            self._life.at_append = None
            return trap
        return None

    def _changed(self, subject, data):
        if not subject.startswith("mcs.obs."):
            return data
        _, channel = subjects.parse_observation(subject)
        if channel == self._garble:
            self._garble = None
            return b"{" + data
        if channel not in self._adds and channel not in self._digests:
            return data
        frame = msgspec.json.decode(data)
        frame["previous"] = self._digests.get(channel, frame["previous"])
        if tag := self._adds.pop(channel, ""):
            frame["events"].append({"type": tag})
        data = msgspec.json.encode(frame)
        codec.decode_observation(subject, data)
        self._digests[channel] = digest(subject, data)
        return data


class ClusterWire:
    """``ports.Cluster``; its writes are told."""

    def __init__(self, cluster, life):
        self._cluster, self._life = cluster, life

    async def create(self, kind, manifest, *, namespace="", name="", subresource=""):
        named = name or manifest["metadata"]["name"]
        verb = "bind" if subresource == "binding" else "create"
        act = self._cluster.create(
            kind, manifest, namespace=namespace, name=name, subresource=subresource
        )
        made = await self._write(act, verb, kind, namespace, named, body=manifest)
        if kind is PODS and verb == "create" and self._life.at_create:
            self._life.kill()
            self._life.at_create()
            self._life.check()
        return made

    async def patch(self, kind, name, patch, *, namespace="", subresource="", type=Patch.MERGE):
        act = self._cluster.patch(
            kind, name, patch, namespace=namespace, subresource=subresource, type=type
        )
        return await self._write(act, "patch", kind, namespace, name, subresource, patch)

    async def delete(self, kind, name, *, namespace="", uid="", resource_version="", grace_s=None):
        act = self._cluster.delete(
            kind,
            name,
            namespace=namespace,
            uid=uid,
            resource_version=resource_version,
            grace_s=grace_s,
        )
        options = {"grace_s": grace_s, "as_read": bool(resource_version)}
        await self._write(act, "delete", kind, namespace, name, body=options)

    async def _write(self, act, verb, kind, namespace, name, subresource="", body=None):
        told = call(verb, kind, namespace, name, subresource, body)
        try:
            async with self._way():
                done = await act
        except ClusterError as error:
            if told:
                self._life.tell("api", self._cluster.name, f"{told} ✗ {error}")
            raise
        finally:
            act.close()
        if told:
            self._life.tell("api", self._cluster.name, told)
        return done

    @asynccontextmanager
    async def _way(self):
        self._life.check()
        await asyncio.sleep(API_S)
        self._life.check()
        yield
        self._life.check()

    async def version(self):
        async with self._way():
            return await self._cluster.version()

    async def list(self, kind, **selected):
        async with self._way():
            return await self._cluster.list(kind, **selected)

    async def get(self, kind, name, **where):
        async with self._way():
            return await self._cluster.get(kind, name, **where)

    async def read(self, kind, name, **where):
        async with self._way():
            return await self._cluster.read(kind, name, **where)

    @asynccontextmanager
    async def watch(self, kind, **since):
        async with self._way(), self._cluster.watch(kind, **since) as events:
            yield self._living(events)

    async def _living(self, events):
        async for event in events:
            self._life.check()
            yield event
