"""What may happen to a request on its way to an API server, and nothing else."""

from collections import Counter

import pytest

from mcs.errors import ClusterError, NotFound, Unreachable
from mcs.objects.kinds import NAMESPACES
from mcs.simulation.loop import run_virtually
from tests.simulation.desk import Desk


def test_an_api_server_in_bad_weather_refuses_or_answers_nothing_after_having_acted():
    async def main():
        desk, failed = Desk(), Counter()
        desk.weather.api["c1"] = 60
        for number in range(80):
            try:
                await desk.cluster.create(NAMESPACES, {"metadata": {"name": f"n{number}"}})
            except ClusterError as error:
                failed[type(error).__name__] += 1
        desk.weather.clear()
        made = [each.metadata.name for each in (await desk.cluster.list(NAMESPACES)).items]
        acted = [name for _, _, verb, name in desk.notes.acts if verb == "create"]
        assert {"Busy", "Conflict", "Unreachable"} <= set(failed)
        assert desk.weather.happened["api answer lost"] > 0
        assert len(acted) == len([name for name in made if name.startswith("n")])
        assert len(acted) == 80 - sum(failed.values()) + desk.weather.happened["api answer lost"]

    run_virtually(main())


def test_only_writes_that_were_carried_out_are_told():
    async def main():
        desk = Desk()
        with pytest.raises(NotFound):
            await desk.cluster.delete(NAMESPACES, "nobody")
        await desk.cluster.delete(NAMESPACES, "default")
        desk.api.stop()
        with pytest.raises(Unreachable):
            await desk.cluster.get(NAMESPACES, "default")
        assert desk.notes.acts == [("p", "c1", "delete", "default")]

    run_virtually(main())
