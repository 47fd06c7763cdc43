"""A watch's bytes: lines cut anywhere, errors in the middle, ends of all kinds."""

import json
from itertools import pairwise

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from mcs.adapters.kubernetes_watch import WATCH_TIMEOUT_S, Lines
from mcs.errors import ClusterError, Expired, Unreachable
from mcs.objects.kinds import LEASES, PODS
from tests.adapters.api_servers import FakeServer, lease, status


def line(change, item):
    return json.dumps({"type": change, "object": item}).encode() + b"\n"


async def watched(tmp_path, *chunks, broken=False, kind=LEASES):
    async def answer(request, body):
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        if broken:
            request.transport.close()
        return response

    server, found = FakeServer(tmp_path, answer), []
    async with server.connected() as cluster:
        try:
            async with cluster.watch(kind, since="5") as events:
                found = [event async for event in events]
        finally:
            assert f"timeoutSeconds={WATCH_TIMEOUT_S}" in server.asked[0][1]
            assert "resourceVersion=5" in server.asked[0][1]
            assert "allowWatchBookmarks=true" in server.asked[0][1]
    return found


@given(
    st.lists(st.binary(min_size=1).filter(lambda item: b"\n" not in item)),
    st.lists(st.integers(min_value=0, max_value=60)),
)
def test_lines_are_whole_however_they_are_cut(lines, cuts):
    data = b"".join(item + b"\n" for item in lines)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    cutter, found = Lines(), []
    for start, end in pairwise(places):
        found += cutter.feed(data[start:end])

    assert found == lines


async def test_events_come_in_order_and_a_bookmark_is_hollow(tmp_path):
    hollow = {"metadata": {"resourceVersion": "9"}, "spec": {"containers": None}, "status": {}}
    pod = {"metadata": {"name": "p", "resourceVersion": "8"}}
    found = await watched(
        tmp_path,
        line("ADDED", pod) + line("DELETED", pod)[:10],
        line("DELETED", pod)[10:],
        line("BOOKMARK", hollow),
        kind=PODS,
    )

    assert [str(event.change) for event in found] == ["ADDED", "DELETED", "BOOKMARK"]
    assert found[2].object.metadata.resource_version == "9"


@pytest.mark.parametrize(
    ("code", "expected"),
    [(410, Expired), (500, Unreachable), (504, Unreachable), (403, Unreachable)],
)
async def test_an_error_event_ends_the_watch(tmp_path, code, expected):
    error = {"kind": "Status", "code": code, "reason": "R", "message": "words"}
    with pytest.raises(expected, match="words") as caught:
        await watched(tmp_path, line("ADDED", lease("a")), line("ERROR", error))

    assert type(caught.value) is expected
    assert caught.value.where.startswith("watch leases")


async def test_a_broken_connection_is_unreachable(tmp_path):
    with pytest.raises(Unreachable):
        await watched(tmp_path, line("ADDED", lease("a")), broken=True)


async def test_an_unreadable_event_is_no_crash(tmp_path):
    with pytest.raises(ClusterError, match="unreadable"):
        await watched(tmp_path, line("ADDED", {"metadata": {"name": 7}}))
    with pytest.raises(ClusterError, match="unreadable"):
        await watched(tmp_path, b"not json\n")


async def test_a_refusal_to_open_is_the_error_it_means(tmp_path):
    async def answer(request, body):
        return status(410, "Expired", "too old resource version")

    async with FakeServer(tmp_path, answer).connected() as cluster:
        with pytest.raises(Expired, match="too old"):
            async with cluster.watch(LEASES, since="5"):
                pass
