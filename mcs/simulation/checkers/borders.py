"""I9: each process reads and writes only what its role's row of the table allows (design, 5).

I10  No secret is in the log, in a log record, in an object that is not a Secret, or in an error.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from mcs.events.frames import DecisionFrame, ObservationFrame
from mcs.events.observations import ClusterJoined
from mcs.objects.kinds import SECRETS
from mcs.ports import Stored
from mcs.simulation.checkers.findings import Findings
from mcs.simulation.checkers.sightings import Json

READS: Final[Mapping[str, Sequence[str]]] = {
    "source": (
        *("mcs.obs.*.cluster", "mcs.obs.*.delegate.{name}", "mcs.dec.*.{name}", "mcs.dec._._"),
        "mcs.ctl.*.{name}.resync",
    ),
    "target": (
        *("mcs.dec.{name}.*", "mcs.dec._._", "mcs.obs.{name}.delegate.*", "mcs.obs.{name}.cluster"),
        "mcs.ctl.*.{name}.dependency",
    ),
    "scheduler": ("mcs.obs.>", "mcs.dec.>", "mcs.ctl.*._scheduler.resync"),
}
WRITES: Final[Mapping[str, Sequence[str]]] = {
    "source": ("mcs.obs.{name}.cluster", "mcs.obs.{name}.capacity", "mcs.obs.{name}.proxy"),
    "target": ("mcs.obs.{name}.cluster", "mcs.obs.{name}.capacity", "mcs.obs.{name}.delegate.*"),
    "scheduler": ("mcs.dec.>", "mcs.obs._clock"),
}


class Borders:
    """Processes are named ``scheduler…`` or ``agent-<cluster>-<number>``; a cluster's roles are
    those of its joins, and both before the first.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._roles: dict[str, set[str]] = {}
        self._known: dict[tuple[bool, str, str], bool] = {}  # questions answered before

    def stored(self, _message: Stored, frame: DecisionFrame | ObservationFrame | None) -> None:
        """A message is in the log: a join says what its cluster is for."""
        if isinstance(frame, ObservationFrame):
            for event in frame.events:
                if isinstance(event, ClusterJoined):
                    self._roles.setdefault(frame.source, set()).update(event.roles)
                    self._known.clear()

    def read(self, process: str, subject: str) -> None:
        """A process reads or asks on a subject."""
        if not self._allowed(READS, process, subject):
            self._findings.add("I9", f"{process} reads {subject}, which is not for it")

    def wrote(self, process: str, messages: Sequence[tuple[str, bytes]]) -> None:
        """A process had messages stored."""
        for subject, _ in messages:
            if not self._allowed(WRITES, process, subject):
                self._findings.add("I9", f"{process} wrote on {subject}, which is not its own")

    def _allowed(self, table: Mapping[str, Sequence[str]], process: str, subject: str) -> bool:
        question = (table is READS, process, subject)
        if question not in self._known:
            self._known[question] = self._answer(table, process, subject)
        return self._known[question]

    def _answer(self, table: Mapping[str, Sequence[str]], process: str, subject: str) -> bool:
        name, roles = "", {"scheduler"}
        if process.startswith("agent-"):
            name = process.removeprefix("agent-").rpartition("-")[0]
            roles = self._roles.get(name) or {"source", "target"}
        patterns = [row.format(name=name) for role in sorted(roles) for row in table[role]]
        return any(covers(pattern, subject) for pattern in patterns)


def covers(pattern: str, subject: str) -> bool:
    """Whether all that ``subject``, itself perhaps a pattern, may match is matched by a pattern."""
    wanted, tokens = pattern.split("."), subject.split(".")
    for at, want in enumerate(wanted):
        if want == ">":
            return at < len(tokens)
        if at >= len(tokens) or tokens[at] == ">" or (want not in {"*", tokens[at]}):
            return False
    return len(wanted) == len(tokens)


class Secrecy(logging.Handler):
    """Looks for planted texts. ``close`` when the world ends: it listens to mcs' loggers."""

    def __init__(self, secrets: Collection[str], findings: Findings) -> None:
        super().__init__()
        self._secrets = [(secret, secret.encode()) for secret in secrets]
        self._findings = findings
        if self._secrets:
            logging.getLogger("mcs").addHandler(self)

    def close(self) -> None:
        """Listen no more."""
        logging.getLogger("mcs").removeHandler(self)
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """See ``logging.Handler``."""
        self.look_at(f"a log record of {record.name}", record.getMessage())

    def stored(self, message: Stored, _frame: object) -> None:
        """A message is in the log."""
        for secret, data in self._secrets:
            if data in message.data or secret in message.subject:
                where = f"message {message.sequence} on {message.subject}"
                self._findings.add("I10", f"a secret is in {where}")

    def written(self, cluster: str, resource: str, manifest: Json) -> None:
        """An object was written."""
        if self._secrets and resource != SECRETS.path():
            metadata = manifest["metadata"]
            what = f"{resource} {metadata.get('namespace', '')}/{metadata['name']} in {cluster}"
            self.look_at(what, msgspec.json.encode(manifest).decode())

    def look_at(self, where: str, text: str) -> None:
        """Look into any text, such as an error's."""
        if any(secret in text for secret, _ in self._secrets):
            self._findings.add("I10", f"a secret is in {where}")
