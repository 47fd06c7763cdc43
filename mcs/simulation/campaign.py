"""Many seeds, on all cores, and what came of them; a long campaign can be taken up again.

The journal has a line for each block of seeds that is done, so after an interruption only the rest
is run.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from mcs.simulation.drawing import draw
from mcs.simulation.running import run

BLOCK: Final = 10


class Failure(msgspec.Struct, frozen=True):
    """A seed that broke a rule."""

    seed: int
    invariant: str
    text: str


class Block(msgspec.Struct, kw_only=True):
    """What came of some seeds. ``simulated_s``: virtual time; ``happened``: accidents, by kind."""

    begin: int
    end: int
    failures: list[Failure] = []
    simulated_s: float = 0.0
    events: int = 0
    pods: int = 0
    happened: dict[str, int] = {}

    def add(self, other: Block) -> None:
        """Sum up."""
        self.failures = [*self.failures, *other.failures]
        self.simulated_s += other.simulated_s
        self.events += other.events
        self.pods += other.pods
        for kind, count in other.happened.items():
            self.happened[kind] = self.happened.get(kind, 0) + count


@contextmanager
def hushed() -> Iterator[None]:
    """Log records reach no terminal: the story says it better. The checkers still see those of mcs
    (I10).
    """
    loggers = [logging.getLogger(name) for name in ("mcs", "asyncio")]
    before, nowhere = [logger.propagate for logger in loggers], logging.NullHandler()
    for logger in loggers:
        logger.addHandler(nowhere)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, propagated in zip(loggers, before, strict=True):
            logger.removeHandler(nowhere)
            logger.propagate = propagated


def run_block(begin: int, end: int) -> Block:
    """Run the seeds from ``begin`` up to ``end``."""
    block = Block(begin=begin, end=end, happened={})
    for seed in range(begin, end):
        with hushed():
            outcome = run(draw(seed))
        failures = []
        if outcome.failure:
            failures = [Failure(seed, outcome.invariant, outcome.failure)]
        block.add(
            Block(
                begin=seed,
                end=seed + 1,
                failures=failures,
                simulated_s=outcome.lasted_s,
                events=outcome.events,
                pods=outcome.pods,
                happened=outcome.happened,
            )
        )
    return block


def campaign(begin: int, seeds: int, *, jobs: int, journal: Path | None = None) -> Iterator[Block]:
    """Blocks as they are done, those of the journal first."""
    todo = [
        (first, min(first + BLOCK, begin + seeds)) for first in range(begin, begin + seeds, BLOCK)
    ]
    for block in _recorded(journal):
        if (block.begin, block.end) in todo:
            todo.remove((block.begin, block.end))
            yield block
    # A fresh interpreter for each worker: nothing of this process can leak into a run.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=_end_with_parent) as pool:
        running: set[Future[Block]] = set()
        try:
            while todo or running:
                while todo and len(running) < 2 * jobs:
                    running.add(pool.submit(run_block, *todo.pop(0)))
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    block = future.result()
                    _record(journal, block)
                    yield block
        finally:
            for future in running:
                future.cancel()


def _end_with_parent() -> None:
    """Have this worker end when its parent is killed: it would wait for more to do for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _recorded(journal: Path | None) -> list[Block]:
    """What is done; half a line, of a process that was killed, is taken away."""
    if journal is None or not journal.exists():
        return []
    text = journal.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        journal.write_bytes(whole)
    return [msgspec.json.decode(line, type=Block) for line in whole.splitlines()]


def _record(journal: Path | None, block: Block) -> None:
    if journal is not None:
        journal.parent.mkdir(parents=True, exist_ok=True)
        with journal.open("ab") as file:
            file.write(msgspec.json.encode(block) + b"\n")
