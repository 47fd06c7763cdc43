"""Which clusters are lost or removed is what the decisions say, in their order."""

import contextlib

import msgspec
import pytest

from mcs.events import SCHEMA
from mcs.events.decisions import (
    ClusterLost,
    ClusterRecovered,
    ClusterRemoved,
    CycleMarked,
    Policy,
    PolicyActivated,
)
from mcs.services.standing import Removal, Standing
from tests.services.members import Log, running, until


@contextlib.asynccontextmanager
async def read(log, speak=None, **options):
    standing = Standing(log.broker.connect(), **options)
    if speak is not None:
        standing.subscribe_schema(speak)
    async with running(standing):
        await until(standing.caught_up.is_set)
        yield standing


async def test_a_lost_cluster_is_lost_until_it_recovers():
    log = Log()
    log.decide(ClusterLost(cluster="c2"), ClusterLost(cluster="c3"))
    log.decide(ClusterRecovered(cluster="c2"))
    async with read(log) as standing:
        assert standing.lost == {"c3"}


async def test_a_removal_ends_the_loss_and_says_what_it_had_read():
    log = Log()
    log.decide(ClusterLost(cluster="c2"))
    sequence = log.decide(ClusterRemoved(cluster="c2"), based_on=17)
    async with read(log) as standing:
        assert standing.lost == set()
        assert standing.removed == {"c2": Removal(sequence=sequence, based_on=17)}


async def test_listeners_hear_of_clusters_and_of_nothing_else():
    log, heard = Log(), []
    async with read(log) as standing:
        standing.subscribe(heard.append)
        log.decide(CycleMarked())
        log.decide(ClusterLost(cluster="c2"))

        await until(lambda: heard)
    assert heard == ["c2"]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_writing_a_newer_schema_than_schedulers_know_is_warned_of(when, caplog, monkeypatch):
    monkeypatch.setattr("mcs.services.standing.SCHEMA", 2)
    log = Log()
    activated = PolicyActivated(rules=1, schema=1, version="old", policy=Policy())
    if when == "before":
        log.decide(activated)
    async with read(log) as standing:
        if when == "after":
            log.decide(activated)
        await until(lambda: "this agent those of schema 2" in caplog.text)
        caplog.clear()
        log.decide(msgspec.structs.replace(activated, schema=2))
        await until(lambda: standing.schema == 2)
    assert "upgrade the schedulers" not in caplog.text


async def test_agents_are_told_what_to_speak_once_the_log_was_read_and_at_each_change():
    log, told = Log(), []
    activated = PolicyActivated(rules=1, schema=1, version="old", policy=Policy())
    log.decide(msgspec.structs.replace(activated, schema=SCHEMA))
    log.decide(activated)
    async with read(log, speak=told.append):
        log.decide(msgspec.structs.replace(activated, schema=SCHEMA + 7))
        await until(lambda: len(told) == 2)

    assert told == [1, SCHEMA]


async def test_before_any_scheduler_spoke_agents_are_told_nothing():
    log, told = Log(), []
    async with read(log, speak=told.append):
        log.decide(CycleMarked())
        log.decide(ClusterLost(cluster="c2"))

    assert told == []
