"""What a pod claims as a whole; ``given_objects`` has what a real server makes of some."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.pod_resources import with_kept_values, with_pod_resources
from kubeprims.testing.apiserver.quantities import larger_amount, parse_amount, parse_quantity, sum_of_amounts
from tests.testing.apiserver.backends import Server, part
from tests.testing.apiserver.given_objects import pod

PODS = "v1/pods"

_amounts = st.builds(
    lambda number, suffix: parse_amount(f"{number}{suffix}").text,
    st.integers(0, 10**6),
    st.sampled_from(["", "m", "k", "Ki", "Mi", "e2"]),
)
_resources = st.fixed_dictionaries(
    {},
    optional={
        part: st.dictionaries(st.sampled_from(["cpu", "memory", "hugepages-2Mi", "example.com/gpu"]), _amounts)
        for part in ("limits", "requests")
    },
)
_containers = st.lists(
    st.fixed_dictionaries({"resources": _resources}, optional={"restartPolicy": st.just("Always")}), max_size=3
)
_specs = st.fixed_dictionaries(
    {"containers": _containers.filter(bool), "initContainers": _containers, "resources": _resources}
)


def value(amount: JSONValue) -> Decimal:
    return parse_quantity(str(amount)).value


@given(_specs)
def test_what_a_pod_says_itself_stays_and_completing_it_twice_adds_nothing(spec: JSONObject) -> None:
    once = with_pod_resources({"spec": spec})
    assert with_pod_resources(once) == once
    own = spec["resources"]
    assert isinstance(own, dict)
    for key, amounts in own.items():
        assert isinstance(amounts, dict)
        completed = part(once, "spec", "resources", key)
        assert isinstance(completed, dict) or not amounts
        assert all(part(once, "spec", "resources", key, name) == amount for name, amount in amounts.items())


@given(_amounts, _amounts)
def test_amounts_are_added_and_compared_by_value(first: str, second: str) -> None:
    assert value(sum_of_amounts(first, second)) == value(first) + value(second)
    assert value(sum_of_amounts(second, first)) == value(first) + value(second)
    assert sum_of_amounts("0", first) == first
    assert value(larger_amount(first, second)) == max(value(first), value(second))
    assert larger_amount(first, second) in {first, second}


def test_an_update_that_does_not_know_of_them_leaves_the_pods_own_resources_alone() -> None:
    server = Server()
    limits: JSONObject = {"limits": {"cpu": "2"}}
    created = server.create(PODS, {"metadata": {"name": "p"}, **pod(resources=limits)})
    assert part(created, "spec", "resources") == {**limits, "requests": {"cpu": "2"}}
    changed: JSONObject = {"metadata": {"name": "p", "labels": {"a": "b"}}, **pod(enableServiceLinks=True)}
    updated = server.update(PODS, "p", changed)
    assert part(updated, "spec", "resources") == part(created, "spec", "resources")
    without: JSONObject = {"spec": {}}
    assert with_kept_values(without, {"spec": {}}) is without
    given_anew: JSONObject = {"spec": {"resources": {}}}
    assert part(with_kept_values(given_anew, created), "spec", "resources") == {}
