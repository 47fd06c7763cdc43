"""What an agent does while it leads, by role: the list that ``Agent`` is given.

A duty makes its service at once (before the observer starts, so nothing is missed) and runs it
until the epoch ends.
"""

from __future__ import annotations

import asyncio

from mcs.services.executor import Executor
from mcs.services.feedback import Feedback
from mcs.services.member import Member, Service
from mcs.services.policies import Policies
from mcs.services.virtual_nodes import VirtualNodes
from mcs.settings import SOURCE, TARGET


async def execute(member: Member) -> None:
    """The target's hand: create and delete delegates."""
    executor = Executor(
        name=member.name,
        cluster=member.cluster,
        log=member.log,
        standing=member.standing,
        pods=member.pods,
        teller=member.publisher,
        clock=member.clock,
        keys=member.keys,
        held=member.held,
        identities=member.identities,
    )
    await executor.run()


async def feed_back(member: Member) -> None:
    """The source's voice: bind proxies, show their delegates, let them go."""
    feedback = Feedback(
        name=member.name,
        cluster=member.cluster,
        log=member.log,
        standing=member.standing,
        pods=member.pods,
        clock=member.clock,
        keys=member.keys,
        held=member.held,
        identities=member.identities,
    )
    await feedback.run()


async def keep_virtual_nodes(member: Member, *, policies: Policies | None = None) -> None:
    """The source's picture of the targets: a Node for each, guarded by policies where there is an
    API server that knows them.
    """
    virtual = VirtualNodes(
        name=member.name,
        cluster=member.cluster,
        log=member.log,
        standing=member.standing,
        nodes=member.nodes,
        pods=member.pods,
        clock=member.clock,
        keys=member.keys,
        held=member.held,
        cover=policies.cover if policies is not None else None,
        identities=member.identities,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(virtual.run())
        if policies is not None:
            tasks.create_task(policies.run(member.nodes))


def duties(policies: Policies | None = None) -> tuple[tuple[str, Service], ...]:
    """Every duty, with the role that it belongs to."""

    async def guarded(member: Member) -> None:
        await keep_virtual_nodes(member, policies=policies)

    return (TARGET, execute), (SOURCE, feed_back), (SOURCE, guarded)
