from __future__ import annotations

from typing import ClassVar, Self

import pytest

from kubeprims.errors import DecodeError, InvalidArgument
from kubeprims.meta import JSONObject
from kubeprims.objects.models import build_model
from kubeprims.objects.unstructured import Unstructured

client = pytest.importorskip("kubernetes.client")

POD: JSONObject = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "web", "namespace": "prod", "creationTimestamp": "2026-11-23T21:00:00Z"},
    "spec": {"nodeName": "node-7", "containers": [{"name": "c", "image": "i", "unheardOf": 1}]},
    "status": {"podIP": "10.0.0.7"},
}


@pytest.mark.subset
def test_an_object_becomes_a_model_of_the_installed_release() -> None:
    pod = Unstructured.from_dict(POD).as_model(client.V1Pod)
    assert isinstance(pod, client.V1Pod)
    assert (pod.metadata.name, pod.spec.node_name, pod.status.pod_ip) == ("web", "node-7", "10.0.0.7")
    assert pod.spec.containers[0].image == "i"
    assert pod.metadata.creation_timestamp.year == 2026


@pytest.mark.subset
def test_an_object_that_does_not_fit_the_model_is_refused_without_quoting_it() -> None:
    secret: JSONObject = {"metadata": {"name": "a"}, "spec": {"containers": "hunter2"}}
    with pytest.raises(DecodeError, match="does not fit V1Pod") as caught:
        Unstructured.from_dict(secret).as_model(client.V1Pod)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_fields_at_fault_are_named_where_the_release_can_tell() -> None:
    class Fault(ValueError):
        def errors(self) -> list[dict[str, object]]:
            return [{"loc": ("spec", "containers", 0)}, {"loc": ("status",)}]

    class Model:
        openapi_types: ClassVar[dict[str, str]] = {}

        @staticmethod
        def from_dict(obj: JSONObject) -> Model:
            raise Fault

    with pytest.raises(DecodeError, match=r"does not fit Model: spec\.containers\.0, status$"):
        build_model(POD, Model)


@pytest.mark.subset
def test_a_class_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="not a model of the kubernetes package"):
        build_model(POD, dict)


class OldModel:
    """A model as releases 35 and 36 have them: built by ApiClient from its table of types."""

    openapi_types: ClassVar[dict[str, str]] = {"kind": "str"}
    attribute_map: ClassVar[dict[str, str]] = {"kind": "kind"}


@pytest.mark.subset
def test_a_model_without_from_dict_is_built_by_the_api_client(monkeypatch: pytest.MonkeyPatch) -> None:
    class Client:
        def __init__(self, configuration: object) -> None:
            self.closed = False

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *exception: object) -> None:
            self.closed = True

        def deserialize(self, response: object, model: type) -> object:
            if model is OldModel:
                return response.data  # type: ignore[attr-defined]  # the shape that those releases take
            raise ValueError

    monkeypatch.setattr(client, "ApiClient", Client)
    assert build_model({"kind": "Old"}, OldModel) == '{"kind": "Old"}'  # type: ignore[comparison-overlap]  # the fake's
    with pytest.raises(DecodeError, match=r"does not fit OtherModel$"):
        build_model({"kind": "Old"}, type("OtherModel", (), {"openapi_types": {}}))
