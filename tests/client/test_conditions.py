"""What can be waited for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.client import conditions
from kubeprims.errors import InvalidArgument
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.objects.unstructured import Unstructured


def deployment(*found: JSONObject, generation: int = 3, **status: JSONValue) -> Unstructured:
    content: JSONObject = {
        "metadata": {"name": "web", "uid": "u1", "generation": generation, "resourceVersion": "7"},
        "spec": {"containers": [{"image": "a:1"}, {"image": "b:1"}]},
        "status": {"conditions": list(found), **status},
    }
    return Unstructured.from_dict(content)


def test_an_object_exists_or_is_deleted() -> None:
    obj = deployment()
    assert conditions.exists()(obj)
    assert not conditions.exists()(None)
    assert conditions.deleted()(None)
    assert not conditions.deleted()(obj)
    assert not conditions.deleted("u1")(obj)
    assert conditions.deleted("u0")(obj)  # another one of that name


@pytest.mark.parametrize(
    ("found", "holds"),
    [
        ([{"type": "Available", "status": "True"}], True),
        ([{"type": "Progressing", "status": "True"}, {"type": "Available", "status": "true"}], True),
        ([{"type": "Available", "status": "False"}], False),
        ([{"type": "available", "status": "True"}], False),
        ([{"type": "Available", "status": "True", "observedGeneration": 3}], True),
        ([{"type": "Available", "status": "True", "observedGeneration": 2}], False),
        ([{"type": "Available"}], False),
        ([7], False),
        ([], False),
    ],
)
def test_a_condition_counts_if_it_is_about_the_object_as_it_is_now(found: list[JSONObject], *, holds: bool) -> None:
    assert conditions.condition("Available")(deployment(*found)) is holds


def test_a_condition_may_be_asked_to_be_false_and_objects_may_have_none() -> None:
    ready = conditions.condition("Ready", "false")
    assert ready(deployment({"type": "Ready", "status": "False"}))
    assert not ready(None)
    assert not ready(Unstructured.from_dict({"metadata": {"name": "a"}}))
    assert not ready(Unstructured.from_dict({"metadata": {"name": "a"}, "status": {"conditions": 7}}))


@pytest.mark.parametrize(
    ("path", "value", "holds"),
    [
        (".status.phase", "Running", True),
        ("status.phase", "Running", True),
        (".status.phase", "Pending", False),
        (".spec.containers[1].image", "b:1", True),
        (".spec.containers[2].image", "b:1", False),
        (".spec.containers.image", "b:1", False),
        (".spec[0]", "b:1", False),
        (".metadata.generation", 3, True),
        (".status.none", None, False),
        (".status.phase.more", "x", False),
    ],
)
def test_a_field_has_a_value(path: str, value: JSONValue, *, holds: bool) -> None:
    asked = conditions.field(path, value)
    assert asked(deployment(phase="Running")) is holds
    assert not asked(None)


@pytest.mark.parametrize("path", ["", ".", "..", "a..b", "[0]", ".a[", ".a[x]", ".a]", "a.", ".a[0]b]"])
def test_a_path_of_another_form_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgument, match="a field is given as"):
        conditions.field(path, 1)


@given(st.text())
def test_any_text_is_a_path_or_refused(path: str) -> None:
    try:
        asked = conditions.field(path, "x")
    except InvalidArgument:
        return
    assert asked(deployment()) in {True, False}


def test_conditions_say_what_they_wait_for() -> None:
    def looks_good(obj: Unstructured | None) -> bool:
        return obj is not None

    said = [
        conditions.describe(asked)
        for asked in (
            conditions.exists(),
            conditions.deleted(),
            conditions.condition("Ready"),
            conditions.field(".status.phase", "Running"),
            looks_good,
        )
    ]
    assert said == ["there", "deleted", "Ready=True", ".status.phase='Running'", "looks_good"]


def test_states_are_described_in_a_few_words() -> None:
    assert conditions.describe_state(None) == "no such object"
    ready: JSONObject = {"type": "Ready", "status": "False", "reason": "Starting"}
    assert conditions.describe_state(deployment(ready, phase="Pending")) == "phase Pending, Ready=False (Starting)"
    going = Unstructured.from_dict({"metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    assert conditions.describe_state(going) == "being deleted"
    plain = Unstructured.from_dict({"metadata": {"name": "a", "resourceVersion": "4"}})
    assert conditions.describe_state(plain) == "resourceVersion 4, without conditions"
