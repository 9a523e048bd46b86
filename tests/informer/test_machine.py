"""ReflectorMachine: every decision, without a thread, a clock or a socket."""

from __future__ import annotations

import random

import pytest

from kubeprims.backoff import BackoffPolicy
from kubeprims.errors import (
    ConfigError,
    ConnectError,
    ConnectionLost,
    DeadlineExceeded,
    DecodeError,
    Forbidden,
    InternalError,
    KubeprimsError,
    NotFound,
    ResourceExpired,
    ServerTimeout,
    StatusCause,
    TooManyRequests,
    Unauthorized,
    UnexpectedContent,
    WatchTooShort,
)
from kubeprims.informer.effects import Effect, ListPage, Probe, Replace, Sleep, Watch
from kubeprims.informer.machine import PAGES_MAX, RETRY_AFTER_MAX_S, Phase, ReflectorMachine, ReflectorOptions
from tests.parity import case

EXPIRED = ResourceExpired("too old", code=410, reason="Expired")


class Constant:
    """Chance that always says the same."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self) -> float:
        return self.value


def machine(**options: object) -> ReflectorMachine:
    """Return a machine that lists; what watch-lists do is in ``test_machine_watch_list``."""
    return ReflectorMachine(ReflectorOptions(watch_list=False, **options), rng=Constant(0.0))  # type: ignore[arg-type]


def listed(of: ReflectorMachine, version: str = "10") -> Effect:
    """Play one good list of one page, up to the watch."""
    assert of.on_page(resource_version=version, continue_token="") == Replace(version)
    return of.on_replaced()


def watching(version: str = "10", **options: object) -> ReflectorMachine:
    made = machine(**options)
    made.start()
    assert isinstance(listed(made, version), Watch)
    return made


@case("IN-8")
def test_a_fresh_start_lists_at_version_zero_in_pages_and_watches_from_the_version_of_the_list() -> None:
    fresh = machine()
    assert fresh.start() == ListPage("0", 500)
    assert listed(fresh, "7") == Watch("7", 300.0)
    assert fresh.last_resource_version == "7"


@case("IN-22")
def test_a_page_size_is_kept_over_all_pages_and_the_version_is_sent_with_the_first_only() -> None:
    paged = watching("10", page_size=4)
    assert paged.on_watch_ended(EXPIRED, lasted_s=0.0, now_s=0.0) == Sleep(0.8, EXPIRED)
    assert paged.on_slept() == ListPage("10", 4)
    assert paged.on_page(resource_version="10", continue_token="C1") == ListPage(None, 4, "C1")
    assert paged.on_page(resource_version="10", continue_token="C2") == ListPage(None, 4, "C2")
    assert paged.on_page(resource_version="10", continue_token="") == Replace("10")


@case("IN-23", "IN-25")
def test_a_relist_at_a_known_version_is_not_paged() -> None:
    again = watching("10")
    again.on_watch_ended(EXPIRED, lasted_s=0.0, now_s=0.0)
    assert again.on_slept() == ListPage("10", None)


@case("IN-24")
def test_every_later_list_is_paged_once_a_list_at_version_zero_came_in_pages() -> None:
    paged = machine()
    paged.start()
    paged.on_page(resource_version="10", continue_token="C1")
    listed(paged)
    paged.on_watch_ended(EXPIRED, lasted_s=0.0, now_s=0.0)
    assert paged.on_slept() == ListPage("10", 500)


@case("IN-26")
def test_a_relist_drops_the_version_when_the_last_seen_one_expired() -> None:
    again = watching("10")
    again.on_watch_ended(EXPIRED, lasted_s=0.0, now_s=0.0)
    assert again.on_slept() == ListPage("10", None)
    assert again.on_list_failed(EXPIRED) == ListPage(None, 500)
    assert again.on_page(resource_version="20", continue_token="") == Replace("20")
    assert again.on_replaced() == Watch("20", 300.0)
    again.on_watch_ended(EXPIRED, lasted_s=0.0, now_s=1.0)
    assert again.on_slept() == ListPage("20", None)


@case("IN-27")
def test_an_expired_second_page_is_answered_by_one_list_without_pages() -> None:
    again = watching("10", page_size=4)
    again.on_watch_ended(EXPIRED, lasted_s=0.0, now_s=0.0)
    again.on_slept()
    assert again.on_list_failed(EXPIRED) == ListPage(None, 4)
    assert again.on_page(resource_version="11", continue_token="C1") == ListPage(None, 4, "C1")
    assert again.on_list_failed(EXPIRED) == ListPage(None, None)
    assert again.on_page(resource_version="12", continue_token="") == Replace("12")


def test_a_page_that_expires_once_more_ends_the_try() -> None:
    paged = machine()
    paged.start()
    paged.on_page(resource_version="10", continue_token="C1")
    assert paged.on_list_failed(EXPIRED) == ListPage("0", None)
    assert paged.on_page(resource_version="10", continue_token="C1") == ListPage(None, None, "C1")
    assert paged.on_list_failed(EXPIRED) == ListPage(None, 500)  # the version goes, as for a first page
    assert paged.on_list_failed(EXPIRED) == Sleep(0.8, EXPIRED)


@case("IN-28")
@pytest.mark.parametrize(
    "error",
    [
        ServerTimeout("timeout", code=504, causes=[StatusCause("", "ResourceVersionTooLarge", "")]),
        ServerTimeout("timeout", code=504, causes=[StatusCause("", "", "Too large resource version")]),
        ServerTimeout("Too large resource version: 20, current: 10", code=504, reason="Timeout"),
        InternalError("etcdserver: mvcc: required revision is a future revision", code=500, reason="InternalError"),
    ],
)
def test_a_version_that_is_too_large_is_given_up_for_one_list(error: KubeprimsError) -> None:
    again = watching("20")
    again.on_watch_ended(EXPIRED, lasted_s=0.0, now_s=0.0)
    assert again.on_slept() == ListPage("20", None)
    assert again.on_list_failed(error) == ListPage(None, 500)
    assert listed(again, "30") == Watch("30", 300.0)


def test_a_list_of_endless_pages_is_given_up() -> None:
    endless = machine()
    effect = endless.start()
    pages = 0
    while isinstance(effect, ListPage):
        effect = endless.on_page(resource_version="10", continue_token=f"C{pages}")
        pages += 1
    assert pages == PAGES_MAX + 1
    assert isinstance(effect, Sleep)
    assert str(effect.error) == "the list does not end: 100000 pages"
    assert endless.on_slept() == ListPage("0", 500)


def test_a_list_without_a_version_that_fails_is_tried_again_without_one() -> None:
    again = watching("20")
    again.on_watch_ended(EXPIRED, lasted_s=0.0, now_s=0.0)
    again.on_slept()
    again.on_list_failed(EXPIRED)
    error = InternalError("no", code=500)
    assert isinstance(again.on_list_failed(error), Sleep)
    assert again.on_slept() == ListPage(None, 500)


@case("IN-29")
@pytest.mark.parametrize(
    ("configured_s", "least_s", "most_s"), [(None, 300, 600), (1.0, 300, 600), (1800.0, 1800, 3600)]
)
def test_a_watch_is_asked_to_last_between_the_minimum_and_twice_that(
    configured_s: float | None, least_s: int, most_s: int
) -> None:
    options = ReflectorOptions(watch_list=False)
    if configured_s is not None:
        options = ReflectorOptions(watch_list=False, watch_timeout_min_s=configured_s)
    for seed in range(50):
        made = ReflectorMachine(options, rng=random.Random(seed))
        made.start()
        watch = listed(made)
        assert isinstance(watch, Watch)
        assert least_s <= watch.timeout_s <= most_s
        assert watch.timeout_s == int(watch.timeout_s)


@case("IN-30")
def test_the_version_follows_each_event_bookmarks_included() -> None:
    followed = watching("5")
    seen = []
    for version in ("10", "20", "30", "40"):
        followed.on_events(count=1, resource_version=version)
        seen.append(followed.last_resource_version)
    assert seen == ["10", "20", "30", "40"]


def test_the_version_is_that_of_the_last_event_even_if_it_is_lower() -> None:
    followed = watching("5")
    followed.on_events(count=1, resource_version="55")
    followed.on_events(count=1, resource_version="32")
    assert followed.last_resource_version == "32"


@pytest.mark.parametrize("start", ["", "0"])
def test_a_watch_without_a_version_does_not_move_it_before_another_event_than_added(start: str) -> None:
    unordered = watching(start)
    unordered.on_events(count=2, resource_version="9", only_added=True)
    assert unordered.last_resource_version == start
    unordered.on_events(count=1, resource_version="8", only_added=False)
    assert unordered.last_resource_version == "8"


def test_an_event_without_a_version_leaves_it() -> None:
    followed = watching("5")
    followed.on_events(count=1, resource_version="")
    assert followed.last_resource_version == "5"


def test_a_watch_that_lived_or_brought_events_is_opened_again_at_once() -> None:
    lived = watching("5")
    assert lived.on_watch_ended(None, lasted_s=1.0, now_s=1.0) == Watch("5", 300.0)
    lived.on_events(count=1, resource_version="6")
    assert lived.on_watch_ended(None, lasted_s=0.1, now_s=1.0) == Watch("6", 300.0)
    lost = ConnectionLost("reset")
    assert lived.on_watch_ended(lost, lasted_s=2.0, now_s=1.0) == Watch("6", 300.0)


@case("IN-6")
def test_a_very_short_watch_is_opened_again_once_then_listed() -> None:
    short = watching("5")
    sleep = short.on_watch_ended(None, lasted_s=0.5, now_s=1.0)
    assert isinstance(sleep, Sleep)
    assert (sleep.delay_s, type(sleep.error), str(sleep.error)) == (
        0.8,
        WatchTooShort,
        "the watch ended after 0.500 s without an event",
    )
    assert short.on_slept() == Watch("5", 300.0)
    assert isinstance(short.on_watch_ended(None, lasted_s=0.5, now_s=2.0), Sleep)
    assert short.on_slept() == ListPage("5", None)


def test_a_list_ends_the_count_of_very_short_watches() -> None:
    short = watching("5")
    for _ in range(3):
        short.on_watch_ended(None, lasted_s=0.5, now_s=1.0)
        assert short.on_slept() == Watch("5", 300.0)
        short.on_watch_ended(None, lasted_s=0.5, now_s=2.0)
        assert short.on_slept() == ListPage("5", None)
        listed(short, "5")


@pytest.mark.parametrize(
    "error",
    [
        TooManyRequests("busy", code=429),
        InternalError("broken", code=500),
        Unauthorized("who", code=401),
    ],
)
def test_the_watch_goes_on_from_its_version_after_what_says_nothing_about_it(error: KubeprimsError) -> None:
    resumed = watching("5")
    assert resumed.on_watch_ended(error, lasted_s=None, now_s=0.0) == Sleep(0.8, error)
    assert resumed.phase is Phase.SLEEPING_BEFORE_WATCH
    assert resumed.on_slept() == Watch("5", 300.0)
    assert resumed.on_watch_ended(error, lasted_s=0.0, now_s=0.0) == Sleep(1.6, error)
    assert resumed.on_slept() == Watch("5", 300.0)


@pytest.mark.parametrize(
    "error",
    [
        EXPIRED,
        Forbidden("no", code=403),
        NotFound("no such resource", code=404),
        DecodeError("garbage"),
        UnexpectedContent("HTML", code=200, content_type="text/html"),
    ],
)
def test_the_list_is_asked_for_after_what_says_that_the_watch_will_not_do(error: KubeprimsError) -> None:
    again = watching("5")
    assert again.on_watch_ended(error, lasted_s=5.0, now_s=0.0) == Sleep(0.8, error)
    assert again.on_slept() == ListPage("5", None)


@case("IN-13", "IN-14")
def test_refused_watches_back_off_to_the_cap_and_never_list() -> None:
    policy = BackoffPolicy(base_s=0.001, factor=2.0, cap_s=0.05, jitter=1.0)
    refused = ReflectorMachine(ReflectorOptions(watch_list=False, backoff=policy), rng=random.Random(1))
    refused.start()
    listed(refused)
    now_s, delays = 0.0, []
    effect = refused.on_watch_ended(ConnectError("refused"), lasted_s=None, now_s=now_s)
    for _ in range(40):
        assert isinstance(effect, Sleep)
        delays.append(effect.delay_s)
        now_s += effect.delay_s
        assert refused.on_slept() == Probe()
        effect = refused.on_probe_failed(ConnectError("refused"))
    refused.on_slept()
    assert isinstance(refused.on_probed(resource_version="10"), Watch)
    assert all(0.05 <= delay_s < 0.1 for delay_s in delays[6:])
    assert 0.031 <= sum(delays[:5]) < 0.062


def test_retry_after_lengthens_a_delay_up_to_a_bound() -> None:
    told = watching("5")
    five = TooManyRequests("busy", code=429, retry_after_s=5.0)
    assert told.on_watch_ended(five, lasted_s=0.0, now_s=0.0) == Sleep(5.0, five)
    told.on_slept()
    year = TooManyRequests("busy", code=429, retry_after_s=3e7)
    assert told.on_watch_ended(year, lasted_s=0.0, now_s=0.0) == Sleep(RETRY_AFTER_MAX_S, year)


def test_a_failed_list_is_reported_and_tried_again() -> None:
    failing = machine()
    failing.start()
    error = Forbidden("no", code=403)
    assert failing.on_list_failed(error) == Sleep(0.8, error)
    assert failing.on_slept() == ListPage("0", 500)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page_size", 0),
        ("page_size", float("inf")),
        ("watch_timeout_min_s", -1.0),
        ("watch_timeout_min_s", float("inf")),
        ("watch_list_timeout_s", 0.0),
        ("watch_list_timeout_s", float("nan")),
        ("internal_error_budget_s", -1.0),
        ("internal_error_budget_s", float("nan")),
    ],
)
def test_options_out_of_range_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        ReflectorOptions(**{name: value})  # type: ignore[arg-type]


def test_a_watch_that_is_cut_again_and_again_backs_off_although_each_brought_an_event() -> None:
    cut = watching("5")
    delays = []
    for version in range(6, 10):
        cut.on_events(count=1, resource_version=str(version))
        end = None if version % 2 else ConnectionLost("reset")
        effect = cut.on_watch_ended(end, lasted_s=0.1, now_s=0.0)
        if isinstance(effect, Sleep):
            delays.append(effect.delay_s)
            effect = cut.on_slept()
        assert effect == Watch(str(version), 300.0)
    assert delays == [0.8, 1.6, 3.2]


def test_a_watch_that_lives_ends_the_count_of_those_that_were_cut() -> None:
    cut = watching("5")
    for version in range(6, 10):
        cut.on_events(count=1, resource_version=str(version))
        lasted_s = 0.1 if version % 2 else 1.0
        assert cut.on_watch_ended(None, lasted_s=lasted_s, now_s=0.0) == Watch(str(version), 300.0)


def test_the_error_of_a_watch_that_was_cut_again_says_so() -> None:
    cut = watching("5")
    for _ in range(2):
        cut.on_events(count=3, resource_version="6")
        effect = cut.on_watch_ended(None, lasted_s=0.1, now_s=0.0)
    assert isinstance(effect, Sleep)
    assert str(effect.error) == "the watch ended after 0.100 s and 3 events, as the one before"


@pytest.mark.parametrize("version", ["", "0"])
def test_a_watch_without_a_version_is_not_resumed_for_what_was_deleted_meanwhile_would_stay(version: str) -> None:
    unversioned = watching(version)
    assert unversioned.on_watch_ended(None, lasted_s=300.0, now_s=0.0) == ListPage("0", 500)
    listed(unversioned, version)
    lost = ConnectionLost("reset")
    unversioned.on_events(count=1, resource_version="9", only_added=True)
    assert unversioned.on_watch_ended(lost, lasted_s=0.1, now_s=0.0) == ListPage("0", 500)
    listed(unversioned, version)
    assert unversioned.on_watch_ended(lost, lasted_s=0.1, now_s=0.0) == Sleep(0.8, lost)
    assert unversioned.on_slept() == ListPage("0", 500)


def test_a_list_whose_pages_lead_back_to_an_earlier_one_ends_by_an_error() -> None:
    endless = machine()
    endless.start()
    for token in ("A", "B"):
        effect = endless.on_page(resource_version="10", continue_token=token)
        assert effect == ListPage(None, 500, token)
    sleep = endless.on_page(resource_version="10", continue_token="A")
    assert isinstance(sleep, Sleep)
    assert (sleep.delay_s, str(sleep.error)) == (0.8, "the list does not end: its pages lead back to an earlier one")
    assert endless.on_slept() == ListPage("0", 500)
    assert endless.on_page(resource_version="10", continue_token="A") == ListPage(None, 500, "A")


LATE = DeadlineExceeded("the deadline has passed")


def test_a_list_that_takes_longer_than_a_request_may_is_asked_for_in_pages_from_then_on() -> None:
    big = machine()
    assert big.start() == ListPage("0", 500)
    assert big.on_list_failed(LATE, was_answered=True) == Sleep(0.8, LATE)
    assert big.on_slept() == ListPage(None, 500)
    assert big.on_page(resource_version="10", continue_token="C1") == ListPage(None, 500, "C1")
    assert listed(big) == Watch("10", 300.0)
    big.on_watch_ended(EXPIRED, lasted_s=0.0, now_s=0.0)
    assert big.on_slept() == ListPage("10", 500)


def test_a_relist_that_takes_longer_than_a_request_may_is_asked_for_in_pages_at_its_version() -> None:
    big = watching("10")
    big.on_watch_ended(EXPIRED, lasted_s=0.0, now_s=0.0)
    assert big.on_slept() == ListPage("10", None)
    big.on_list_failed(LATE, was_answered=True)
    assert big.on_slept() == ListPage("10", 500)


def test_a_list_is_asked_for_in_pages_once_two_of_them_broke_off_amid_their_answer() -> None:
    cut, lost = machine(), ConnectionLost("reset")
    cut.start()
    cut.on_list_failed(lost, was_answered=True)
    assert cut.on_slept() == ListPage("0", 500)
    cut.on_list_failed(lost, was_answered=True)
    assert cut.on_slept() == ListPage(None, 500)


def test_a_list_that_came_in_the_meantime_ends_the_count_of_those_that_broke_off() -> None:
    cut, lost = machine(), ConnectionLost("reset")
    cut.start()
    for version in ("10", "20"):
        cut.on_list_failed(lost, was_answered=True)
        cut.on_slept()
        listed(cut, version)
        cut.on_watch_ended(EXPIRED, lasted_s=0.0, now_s=0.0)
        assert cut.on_slept() == ListPage(version, None)


@pytest.mark.parametrize(
    ("error", "was_answered"),
    [
        (LATE, False),
        (ConnectError("refused"), False),
        (DecodeError("no list"), True),
        (Forbidden("no", code=403), True),
    ],
)
def test_what_says_nothing_of_the_length_of_a_list_leaves_it_whole(
    error: KubeprimsError, *, was_answered: bool
) -> None:
    failing = machine()
    failing.start()
    for _ in range(3):
        failing.on_list_failed(error, was_answered=was_answered)
        assert failing.on_slept() == ListPage("0", 500)
