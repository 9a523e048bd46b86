"""Nobody can change what the cache holds: shown by trying."""

from __future__ import annotations

import pytest

from kubeprims.cache.indexer import Indexer, field_index
from kubeprims.meta import JSONValue
from kubeprims.objects.record import ObjectRecord
from kubeprims.objects.storage import CompactStorage, PlainStorage, Storage
from kubeprims.objects.unstructured import Unstructured
from tests.cache.records import make_record
from tests.parity import case

FILLER: list[JSONValue] = [f"line {number % 3}" for number in range(30)]


def make(version: int) -> ObjectRecord:
    return make_record("prod/web", version, labels={"app": "web"}, spec={"nodeName": "n1", "args": FILLER})


def deface(value: JSONValue) -> None:
    """Change everything in a value that can be changed."""
    if isinstance(value, dict):
        for inner in value.values():
            deface(inner)
        value.clear()
        value["defaced"] = True
    elif isinstance(value, list):
        for inner in value:
            deface(inner)
        value[:] = ["defaced"]


def deface_view(view: Unstructured) -> None:
    for name in [*view]:
        deface(view[name])
    deface(view.to_dict())
    view.labels["app"] = "defaced"
    view.annotations["defaced"] = "yes"


@case("IN-162", otherwise="Decision 3: an object that a reader changes is his own, so there is nothing to detect")
@pytest.mark.parametrize("storage", [PlainStorage(), CompactStorage()])
def test_a_reader_who_changes_what_he_got_changes_his_own_copy_only(storage: Storage) -> None:
    pristine = Unstructured(make(1)).to_dict()

    def index(obj: Unstructured) -> list[str]:
        app = obj.labels["app"]
        deface_view(obj)
        return [app]

    indexer = Indexer({"hostile": index, "node": field_index("spec.nodeName")})
    indexer.put(storage.pack(make(1)))
    got = indexer.get("prod/web")
    assert got is not None
    views = [got, *indexer.list(), *indexer.list("prod", "app=web"), *indexer.by_index("node", "n1")]
    views += indexer.by_index("hostile", "web")
    for view in views:
        deface_view(view)
    assert len(views) == 5
    again = indexer.get("prod/web")
    assert again is not None
    assert again.to_dict() == pristine == dict(again)
    assert indexer.index_values("hostile") == ["web"]
    assert indexer.index_keys("node", "n1") == ["prod/web"]


def test_a_record_and_its_view_refuse_every_change() -> None:
    record = make(1)
    view = Unstructured(record)
    with pytest.raises(TypeError):
        record[0] = "other"  # type: ignore[index]
    with pytest.raises(TypeError):
        record[4][0] = 0  # type: ignore[index]
    with pytest.raises(TypeError):
        view["spec"] = {}  # type: ignore[index]
    with pytest.raises(TypeError):
        del view["spec"]  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        view.uid = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        view.more = 1  # type: ignore[attr-defined]
