"""Requests as an API server gets them: pages, snapshots, preconditions, paths."""

import json

import pytest
from aiohttp import web

from mcs.adapters import kubernetes
from mcs.errors import Expired, Invalid
from mcs.objects.kinds import LEASES, NODES
from mcs.ports import Patch
from tests.adapters.api_servers import FakeServer, lease, status

NAMES = [f"l{number}" for number in range(7)]


def page(request, names, version):
    start = int(request.query.get("continue", "0"))
    end = start + int(request.query["limit"])
    metadata = {"resourceVersion": version, "continue": str(end) if end < len(names) else ""}
    items = [lease(name) for name in names[start:end]]
    return web.json_response({"metadata": metadata, "items": items})


async def test_a_list_comes_in_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(kubernetes, "PAGE_SIZE", 3)

    async def answer(request, body):
        return page(request, NAMES, "41")

    server = FakeServer(tmp_path, answer)
    async with server.connected() as cluster:
        listed = await cluster.list(LEASES, namespace="n", labels="a in (b,c)", fields="x!=y")

    assert [item.metadata.name for item in listed.items] == NAMES
    assert listed.resource_version == "41"
    assert len(server.asked) == 3
    path = "/apis/coordination.k8s.io/v1/namespaces/n/leases"
    assert all(asked[1].startswith(path + "?limit=3") for asked in server.asked)
    assert all("labelSelector=a+in+%28b%2Cc%29" in asked[1] for asked in server.asked)
    assert all("fieldSelector=x%21%3Dy" in asked[1] for asked in server.asked)


async def test_a_list_whose_snapshot_is_gone_starts_again(tmp_path, monkeypatch):
    monkeypatch.setattr(kubernetes, "PAGE_SIZE", 3)
    failing = 2

    async def answer(request, body):
        nonlocal failing
        if request.query.get("continue") == "3" and failing:
            failing -= 1
            return status(410, "Expired", "The provided continue parameter is too old")
        return page(request, NAMES[2:] if failing < 2 else NAMES, str(43 - failing))

    server = FakeServer(tmp_path, answer)
    async with server.connected() as cluster:
        listed = await cluster.list(LEASES)

    assert [item.metadata.name for item in listed.items] == NAMES[2:]  # of one snapshot
    assert listed.resource_version == "43"


async def test_a_list_does_not_start_again_for_ever(tmp_path):
    async def answer(request, body):
        return status(410, "Expired", "too old")

    server = FakeServer(tmp_path, answer)
    async with server.connected() as cluster:
        with pytest.raises(Expired):
            await cluster.list(LEASES)

    assert len(server.asked) == kubernetes.RESTARTS_MAX + 1


async def test_an_empty_list_may_be_null(tmp_path):
    async def answer(request, body):
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": None})

    async with FakeServer(tmp_path, answer).connected() as cluster:
        assert (await cluster.list(LEASES)).items == []


async def test_deletion_says_what_it_means(tmp_path):
    async def answer(request, body):
        return web.json_response({})

    server = FakeServer(tmp_path, answer)
    async with server.connected() as cluster:
        await cluster.delete(LEASES, "a", namespace="n")
        await cluster.delete(NODES, "a", uid="u", resource_version="9", grace_s=0)

    (_, _, _, plain), (method, path, _, full) = server.asked
    assert json.loads(plain) == {"apiVersion": "v1", "kind": "DeleteOptions"}
    assert (method, path) == ("DELETE", "/api/v1/nodes/a")
    assert json.loads(full)["preconditions"] == {"uid": "u", "resourceVersion": "9"}
    assert json.loads(full)["gracePeriodSeconds"] == 0


async def test_a_patch_goes_with_its_content_type(tmp_path):
    async def answer(request, body):
        return web.json_response(lease("a"))

    server = FakeServer(tmp_path, answer)
    async with server.connected() as cluster:
        for type in Patch:
            await cluster.patch(LEASES, "a", {}, namespace="n", subresource="status", type=type)

    assert [asked[2]["Content-Type"] for asked in server.asked] == [type.value for type in Patch]
    assert all(asked[1].endswith("/leases/a/status") for asked in server.asked)


async def test_a_body_larger_than_a_megabyte_is_sent(tmp_path):
    async def answer(request, body):
        return web.json_response(json.loads(body))

    async with FakeServer(tmp_path, answer).connected() as cluster:
        manifest = {**lease("a"), "note": "x" * 2_000_000}
        assert (await cluster.create(LEASES, manifest, namespace="n")).metadata.name == "a"


@pytest.mark.parametrize("name", ["../secrets", "a/b", "a?x=1", "..", "a%2fb", "a b"])
async def test_a_name_cannot_lead_elsewhere(tmp_path, name):
    async def answer(request, body):
        return web.json_response(lease("a"))

    server = FakeServer(tmp_path, answer)
    async with server.connected() as cluster:
        with pytest.raises(Invalid):
            await cluster.get(LEASES, name, namespace="n")
        with pytest.raises(Invalid):
            await cluster.get(LEASES, "a", namespace=name)

    assert server.asked == []


async def test_requests_are_counted_by_verb_and_resource(tmp_path):
    async def answer(request, body):
        return web.json_response(lease("a"))

    async with FakeServer(tmp_path, answer).connected() as cluster:
        for _ in range(2):
            await cluster.get(LEASES, "a", namespace="n")
        await cluster.create(LEASES, {}, namespace="n", name="a", subresource="binding")

        assert cluster.requests == {"get leases": 2, "create leases/binding": 1}
