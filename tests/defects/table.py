"""All deliberate defects, by name."""

from tests.defects.of_clusters import OF_CLUSTERS
from tests.defects.of_processes import OF_PROCESSES
from tests.defects.of_the_core import OF_THE_CORE

DEFECTS = {each.name: each for each in (*OF_THE_CORE, *OF_PROCESSES, *OF_CLUSTERS)}
assert len(DEFECTS) == len(OF_THE_CORE) + len(OF_PROCESSES) + len(OF_CLUSTERS)
