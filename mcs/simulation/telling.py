"""A run as a readable story: what was planned, what processes did, and what the log says of it."""

from __future__ import annotations

from collections.abc import Iterator

from mcs.simulation.loop import EPOCH_S
from mcs.simulation.running import Outcome
from mcs.simulation.world import Told
from mcs.views.lines import Teller, columns
from mcs.views.words import Words, bad, cluster, good, plain, quiet, say, wait

_WHO = 14
_PLACE = 9


def story(outcome: Outcome, *, last: int = 0) -> Iterator[Words]:
    """The lines of a run kept whole, in order of time; ``last``: only so many of them."""
    lines = sorted([*_log(outcome), *_told(outcome)], key=lambda line: line[0])
    for at_s, words in lines[-last:]:
        yield say(quiet(f"{at_s:8.3f} s  "), words)


def verdict(outcome: Outcome) -> Words:
    """How it went, in a sentence."""
    plan = outcome.plan
    accidents = f"{sum(outcome.happened.values())} accidents" if outcome.happened else "no accident"
    head = say(
        f"seed {plan.seed}: ",
        f"{outcome.lasted_s:.0f} s, {outcome.events} frames, {outcome.pods} pods, {accidents}: ",
    )
    if not outcome.failure:
        return say(head, good("every rule held"))
    return say(head, bad(outcome.failure))


def planned(outcome: Outcome) -> Iterator[Words]:
    """The plan of a run."""
    plan = outcome.plan
    for each in plan.clusters:
        nodes = ", ".join(f"{milli}m" for milli in each.nodes)
        late = f", joins at {each.begins_s:.1f} s" if each.begins_s else ""
        roles = " and ".join(each.roles)
        yield say("  ", cluster(each.name), f": {roles}; nodes {nodes}; agents {each.agents}{late}")
    yield say(
        f"  schedulers {plan.schedulers}; a cluster is lost after {plan.lost_after_s} s of silence;"
        f" act one lasts {plan.act_one_s:.1f} s"
    )
    if plan.adapter:
        yield say("  processes speak to NATS through the adapter for it")
    for item in plan.work:
        yield say("  work      ", str(item))
    for accident in plan.accidents:
        yield say("  accident  ", wait(str(accident)))


def _log(outcome: Outcome) -> Iterator[tuple[float, Words]]:
    teller = Teller()
    for stored in outcome.log:
        for line in teller.lines(stored):
            if line.quiet:
                continue
            _, place, concerned, words = columns(line)
            padded = say(_wide(concerned, _WHO), _wide(place, _PLACE), words)
            yield stored.time_ns / 1e9 - EPOCH_S, padded


def _told(outcome: Outcome) -> Iterator[tuple[float, Words]]:
    for told in outcome.story:
        yield told.at_s, _spoken(told)


def _spoken(told: Told) -> Words:
    if not told.who:
        return say(wait(f"—— {told.what.strip()}"))
    return say(_wide(say(quiet(told.who)), _WHO), " " * _PLACE, told.what)


def _wide(words: Words, width: int) -> Words:
    return say(words, " " * max(1, width - len(plain(words))))
