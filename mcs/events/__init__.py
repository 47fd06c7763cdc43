"""What may be written to the log; nothing else is a fact.

Here live frozen structs, the frames that carry them, the grammar of subjects and the codec. No
I/O, no clock, no chance. The names of these events *are* the storage format: a new field has a
default, a changed meaning is a new tag, and old logs fold for ever.
"""

from mcs.events.decisions import Decision
from mcs.events.event import Last
from mcs.events.frames import SCHEMA, DecisionFrame, ObservationFrame
from mcs.events.observations import Observation

__all__ = ["SCHEMA", "Decision", "DecisionFrame", "Last", "Observation", "ObservationFrame"]
