"""What mcs relies on of watches: order, selectors, resumption, and what an outage does to them."""

import asyncio

import pytest

from mcs.adapters import kubernetes
from mcs.adapters.clock import SystemClock
from mcs.errors import Expired, Unreachable
from mcs.objects.kinds import LEASES, PODS
from mcs.services.reflector import Reflector
from tests.contracts.clusters import PATIENCE_S, bind, eventually, pod, stopped, take


async def create(api, name, **metadata):
    manifest = {"metadata": {"name": name, **metadata}}
    return await api.cluster.create(LEASES, manifest, namespace=api.namespace)


async def position(api):
    return (await api.cluster.list(LEASES, namespace=api.namespace)).resource_version


async def test_a_watch_tells_every_change_in_order(api):
    async with api:
        since = await position(api)
        await create(api, "before")
        async with api.cluster.watch(LEASES, since=since, namespace=api.namespace) as events:
            await create(api, "after")
            await api.cluster.patch(
                LEASES, "before", {"spec": {"holderIdentity": "x"}}, namespace=api.namespace
            )
            await api.cluster.delete(LEASES, "after", namespace=api.namespace)
            found = await take(events, 4)

        assert found == [
            ("ADDED", "before"),
            ("ADDED", "after"),
            ("MODIFIED", "before"),
            ("DELETED", "after"),
        ]


async def test_a_watch_resumes_after_any_of_its_events(api):
    async with api:
        since = await position(api)
        made = [await create(api, name) for name in ("a", "b", "c")]
        middle = made[1].metadata.resource_version
        async with api.cluster.watch(LEASES, since=middle, namespace=api.namespace) as events:
            assert await take(events, 1) == [("ADDED", "c")]
        async with api.cluster.watch(LEASES, since=since, namespace=api.namespace) as events:
            assert [name for _, name in await take(events, 3)] == ["a", "b", "c"]


async def test_deletion_comes_with_a_newer_position(api):
    async with api:
        made = await create(api, "a")
        await api.cluster.delete(LEASES, "a", namespace=api.namespace)
        await create(api, "b")
        async with api.cluster.watch(
            LEASES, since=made.metadata.resource_version, namespace=api.namespace
        ) as events:
            async with asyncio.timeout(PATIENCE_S):
                gone = await anext(events)
        assert int(gone.object.metadata.resource_version) > int(made.metadata.resource_version)
        async with api.cluster.watch(
            LEASES, since=gone.object.metadata.resource_version, namespace=api.namespace
        ) as events:
            assert await take(events, 1) == [("ADDED", "b")]


async def test_a_watch_sees_only_its_namespace(api):
    async with api:
        since = await position(api)
        await api.cluster.create(LEASES, {"metadata": {"generateName": "x-"}}, namespace="default")
        await create(api, "mine")
        async with api.cluster.watch(LEASES, since=since, namespace=api.namespace) as events:
            assert await take(events, 1) == [("ADDED", "mine")]


async def test_entering_and_leaving_a_selector_is_coming_and_going(api):
    async with api:
        since = await position(api)
        await create(api, "a")
        for value in ("yes", "yes!", "no"):
            await api.cluster.patch(
                LEASES,
                "a",
                {"metadata": {"labels": {"on": value[:3]}, "annotations": {"value": value}}},
                namespace=api.namespace,
            )
        await create(api, "b", labels={"on": "yes"})
        async with api.cluster.watch(
            LEASES, since=since, namespace=api.namespace, labels="on=yes"
        ) as events:
            found = await take(events, 4)

        assert found == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "b")]


async def test_pods_can_be_watched_by_node(api):
    async with api:
        listed = await api.cluster.list(PODS, namespace=api.namespace)
        for name in ("a", "b"):
            await api.cluster.create(PODS, pod(name), namespace=api.namespace)
        await bind(api, "b")
        async with api.cluster.watch(
            PODS,
            since=listed.resource_version,
            namespace=api.namespace,
            fields="spec.nodeName=some-node",
        ) as events:
            assert await take(events, 1) == [("ADDED", "b")]


