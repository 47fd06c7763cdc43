import asyncio
import logging

import pytest

from mcs.errors import BadSettings, Unreachable
from mcs.services.certificates import Material
from mcs.services.webhook import INTERVAL_S, RETRY_S, Webhook


class Deeds(list):
    """Server and registrar: what was done, in order; ``failing`` raises once."""

    failing = None

    async def use(self, certificate, key):
        self.append(("serve", certificate, key))

    async def ensure_webhook(self, ca_bundle):
        error, self.failing = self.failing, None
        if error:
            raise error
        self.append(("register", ca_bundle))


class Source:
    def __init__(self):
        self.material = Material(certificate=b"c", key=b"k", ca_bundle=b"ca")

    async def current(self):
        if isinstance(self.material, Exception):
            raise self.material
        return self.material


class Clock:
    """Lets a number of waits pass at once, then stops the loop."""

    def __init__(self, waits):
        self.waits = waits
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        if len(self.slept) == self.waits:
            raise asyncio.CancelledError


def made(waits=1):
    deeds, source, clock = Deeds(), Source(), Clock(waits)
    return Webhook(deeds, source, deeds, clock), deeds, source, clock


async def run(webhook):
    with pytest.raises(asyncio.CancelledError):
        await webhook.run()


async def test_it_serves_before_it_is_registered():
    webhook, deeds, _, _ = made()

    await webhook.step()

    assert deeds == [("serve", b"c", b"k"), ("register", b"ca")]


async def test_an_unchanged_certificate_is_loaded_once_and_the_registration_always_checked():
    webhook, deeds, _, clock = made(waits=3)

    await run(webhook)

    assert [deed[0] for deed in deeds] == ["serve", "register", "register", "register"]
    assert clock.slept == [INTERVAL_S] * 3


async def test_a_renewed_certificate_is_served_at_the_next_look():
    webhook, deeds, source, _ = made()
    await webhook.step()
    source.material = Material(certificate=b"c2", key=b"k2", ca_bundle=b"ca")

    await webhook.step()

    assert ("serve", b"c2", b"k2") in deeds


@pytest.mark.parametrize("error", [Unreachable("away"), BadSettings("no secret")])
async def test_an_error_is_logged_and_tried_again_soon(error, caplog):
    webhook, deeds, _, clock = made(waits=2)
    deeds.failing = error

    with caplog.at_level(logging.WARNING):
        await run(webhook)

    assert clock.slept == [RETRY_S, INTERVAL_S]
    assert str(error) in caplog.text
    assert deeds[-1] == ("register", b"ca")


async def test_a_certificate_that_cannot_be_had_keeps_the_old_one_serving(caplog):
    webhook, deeds, source, _ = made(waits=1)
    await webhook.step()
    source.material = Unreachable("away")

    await run(webhook)

    assert len(deeds) == 2
