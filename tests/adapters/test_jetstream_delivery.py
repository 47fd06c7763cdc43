"""What a consumer says is believed only as far as its numbers go on from the last one."""

import json

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from mcs.adapters.jetstream_delivery import WINDOW, Delivery
from mcs.errors import Unavailable
from mcs.ports import Stream


class FakeConnection:
    """Keeps what is published, or refuses it."""

    most_bytes = 1024 * 1024

    def __init__(self):
        self.pulls = []
        self.up = True

    async def publish(self, subject, data, *, reply=""):
        if not self.up:
            raise Unavailable("cut")
        self.pulls.append(json.loads(data))


class Case:
    """A delivery, what it took, and messages for it."""

    def __init__(self, *, subject="", after=0):
        self.connection = FakeConnection()
        self.taken = []
        self.news = 0
        self.delivery = Delivery(
            self.connection,
            Stream.DECISIONS,
            subject,
            after=after,
            floor=after,
            take=self.taken.append,
            on_news=self.hear,
        )

    def hear(self):
        self.news += 1

    async def message(self, sequence, number, *, pending=0, form="$JS.ACK.DECISIONS.c.1"):
        reply = f"{form}.{sequence}.{number}.1700000000000000001.{pending}"
        if form.count(".") > 4:
            reply += ".random"
        await self.delivery._arrived(Msg(Client(), "mcs.dec.a.b", reply, b"data"))

    async def status(self, code, **headers):
        headers = {"Status": str(code)} | {k.replace("_", "-"): str(v) for k, v in headers.items()}
        await self.delivery._arrived(Msg(Client(), "_INBOX.x", "", b"", headers))

    @property
    def sequences(self):
        return [message.sequence for message in self.taken]


@pytest.mark.parametrize("form", ["$JS.ACK.DECISIONS.c.1", "$JS.ACK.hub.ACCOUNT.DECISIONS.c.1"])
async def test_both_forms_of_acknowledgement_subjects_are_read(form):
    case = Case(after=4)
    await case.message(5, 1, form=form)
    assert [(m.sequence, m.time_ns) for m in case.taken] == [(5, 1700000000000000001)]
    assert not case.delivery.broken


@pytest.mark.parametrize(
    ("subject", "messages", "taken"),
    [
        ("", [(1, 1), (2, 2)], [1, 2]),
        ("", [(1, 1), (3, 2)], [1]),  # a hole in the stream
        ("", [(1, 1), (1, 1)], [1]),  # twice
        ("", [(1, 1), (2, 3)], [1]),  # a message lost on the way
        ("x", [(4, 1), (9, 2)], [4, 9]),
        ("x", [(4, 1), (9, 3)], [4]),
        ("x", [(4, 1), (4, 2)], [4]),
    ],
)
async def test_only_the_next_message_is_taken(subject, messages, taken):
    case = Case(subject=subject)
    for sequence, number in messages:
        await case.message(sequence, number)
    assert case.sequences == taken
    assert bool(case.delivery.broken) is (len(taken) < len(messages))


async def test_nothing_is_taken_from_a_broken_delivery():
    case = Case()
    case.delivery.stop("for a reason")
    case.delivery.stop("for another")
    await case.message(1, 1)
    assert (case.sequences, case.delivery.broken, case.news) == ([], "for a reason", 1)


@pytest.mark.parametrize(
    ("subject", "last_consumer", "last_stream", "broken", "gap"),
    [
        ("", 1, 1, False, False),
        ("", 2, 2, True, False),
        ("", 1, 5, True, True),
        ("x", 1, 5, False, False),
        ("x", 2, 5, True, False),
    ],
)
async def test_a_heartbeat_tells_what_did_not_come(
    subject, last_consumer, last_stream, broken, gap
):
    case = Case(subject=subject)
    await case.message(1, 1)
    await case.status(100, Nats_Last_Consumer=last_consumer, Nats_Last_Stream=last_stream)
    assert bool(case.delivery.broken) is broken
    assert case.delivery.gap is gap
    if not broken:
        assert case.delivery.position == last_stream


async def test_a_pull_that_ended_is_asked_for_again():
    case = Case()
    await case.delivery.pull(0, 0)
    assert [pull["batch"] for pull in case.connection.pulls] == [1000, 1000, 1000]
    assert case.delivery.pulls.open == WINDOW
    await case.message(1, 1)
    for code in (408, 409, 404):
        await case.status(code, Nats_Pending_Messages=333, Nats_Pending_Bytes=0)
    assert (case.delivery.pulls.open, case.news, case.delivery.broken) == (WINDOW - 1000, 3, "")
    await case.delivery.pull(1, 4)
    assert case.delivery.pulls.open == WINDOW - 1000  # not yet worth a pull
    await case.delivery.pull(0, 0)
    assert case.delivery.pulls.open == WINDOW


async def test_nothing_is_asked_for_without_room():
    case = Case()
    await case.delivery.pull(WINDOW, 0)
    await case.delivery.pull(0, 17 * 2**20)
    assert case.connection.pulls == []


@pytest.mark.parametrize("code", [409, 503, 423, 400])
async def test_an_end_of_the_consumer_breaks_the_delivery(code):
    case = Case()
    await case.status(code, Description="Consumer Deleted")
    assert str(code) in case.delivery.broken
    assert case.news == 1


async def test_a_pull_without_a_connection_breaks_the_delivery():
    case = Case()
    case.connection.up = False
    await case.delivery.pull(0, 0)
    assert case.delivery.broken == "cut"


async def test_being_behind_is_remembered_until_it_was_looked_into():
    case = Case(subject="x", after=3)
    case.delivery.behind = False
    case.delivery.pulls.send(100)
    await case.message(4, 1, pending=0)
    assert (case.delivery.behind, case.delivery.floor) == (False, 4)
    await case.message(5, 2, pending=7)
    await case.message(6, 3, pending=0)
    assert (case.delivery.behind, case.delivery.floor) == (True, 4)
