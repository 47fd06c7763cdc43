"""Events about proxies are told once, at their own pace, and never in the way."""

from mcs.adapters.clock import SystemClock
from mcs.adapters.memory_cluster import MemoryCluster
from mcs.decisions.announcing import Notice
from mcs.errors import Forbidden
from mcs.names import PodKey
from mcs.objects.kinds import EVENTS
from mcs.services import notices
from mcs.services.notices import Notices, Told, event
from tests.services.members import running, settled, until

POD = PodKey("default", "a")
PLACED = Notice(type="Normal", reason="Placed", message="to run in cluster c2", about="u.1")


class World:
    def __init__(self, leisure_s=0.0):
        self.clock = SystemClock()
        self.cluster = MemoryCluster("c1", self.clock)
        self.notices = Notices(self.cluster, self.clock, per_second=10_000, leisure_s=leisure_s)

    def tell(self, notice=PLACED, pod=POD):
        self.notices.tell(pod, "u", notice, at_s=0.0)

    async def events(self):
        return (await self.cluster.list(EVENTS)).items


def test_an_event_names_its_pod_and_speaks_for_mcs():
    made = event(Told(pod=POD, uid="u", notice=PLACED, at_s=1_700_000_000.5))

    assert made["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "default",
        "name": "a",
        "uid": "u",
    }
    assert made["source"] == {"component": "mcs"}
    assert made["firstTimestamp"] == "2023-11-14T22:13:20Z"
    assert (made["type"], made["reason"]) == ("Normal", "Placed")


def test_a_long_pod_name_gives_a_name_that_fits():
    pod = PodKey("default", "a" * 253)

    assert len(event(Told(pod=pod, uid="u", notice=PLACED, at_s=0))["metadata"]["name"]) <= 253


async def test_a_notice_told_twice_is_one_event():
    world = World()
    async with running(world.notices):
        world.tell()
        world.tell()
        await until(world.events)
        await settled()

        assert len(await world.events()) == 1
        assert world.notices.dropped == 0


async def test_an_event_that_is_refused_does_not_hold_up_the_next():
    world = World()

    def refuse(request):
        if request.body and request.body.get("reason") == "Placed":
            raise Forbidden("namespace is being terminated", code=403)

    world.cluster.validators.append(refuse)
    async with running(world.notices):
        world.tell()
        world.tell(Notice(type="Warning", reason="Deferred", message="no room"))
        (only,) = await until(world.events)

        assert only.reason == "Deferred"
        assert world.notices.dropped == 1


def test_what_is_too_much_is_dropped_the_oldest_first(monkeypatch):
    monkeypatch.setattr(notices, "BACKLOG", 2)
    world = World()
    for number in range(3):
        world.tell(Notice(type="Normal", reason="Placed", message=str(number)))

    assert [told.notice.message for told in world.notices._news.waiting] == ["1", "2"]
    assert world.notices.dropped == 1


async def test_what_goes_wrong_is_told_at_once_and_before_what_goes_well():
    world = World(leisure_s=3600)
    async with running(world.notices):
        world.tell()
        world.tell(Notice(type="Warning", reason="Deferred", message="no room"))
        (only,) = await until(world.events)

        assert only.reason == "Deferred"
