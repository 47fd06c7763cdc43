"""Defects in how processes deal with the log: how they append, read, and give up."""

from mcs.adapters.jetstream_delivery import Delivery
from mcs.services.agent import Agent
from mcs.services.delegates import Delegates
from mcs.services.followed_ledger import FollowedLedger
from mcs.services.follower import Follower
from mcs.services.known_logs import KnownLogs
from mcs.services.publisher import Publisher
from mcs.services.reflector import Reflector
from mcs.services.scheduler import Scheduler
from tests.defects.defect import Defect, Edit

OF_PROCESSES = (
    Defect(
        "a delivery that is believed",
        "a reader takes what NATS sends it, whether or not it is the next message",
        ("I1", "I2", "I3", "I6"),
        (
            Edit(
                Delivery._arrived,
                "number != self._delivered + 1 or sequence <= self.position",
                "sequence <= self.position",
            ),
            Edit(Delivery._arrived, "sequence != self.position + 1", "sequence <= self.position"),
            Edit(Delivery._heartbeat, "!= self._delivered", "== -1"),
        ),
    ),
    Defect(
        "an executor that trusts its memory",
        "an executor does not read what its own cluster's agents told of delegates",
        ("I1",),
        (
            Edit(
                FollowedLedger._observe,
                "placement = self.ledger.apply(event)",
                "placement = None if self._manifests else self.ledger.apply(event)",
            ),
        ),
    ),
    Defect(
        "a log that is not looked at again",
        "after a break of the connection the scheduler appends without comparing the logs",
        ("I6",),
        (Edit(Scheduler._unseen, "self._breaks != self._log.breaks", "False"),),
    ),
    Defect(
        "a loss that is written over",
        "an agent goes on telling after a break of the connection without comparing the logs",
        ("I6",),
        (Edit(KnownLogs.append, "while self._breaks != self._log.breaks:", "while False:"),),
    ),
    Defect(
        "a skipped fence",
        "the scheduler appends wherever the log ends, not only after what it has folded",
        ("I1", "I3", "I4"),
        (Edit(Scheduler._settle, "expected_last=cycle.after", "expected_last=None"),),
    ),
    Defect(
        "an append taken for stored",
        "the scheduler goes on as if an append without an answer had been stored",
        ("I3", "I6"),
        (
            Edit(
                Scheduler._settle,
                "uncertain = uncertain or isinstance(error, Uncertain)",
                "if isinstance(error, Uncertain):\n                    return",
            ),
        ),
    ),
    Defect(
        "a refusal ignored",
        "a scheduler whose append was refused goes on deciding after it",
        ("I1", "I3", "I4", "I6"),
        (
            Edit(
                Scheduler._settle,
                "if uncertain and await self._stored(cycle):\n                    return\n"
                "                raise",
                "return",
            ),
        ),
    ),
    Defect(
        "a state changed outside of folding",
        "the scheduler corrects the log's time in its own state",
        ("I3", "I4"),
        (
            Edit(
                Scheduler.step,
                "self._ask_for_resyncs()",
                "self._ask_for_resyncs()\n        self.state.elapsed_ms += 1",
            ),
        ),
    ),
    Defect(
        "a loss swallowed",
        "who finds that the log lost acknowledged messages begins anew and says nothing",
        ("I6",),
        (
            Edit(Scheduler._live, "(Deposed, Refused)", "(Deposed, Refused, LogLost)"),
            Edit(
                Agent._term,
                "except* (Deposed, Unavailable, ClusterError)",
                "except* (Deposed, McsError)",
            ),
        ),
    ),
    Defect(
        "a frame given up",
        "an agent does not send an observation again whose append had no answer",
        ("I2", "I5", "I6"),
        (
            Edit(
                Publisher._insist,
                "except (Uncertain, Unavailable) as error:",
                "except Uncertain:\n                return 0\n"
                "            except Unavailable as error:",
            ),
        ),
    ),
    Defect(
        "an agent stopped by an unreadable frame",
        "who follows a subject ends at a frame that cannot be read",
        ("I2", "I8", "crash"),
        (Edit(Follower._read, "except BadFrame as error:", "except LogLost as error:"),),
    ),
    Defect(
        "a subject read that is not its own",
        "a source reads all observations and picks out what concerns it",
        ("I9",),
        (
            Edit(
                FollowedLedger.of_source,
                'subjects.observation("*", subjects.delegate_channel(cluster))',
                '"mcs.obs.>"',
            ),
        ),
    ),
    Defect(
        "a subject written that is not its own",
        "an agent tells of delegates on their source's subjects",
        ("I9",),
        (
            Edit(
                Publisher._store,
                "subjects.observation(self._cluster, batch.channel)",
                "subjects.observation(\n"
                "        subjects.delegate_source(batch.channel) or self._cluster, batch.channel\n"
                "    )",
            ),
        ),
    ),
    Defect(
        "a watch that passes over a gap",
        "a watch whose position has expired goes on at the present, without a new list",
        ("I2", "I5"),
        (
            Edit(
                Reflector._watch,
                '_logger.info("%s: position %s has expired", self._kind, self._position)\n'
                "                return",
                "now = await self._cluster.list(self._kind)\n"
                "                self._position = now.resource_version",
            ),
        ),
    ),
    Defect(
        "an end that nobody told",
        "delegates that went while no agent looked are not told to be gone",
        ("I2",),
        (
            Edit(
                Delegates.complete,
                "for placement in list(self._told.ledger.placements.values()):",
                "for placement in ():",
            ),
        ),
    ),
)
