"""Proxies and delegates deleted on real API servers: from either side, in any order, in any way."""

import contextlib

import pytest

from tests.kubernetes.pairs import OURS, Pair, deleting
from tools.controlplane import KubectlFailed

pytestmark = pytest.mark.kubernetes

# How long a delegate takes to stop that is to be looked at meanwhile; up to a second less, since a
# deletionTimestamp has whole seconds.
LONG = "5s"


@pytest.fixture
def pair(federation, namespace):
    return Pair(federation, namespace)


async def test_a_deleted_proxys_grace_is_its_delegates(pair):
    await pair.start(kept=True, stop_after=LONG)
    await pair.delete("--grace-period=7")

    delegate = await pair.target.api.wait(pair.delegate, deleting)
    assert delegate["metadata"]["deletionGracePeriodSeconds"] == 7
    proxy = await pair.source.api.get(pair.proxy)
    assert proxy["status"]["phase"] == "Running"
    assert OURS in proxy["metadata"]["finalizers"]

    after = await pair.let_go()
    (status,) = after["status"]["containerStatuses"]
    assert after["status"]["phase"] == "Failed"
    assert status["state"]["terminated"]["exitCode"] == 143


async def test_a_pods_own_grace_is_kept_where_nobody_states_another(pair):
    await pair.start(stop_after=LONG, terminationGracePeriodSeconds=11)
    await pair.delete()

    delegate = await pair.target.api.wait(pair.delegate, deleting)
    assert delegate["metadata"]["deletionGracePeriodSeconds"] == 11
    await pair.gone()


async def test_a_pod_that_stops_well_when_deleted_has_succeeded(pair):
    await pair.start(kept=True, annotations={"kwok.mcs/stop-code": "0"})
    await pair.delete()

    after = await pair.let_go()
    assert after["status"]["phase"] == "Succeeded"


async def test_a_proxy_deleted_by_force_takes_its_delegate_along_at_once(pair):
    await pair.start(stop_after="3600s", terminationGracePeriodSeconds=3600)
    await pair.delete("--force", "--grace-period=0")
    await pair.gone()


async def test_a_deletion_under_way_may_be_hastened(pair):
    await pair.start(stop_after="3600s", terminationGracePeriodSeconds=3600)
    await pair.delete()
    await pair.target.api.wait(pair.delegate, deleting)
    await pair.delete("--force", "--grace-period=0")
    await pair.gone()


async def test_a_delegate_deleted_by_somebody_ends_its_proxy_at_once(pair):
    await pair.start(kept=True, stop_after=LONG)
    await pair.delete_delegate()

    proxy = await pair.source.api.wait(pair.proxy, deleting)
    assert OURS in proxy["metadata"]["finalizers"]
    delegate = await pair.target.api.get(pair.delegate)
    assert delegate["status"]["phase"] == "Running"  # it is stopping still

    after = await pair.let_go()
    assert after["status"]["phase"] == "Failed"
    assert after["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 143


async def test_a_delegate_deleted_by_force_ends_its_proxy(pair):
    await pair.start(kept=True, stop_after="3600s", terminationGracePeriodSeconds=3600)
    await pair.delete_delegate("--force", "--grace-period=0")

    await pair.source.api.wait(pair.proxy, deleting)
    after = await pair.let_go()
    assert after["status"]["phase"] == "Failed"


@pytest.mark.parametrize("first", ["proxy", "delegate"])
async def test_both_deleted_by_people_go(pair, first):
    await pair.start(stop_after="1s")
    steps = [pair.delete, pair.delete_delegate]
    for step in steps if first == "proxy" else reversed(steps):
        with contextlib.suppress(KubectlFailed):  # gone already: that is what is asked for
            await step()
    await pair.gone()


async def test_a_proxy_deleted_while_its_delegate_starts_goes(pair):
    await pair.start(phase="Pending", annotations={"kwok.mcs/start-after": "1h"})
    await pair.source.api.wait(pair.proxy, lambda item: item["spec"].get("nodeName"))
    await pair.delete("--grace-period=5")
    await pair.gone()


async def test_a_proxy_deleted_before_it_has_a_place_goes(pair):
    await pair.start(phase="Pending", cpu="100")
    await pair.delete("--grace-period=5")
    await pair.gone()


async def test_a_proxy_deleted_while_its_delegate_finds_no_node_goes(pair):
    scheduler = pair.target.processes["scheduler"]
    scheduler.pause()
    try:
        await pair.start(phase="Pending")
        await pair.target.api.wait(pair.delegate, lambda _: True)
        await pair.delete("--grace-period=5")
        await pair.gone()
    finally:
        scheduler.resume()


@pytest.mark.parametrize("grace", ["--grace-period=30", "--grace-period=0", "--now"])
async def test_a_proxy_that_ended_goes_whatever_its_grace(pair, grace):
    await pair.start(phase="Succeeded", run_for="100ms")
    force = ("--force",) if grace == "--grace-period=0" else ()
    await pair.delete(grace, *force)
    await pair.gone()


async def test_a_proxy_that_ended_outlives_its_delegate(pair):
    await pair.start(phase="Succeeded", run_for="100ms")
    await pair.delete_delegate()
    await pair.target.api.wait_gone(pair.delegate)

    async def folded():
        log = await pair.federation.events("--pod", f"{pair.namespace}/p")
        return any(each["event"]["type"] == "delegate.gone" for each in log)

    await pair.federation.wait("the log knows", folded)
    proxy = await pair.source.api.get(pair.proxy)
    assert proxy["status"]["phase"] == "Succeeded"
    assert not deleting(proxy)
    await pair.delete("--grace-period=30")
    await pair.gone()
