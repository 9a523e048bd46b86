from __future__ import annotations

import pytest

from kubeprims.controller import predicates
from kubeprims.controller.predicates import Predicate
from kubeprims.informer.handlers import Notification, Reason
from kubeprims.meta import JSONObject, ObjectKey
from kubeprims.objects.unstructured import DeletedFinalStateUnknown, Unstructured

KEY = ObjectKey("default/web")


def obj(*, generation: int = 1, version: str = "1", label: str = "a", annotation: str = "a") -> Unstructured:
    metadata: JSONObject = {
        "name": "web",
        "namespace": "default",
        "generation": generation,
        "resourceVersion": version,
        "labels": {"app": label},
        "annotations": {"note": annotation},
    }
    return Unstructured.from_dict({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})


def update(new: Unstructured) -> Notification:
    return Notification(KEY, obj(), new, Reason.LIVE)


@pytest.mark.parametrize(
    ("predicate", "holds_of", "fails_of"),
    [
        (predicates.generation_changed, obj(generation=2), obj(label="b", annotation="b", version="2")),
        (predicates.labels_changed, obj(label="b"), obj(generation=2, annotation="b", version="2")),
        (predicates.annotations_changed, obj(annotation="b"), obj(generation=2, label="b", version="2")),
        (predicates.resource_version_changed, obj(version="2"), obj()),
    ],
)
def test_a_predicate_looks_at_its_part_alone_and_takes_every_add_and_delete(
    predicate: Predicate, holds_of: Unstructured, fails_of: Unstructured
) -> None:
    assert predicate(update(holds_of))
    assert not predicate(update(fails_of))
    assert predicate(Notification(KEY, None, obj(), Reason.INITIAL))
    assert predicate(Notification(KEY, obj(), None, Reason.LIVE))
    unknown = DeletedFinalStateUnknown(KEY, None)
    assert predicate(Notification(KEY, unknown, None, Reason.RELIST))


def test_predicates_are_combined() -> None:
    changed = update(obj(label="b"))
    labels, generation = predicates.labels_changed, predicates.generation_changed
    assert predicates.any_of(labels, generation)(changed)
    assert not predicates.all_of(labels, generation)(changed)
    assert predicates.negate(generation)(changed)
