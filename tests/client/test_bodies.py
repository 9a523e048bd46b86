"""Objects and patches on their way out."""

from __future__ import annotations

import json
import types

import pytest

from kubeprims.client.bodies import check_patch_type, encode_object, encode_patch, identity
from kubeprims.client.options import PatchType
from kubeprims.errors import InvalidArgument
from kubeprims.meta import JSONObject
from kubeprims.objects.codec import StdlibCodec
from kubeprims.objects.unstructured import Unstructured

CODEC = StdlibCodec()
POD: JSONObject = {"kind": "Pod", "metadata": {"name": "a", "namespace": "b"}}


def test_a_dictionary_a_mapping_and_an_object_are_sent_alike() -> None:
    for obj in (POD, types.MappingProxyType(POD), Unstructured.from_dict(POD)):
        assert json.loads(encode_object(obj, CODEC)) == POD
        assert identity(obj) == ("a", "b")


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        encode_object({"spec": float("nan")}, CODEC)


@pytest.mark.parametrize("obj", [{}, {"metadata": None}, {"metadata": {}}, {"metadata": {"name": None}}])
def test_an_object_may_say_no_name_and_no_namespace(obj: JSONObject) -> None:
    assert identity(obj) == ("", "")


@pytest.mark.parametrize(
    "obj", [{"metadata": []}, {"metadata": "a"}, {"metadata": {"name": 7}}, {"metadata": {"namespace": {}}}]
)
def test_malformed_metadata_are_refused(obj: JSONObject) -> None:
    with pytest.raises(InvalidArgument, match="metadata"):
        identity(obj)


def test_a_patch_is_a_list_or_an_object_as_its_type_has_it() -> None:
    operations: list[JSONObject] = [{"op": "remove", "path": "/a"}, {"op": "test", "path": "/b", "value": 1}]
    assert json.loads(encode_patch(operations, PatchType.JSON, CODEC)) == operations
    assert json.loads(encode_patch([], PatchType.JSON, CODEC)) == []
    for patch_type in (PatchType.MERGE, PatchType.STRATEGIC, PatchType.APPLY):
        assert json.loads(encode_patch(POD, patch_type, CODEC)) == POD
        with pytest.raises(InvalidArgument, match="is an object"):
            encode_patch(operations, patch_type, CODEC)
    with pytest.raises(InvalidArgument, match="is a list of operations"):
        encode_patch(POD, PatchType.JSON, CODEC)


def test_the_type_of_a_patch_may_be_spelled_out() -> None:
    assert check_patch_type("application/merge-patch+json", force=False) is PatchType.MERGE
    assert check_patch_type(PatchType.APPLY, force=True) is PatchType.APPLY
    with pytest.raises(InvalidArgument, match="a patch is one of application/json-patch"):
        check_patch_type("application/json", force=False)
    with pytest.raises(InvalidArgument, match="force is for apply"):
        check_patch_type(PatchType.MERGE, force=True)
