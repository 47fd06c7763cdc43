"""Of two schedulers one is active: it is killed, or sleeps through its reign, and nothing is lost,
doubled, or decided on stale state.
"""

import os
import sys

import pytest

from bench.reporting import median
from bench.takeover import take_over
from tests.chaos.schedulers import active, crashed, other, reign_of, successor
from tests.kubernetes.conftest import opt_in
from tests.kubernetes.invariants import check_lives, check_log, unfinished
from tests.kubernetes.pods import path, pod

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.live,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROUNDS = int(os.environ.get("MCS_CHAOS_ROUNDS", "10"))


async def settled(federation, sightings, namespace):
    """Everything reached its end; the log, checked."""
    await federation.wait("settled", lambda: not unfinished(sightings, namespace), 120)
    state = await check_log(federation)
    check_lives(sightings, state, namespace=namespace)
    assert not crashed(federation.schedulers)
    await federation.mcs("verify")
    return state


async def test_a_scheduler_that_slept_past_its_reign_is_refused_and_stands_by(
    federation, sightings
):
    namespace = "asleep"
    await opt_in(federation, namespace)
    api = federation.planes["c1"].api
    runs_on = pod("runs-on", namespace=namespace, cluster="c2")
    await api.create(path(namespace), runs_on)
    await api.wait_pod("runs-on", "Running", namespace=namespace, timeout_s=60)
    before = (await settled(federation, sightings, namespace)).reigns
    first = active(federation)
    second, reign = other(federation, first), reign_of(first)

    first.pause()
    try:
        assert await successor(federation, reign) is second
        # Decided while the first one believes that it reigns and that these pods do not exist.
        for number in range(5):
            body = pod(f"meanwhile-{number}", namespace=namespace, run_for="1s")
            await api.create(path(namespace), body)
        await api.wait_pod("meanwhile-4", "Succeeded", namespace=namespace, timeout_s=60)
        said = len(first.log.read_text())
    finally:
        first.resume()

    await federation.wait(
        "the sleeper to step down",
        lambda: "deposed: append refused" in first.log.read_text()[said:],
    )
    # Not exactly one: a disk that stalls for two seconds makes the others think that nobody reigns.
    assert (await settled(federation, sightings, namespace)).reigns > before

    # It stands by, and knows what was decided without it: it takes over when its turn comes.
    second.kill()
    assert await successor(federation, reign_of(second)) is first
    await api.create(path(namespace), pod("after", namespace=namespace, run_for="1s"))
    await api.wait_pod("after", "Succeeded", namespace=namespace, timeout_s=60)
    await second.start()
    assert (await settled(federation, sightings, namespace)).reigns > before + 1


async def test_a_killed_scheduler_is_succeeded_in_seconds(federation, sightings, capsys):
    before = (await check_log(federation)).reigns

    taken = [await take_over(federation, f"round-{number}") for number in range(ROUNDS)]

    state = await settled(federation, sightings, "default")
    assert state.reigns >= before + ROUNDS
    claimed = [each.claimed_s for each in taken]
    placed = [each.placed_s for each in taken]
    with capsys.disabled():
        sys.stdout.write(
            f"\ntake-over after kill -9, {ROUNDS} times: claimed after {min(claimed):.2f} to "
            f"{max(claimed):.2f} s (median {median(claimed):.2f}), a new pod placed after "
            f"{min(placed):.2f} to {max(placed):.2f} s (median {median(placed):.2f})\n"
        )
