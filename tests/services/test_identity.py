"""Who we are is asked until the API server answers."""

import pytest

from mcs.errors import Forbidden, Unreachable
from mcs.services.identity import REVIEWS, SelfSubjectReview, whoami
from tests.services.clocks import LeapingClock


class Server:
    """Answers what it is given, one after the other."""

    def __init__(self, *answers):
        self.answers = list(answers)

    async def create(self, kind, manifest):
        assert (kind, manifest["kind"]) == (REVIEWS, "SelfSubjectReview")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        import msgspec

        return msgspec.json.decode(answer, type=SelfSubjectReview)


NAMED = b'{"status":{"userInfo":{"username":"system:serviceaccount:mcs-system:mcs-agent"}}}'


async def test_the_name_is_what_the_api_server_says():
    assert await whoami(Server(NAMED), LeapingClock()) == (
        "system:serviceaccount:mcs-system:mcs-agent"
    )


async def test_a_server_that_does_not_answer_is_asked_again():
    clock = LeapingClock()

    assert await whoami(Server(Unreachable("down"), Unreachable("down"), NAMED), clock)
    assert len(clock.slept) == 2


async def test_a_refusal_is_told():
    with pytest.raises(Forbidden):
        await whoami(Server(Forbidden("no")), LeapingClock())
