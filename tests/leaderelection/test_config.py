"""ElectionConfig: times that leave a margin, or an error that says what is wrong."""

from __future__ import annotations

import math

import pytest

from kubeprims.errors import ConfigError
from kubeprims.leaderelection.config import ElectionConfig
from tests.parity import case


def test_the_defaults_are_those_of_the_core_clients() -> None:
    config = ElectionConfig()
    assert (config.lease_duration_s, config.renew_deadline_s, config.retry_period_s) == (15.0, 10.0, 2.0)
    assert config.written_duration_s == 15


@case("LE-CFG3", "LE-CFG11")
def test_a_lease_no_longer_than_the_renew_deadline_is_refused() -> None:
    with pytest.raises(ConfigError, match="lease_duration_s: 10 s, which is written as 10 whole seconds") as caught:
        ElectionConfig(lease_duration_s=10.0)
    assert isinstance(caught.value, ValueError)


@case("LE-CFG4", "LE-CFG11")
def test_a_renew_deadline_of_one_attempt_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"renew_deadline_s: 2.4 s must be more than 1.2 times retry_period_s, 2 s"):
        ElectionConfig(renew_deadline_s=2.4)


@case("LE-CFG5", "LE-CFG11")
@pytest.mark.parametrize("field", ["lease_duration_s", "renew_deadline_s", "retry_period_s", "foreign_duration_max_s"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, "15s", None, True])
def test_a_time_that_is_none_is_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{field}: must be a positive number"):
        ElectionConfig(**{field: value})  # type: ignore[arg-type]


@case("LE-CFG8", "LE-CFG11")
def test_the_margin_is_checked_on_the_whole_seconds_that_are_written() -> None:
    with pytest.raises(ConfigError, match=r"1\.9 s, which is written as 1 whole seconds"):
        ElectionConfig(lease_duration_s=1.9, renew_deadline_s=1.5, retry_period_s=0.5)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("drain_timeout_s", -1.0),
        ("drain_timeout_s", math.inf),
        ("drain_timeout_s", None),
        ("foreign_duration_max_s", 14.0),
        ("lease_duration_s", 2.0**31),
    ],
)
def test_other_times_have_limits_too(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=field):
        ElectionConfig(**{field: value})  # type: ignore[arg-type]


@case("LE-CFG10")
@pytest.mark.parametrize(("deadline_s", "expected_s"), [(1.0, 1.0), (10.0, 5.0)])
def test_a_request_may_take_half_the_renew_deadline_but_no_less_than_a_second(
    deadline_s: float, expected_s: float
) -> None:
    config = ElectionConfig(lease_duration_s=15.0, renew_deadline_s=deadline_s, retry_period_s=0.5)
    assert config.request_timeout_s == expected_s
