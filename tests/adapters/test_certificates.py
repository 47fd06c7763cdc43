import datetime as dt

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from mcs.adapters.certificates import (
    AUTHORITY_LIFE,
    CA_CERTIFICATE,
    CA_KEY,
    CERTIFICATE,
    KEY,
    SERVING_LIFE,
    SETTLING,
    OwnAuthority,
    is_due,
)

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
HOSTS = ("agent.mcs-system.svc", "10.0.0.1")
OWN = OwnAuthority(HOSTS)


def renewed(data, after=dt.timedelta(0), issuer=OWN):
    return issuer.renewed(data, (NOW + after).timestamp())


def serving(data):
    return x509.load_pem_x509_certificate(data[CERTIFICATE])


def authorities(data):
    return x509.load_pem_x509_certificates(data[CA_CERTIFICATE])


FRESH = renewed({})


def test_nothing_becomes_an_authority_and_a_certificate():
    assert set(FRESH) == {CA_CERTIFICATE, CA_KEY, CERTIFICATE, KEY}
    [authority] = authorities(FRESH)
    serving(FRESH).verify_directly_issued_by(authority)


def test_the_certificate_is_for_names_and_addresses():
    names = serving(FRESH).extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert names.get_values_for_type(x509.DNSName) == ["agent.mcs-system.svc"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]


def test_what_is_not_due_stays():
    assert renewed(FRESH) is None
    assert renewed(FRESH, SERVING_LIFE / 2) is None


def test_a_certificate_is_renewed_after_two_thirds_of_its_life_by_the_same_authority():
    made = renewed(FRESH, SERVING_LIFE * 0.67)

    assert made[CA_CERTIFICATE] == FRESH[CA_CERTIFICATE]
    assert made[CA_KEY] == FRESH[CA_KEY]
    assert made[CERTIFICATE] != FRESH[CERTIFICATE]
    serving(made).verify_directly_issued_by(authorities(made)[0])
    assert renewed(made, SERVING_LIFE * 0.67) is None


def test_other_hosts_need_another_certificate():
    made = renewed(FRESH, issuer=OwnAuthority(["other"]))

    assert made[CA_CERTIFICATE] == FRESH[CA_CERTIFICATE]
    assert made[CERTIFICATE] != FRESH[CERTIFICATE]
    assert renewed(FRESH, issuer=OwnAuthority(HOSTS[::-1])) is None


def test_a_new_authority_is_trusted_before_it_signs_what_is_served():
    due = AUTHORITY_LIFE * 0.67
    before = renewed(FRESH, due - dt.timedelta(days=40))

    announced = renewed(before, due)

    new, old = authorities(announced)
    assert old == authorities(before)[0]
    assert announced[CERTIFICATE] == before[CERTIFICATE]
    assert renewed(announced, due + SETTLING / 2) is None

    switched = renewed(announced, due + SETTLING)

    assert switched[CA_CERTIFICATE] == announced[CA_CERTIFICATE]
    serving(switched).verify_directly_issued_by(new)
    assert renewed(switched, due + SETTLING) is None


def test_a_certificate_that_is_due_waits_for_a_new_authority_to_be_trusted():
    due = AUTHORITY_LIFE * 0.67
    before = renewed(FRESH, due - SERVING_LIFE * 0.7)

    assert renewed(before, due)[CERTIFICATE] == before[CERTIFICATE]


def test_an_expired_authority_leaves_the_bundle():
    due = AUTHORITY_LIFE * 0.67
    both = renewed(FRESH, due)

    made = renewed(both, AUTHORITY_LIFE + dt.timedelta(days=1))

    assert len(authorities(both)) == 2
    assert len(authorities(made)) == 1


@pytest.mark.parametrize("key", [CA_CERTIFICATE, CA_KEY, CERTIFICATE, KEY])
@pytest.mark.parametrize("value", [None, b"", b"nonsense"])
def test_what_is_missing_or_unreadable_is_made_anew(key, value):
    broken = {name: FRESH[name] for name in FRESH if name != key}
    if value is not None:
        broken[key] = value

    made = renewed(broken)

    serving(made).verify_directly_issued_by(authorities(made)[0])
    assert renewed(made) is None


@pytest.mark.parametrize(("mine", "theirs"), [(CERTIFICATE, KEY), (CA_CERTIFICATE, CA_KEY)])
def test_a_certificate_and_a_key_that_do_not_belong_together_are_made_anew(mine, theirs):
    other = renewed({})

    made = renewed(FRESH | {theirs: other[theirs]})

    assert made[mine] != FRESH[mine]
    serving(made).verify_directly_issued_by(authorities(made)[0])


@given(st.integers(0, 10**9), st.integers(1, 10**9), st.integers(0, 10**9))
def test_due_is_after_two_thirds(start, life, passed):
    assert is_due(start, start + life, start + passed) is (3 * passed >= 2 * life)
