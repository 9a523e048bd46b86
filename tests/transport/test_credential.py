"""When a credential is used, and when another is due."""

from __future__ import annotations

import datetime

import pytest

from kubeprims.transport.credential import (
    RENEWAL_INTERVAL_S,
    ClientCertificate,
    Credential,
    CredentialCache,
    is_header_value,
)

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
HOUR = datetime.timedelta(hours=1)
OLD, NEW = Credential(token="old"), Credential(token="new")


def test_one_without_a_time_is_kept_until_it_is_refused() -> None:
    cache = CredentialCache()
    assert cache.usable(NOW, 0.0) is None
    assert cache.replacement_of(OLD) is None
    cache.take(OLD, NOW, 0.0)
    assert cache.usable(NOW + 1000 * HOUR, 3_600_000.0) is OLD
    assert cache.replacement_of(OLD) is None
    assert cache.replacement_of(NEW) is OLD
    assert cache.may_ask_again(0.0)


def test_one_that_runs_out_is_renewed() -> None:
    lasting = Credential(token="lasting", expires_at=NOW + HOUR)
    cache = CredentialCache()
    cache.take(lasting, NOW, 0.0)
    assert cache.usable(NOW, 0.0) is lasting
    assert cache.usable(NOW + HOUR, 3600.0) is None


def test_one_that_had_expired_when_it_came_is_used_for_a_while() -> None:
    expired = Credential(token="expired", expires_at=NOW - HOUR)
    cache = CredentialCache()
    cache.take(expired, NOW, 100.0)
    assert cache.usable(NOW, 100.0 + RENEWAL_INTERVAL_S - 1) is expired
    assert cache.usable(NOW, 100.0 + RENEWAL_INTERVAL_S) is None
    assert CredentialCache(expired).usable(NOW, 0.0) is None


def test_what_was_confirmed_or_could_not_be_had_is_not_asked_for_at_once() -> None:
    for again in (OLD, None):
        cache = CredentialCache(OLD)
        assert cache.may_ask_again(50.0)
        if again is None:
            cache.fail(50.0)
        else:
            cache.take(again, NOW, 50.0)
        assert not cache.may_ask_again(50.0 + RENEWAL_INTERVAL_S - 1)
        assert cache.may_ask_again(50.0 + RENEWAL_INTERVAL_S)
    cache.take(NEW, NOW, 51.0)
    assert cache.may_ask_again(51.0)


def test_another_certificate_is_told_from_the_same() -> None:
    pair = ClientCertificate(b"c", b"k")
    shown = Credential(client_certificate=pair)
    cache = CredentialCache()
    assert not cache.has_other_certificate(OLD)
    assert cache.has_other_certificate(shown)
    cache.take(shown, NOW, 0.0)
    assert not cache.has_other_certificate(Credential(token="t", client_certificate=ClientCertificate(b"c", b"k")))
    assert cache.has_other_certificate(OLD)


def test_nothing_secret_is_shown() -> None:
    pair = ClientCertificate(b"s3cret", b"s3cret")
    assert "s3cret" not in repr(Credential(token="s3cret", client_certificate=pair)) + repr(pair)


@pytest.mark.parametrize(
    ("token", "fits"), [("abc.-_~", True), ("", False), ("a b", False), ("a\n", False), ("ä", False)]
)
def test_a_header_can_carry_a_token_of_visible_ascii(token: str, fits: bool) -> None:  # noqa: FBT001 - a parameter of the cases
    assert is_header_value(token) is fits
