"""Hears every append and what NATS answered to it: the list of what was acknowledged.

In one NATS account everybody may listen to everything, answers included. So this witness needs
nothing of mcs: it pairs each message sent to a stream's subject with the acknowledgement sent to
that message's reply subject. It misses what happens while its own connection is being made anew, so
its list is not whole, but what is on it must be in the log for ever, byte for byte (I6).
"""

import contextlib
import hashlib
import json

import nats

_BATCH = "Nats-Batch-Id"


class Eavesdropper:
    """Listens from ``begin`` to ``end``; ``acknowledged``: digest by (stream, sequence)."""

    def __init__(self, url):
        self.acknowledged = {}
        self.doubly = []  # sequences acknowledged for two different messages
        self.frames = []  # (subject, data) of some observations, to be misused by others
        self._url = url
        self._sent = {}  # reply subject → digests of the messages that its answer is about
        self._batches = {}

    async def begin(self):
        self._client = await nats.connect(
            self._url.split(","),
            name="a witness",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.1,
            ping_interval=1,
            max_outstanding_pings=2,
            error_cb=_ignore,
        )
        for subject in "mcs.obs.>", "mcs.dec.>", "_INBOX.>":
            await self._client.subscribe(subject, cb=self._heard)

        await self.settle()

    async def settle(self):
        """Return when all that was sent before this call has been heard."""
        await self._client.flush()

    async def end(self):
        with contextlib.suppress(OSError):
            await self._client.close()

    async def _heard(self, message):
        if message.subject.startswith("_INBOX."):
            self._answered(message)
            return
        digest = digest_of(message.subject, message.data)
        batch = (message.headers or {}).get(_BATCH)
        if batch:
            self._batches.setdefault(batch, []).append(digest)
        elif message.reply:
            self._sent[message.reply] = digest
        if message.subject.startswith("mcs.obs.c") and len(self.frames) < 200:
            self.frames.append((message.subject, message.data))

    def _answered(self, message):
        digest = self._sent.pop(message.subject, None)
        if not message.data.startswith(b"{") or b'"stream"' not in message.data:
            return
        answer = json.loads(message.data)
        if "error" in answer or "seq" not in answer:
            return
        digests = [digest] if digest else self._batches.pop(answer.get("batch"), [])
        if not digests or len(digests) != answer.get("count", 1):
            return  # heard in part only
        for back, each in enumerate(reversed(digests)):
            place = answer["stream"], answer["seq"] - back
            if self.acknowledged.setdefault(place, each) != each:
                self.doubly.append(place)


def digest_of(subject, data):
    """What is compared: subject and bytes."""
    return hashlib.sha256(subject.encode() + b"\0" + data).hexdigest()


async def _ignore(_error):
    """Connections break here all the time."""
