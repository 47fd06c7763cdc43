import base64

import pytest

from mcs.adapters.memory_cluster import MemoryCluster
from mcs.errors import BadSettings, Conflict
from mcs.objects.kinds import SECRETS
from mcs.services.certificates import Certificates, Material


class StillClock:
    def now(self):
        return 1_800_000_000.0

    def monotonic(self):
        return 0.0

    async def sleep(self, seconds):
        raise AssertionError("nothing here waits")


class Stamp:
    """Issues what can be told apart: each call one number higher; settled once written."""

    def __init__(self, prefix="own"):
        self.made = 0
        self.prefix = prefix

    def renewed(self, data, now_s):
        if data.get("tls.crt"):
            return None
        self.made += 1
        text = f"{self.prefix}-{self.made}".encode()
        return {"tls.crt": text, "tls.key": b"k", "ca.crt": b"c", "ca.key": b"ck"}


def cluster():
    return MemoryCluster("c1", StillClock())


def certificates(at, issuer):
    return Certificates(at, StillClock(), issuer, namespace="default", name="webhook")


async def test_the_first_replica_makes_the_secret_and_the_next_shares_it():
    at = cluster()

    first = await certificates(at, Stamp("a")).current()
    second = await certificates(at, Stamp("b")).current()

    assert first == second == Material(certificate=b"a-1", key=b"k", ca_bundle=b"c")
    secret = await at.get(SECRETS, "webhook", namespace="default")
    assert secret.type == "kubernetes.io/tls"


async def test_a_replica_that_loses_the_race_to_create_takes_the_winners():
    at = cluster()

    async def overtake(request):
        if request.verb == "create" and at.before:
            at.before = None
            await certificates(at, Stamp("winner")).current()

    at.before = overtake

    assert (await certificates(at, Stamp("loser")).current()).certificate == b"winner-1"


async def test_a_replica_that_loses_the_race_to_renew_takes_the_winners():
    at = cluster()
    empty = {"metadata": {"name": "webhook"}, "data": {}}
    await at.create(SECRETS, empty, namespace="default")

    async def overtake(request):
        if request.verb == "patch" and at.before:
            at.before = None
            await certificates(at, Stamp("winner")).current()

    at.before = overtake

    assert (await certificates(at, Stamp("loser")).current()).certificate == b"winner-1"


async def test_endless_races_end_in_an_error():
    at = cluster()

    async def refuse(request):
        if request.verb == "create":
            raise Conflict("again", code=409)

    at.before = refuse

    with pytest.raises(Conflict):
        await certificates(at, Stamp()).current()


async def test_somebody_elses_secret_is_only_read():
    at = cluster()
    data = {"tls.crt": b"crt", "tls.key": b"key", "ca.crt": b"ca"}
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    manifest = {"metadata": {"name": "webhook"}, "data": encoded}
    await at.create(SECRETS, manifest, namespace="default")

    found = await certificates(at, None).current()

    assert found == Material(certificate=b"crt", key=b"key", ca_bundle=b"ca")


@pytest.mark.parametrize("data", [None, {}, {"tls.crt": "!!", "tls.key": "aw==", "ca.crt": "Yw=="}])
async def test_somebody_elses_secret_that_is_incomplete_is_told(data):
    at = cluster()
    if data is not None:
        manifest = {"metadata": {"name": "webhook"}, "data": data}
        await at.create(SECRETS, manifest, namespace="default")

    with pytest.raises(BadSettings, match="default/webhook"):
        await certificates(at, None).current()