async def test_a_forced_deletion_is_marked_before_it_is_done(api):
    async with api:
        await api.cluster.create(PODS, pod(), namespace=api.namespace)
        await bind(api, "a")
        listed = await api.cluster.list(PODS, namespace=api.namespace)
        await api.cluster.delete(PODS, "a", namespace=api.namespace, grace_s=0)
        async with api.cluster.watch(
            PODS, since=listed.resource_version, namespace=api.namespace
        ) as events:
            assert await take(events, 2) == [("MODIFIED", "a"), ("DELETED", "a")]


async def test_a_large_object_comes_whole(api):
    async with api:
        since = await position(api)
        for name in ("a", "b"):
            await create(api, name, annotations={"k": "ä" * 130_000})
        async with api.cluster.watch(LEASES, since=since, namespace=api.namespace) as events:
            async with asyncio.timeout(PATIENCE_S):
                found = [await anext(events) for _ in range(2)]

        assert [len(event.object.metadata.annotations["k"]) for event in found] == [130_000] * 2


async def test_an_outage_breaks_watches_and_keeps_objects(api):
    async with api:
        made = await create(api, "a")
        since = await position(api)
        watch = api.cluster.watch(LEASES, since=since, namespace=api.namespace)
        async with watch as events, stopped(api):
            with pytest.raises(Unreachable):
                await take(events, 1)
            with pytest.raises(Unreachable):
                await api.cluster.get(LEASES, "a", namespace=api.namespace)
            with pytest.raises(Unreachable):
                async with api.cluster.watch(LEASES, since=since):
                    pass
        assert await api.cluster.get(LEASES, "a", namespace=api.namespace) == made
        since = await position(api)
        await create(api, "b")
        async with api.cluster.watch(LEASES, since=since, namespace=api.namespace) as events:
            assert await take(events, 1) == [("ADDED", "b")]


async def test_a_position_from_before_a_restart_has_expired(api):
    async with api:
        first = await create(api, "a")
        for _ in range(3):
            await api.cluster.create(
                LEASES, {"metadata": {"generateName": "later-"}}, namespace=api.namespace
            )
        async with stopped(api):
            pass
        with pytest.raises(Expired) as caught:
            async with api.cluster.watch(
                LEASES, since=first.metadata.resource_version, namespace=api.namespace
            ) as events:
                await take(events, 1)

        assert caught.value.code == 410


class Names:
    """What a reflector told."""

    def __init__(self):
        self.names = set()

    def replace(self, items):
        self.names = {item.metadata.name for item in items}

    def change(self, item):
        self.names.add(item.metadata.name)

    def remove(self, item):
        self.names.discard(item.metadata.name)


async def test_a_reflector_survives_a_restart(api):
    async with api:
        await create(api, "a")
        await create(api, "b")
        told = Names()
        reflector = Reflector(api.cluster, LEASES, SystemClock(), told, namespace=api.namespace)
        running = asyncio.create_task(reflector.run())
        await reflector.synced.wait()
        assert told.names == {"a", "b"}
        async with stopped(api):
            pass
        await api.cluster.delete(LEASES, "a", namespace=api.namespace)
        await create(api, "c")

        async def true():
            return told.names == {"b", "c"}

        await eventually(true)
        await reflector.relist()
        assert told.names == {"b", "c"}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_list_of_many_pages_is_whole(api, monkeypatch):
    monkeypatch.setattr(kubernetes, "PAGE_SIZE", 3)
    async with api:
        names = [f"l{number}" for number in range(8)]
        for name in names:
            await create(api, name)
        listed = await api.cluster.list(LEASES, namespace=api.namespace)
        assert [item.metadata.name for item in listed.items] == names
        await create(api, "more")
        async with api.cluster.watch(
            LEASES, since=listed.resource_version, namespace=api.namespace
        ) as events:
            assert await take(events, 1) == [("ADDED", "more")]
