"""Objects and patches on their way out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kubeprims.client.options import PatchType
from kubeprims.errors import InvalidArgument
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.objects.codec import Codec
from kubeprims.objects.unstructured import Unstructured

ObjectBody = Mapping[str, JSONValue]
"""An object to be sent: a dictionary, or an ``Unstructured``."""


def encode_object(obj: ObjectBody, codec: Codec) -> bytes:
    """Return the JSON of an object.

    Raises:
        InvalidArgument: It holds what JSON cannot say.
    """
    return obj.to_bytes() if isinstance(obj, Unstructured) else codec.encode(dict(obj))


def check_patch_type(patch_type: str, *, force: bool) -> PatchType:
    """Return what a content type says about a patch.

    Raises:
        InvalidArgument: It is none of a patch, or one that cannot be forced.
    """
    try:
        known = PatchType(patch_type)
    except ValueError:
        raise InvalidArgument(f"a patch is one of {', '.join(PatchType)}, not {patch_type!r}") from None
    if force and known is not PatchType.APPLY:
        raise InvalidArgument("force is for apply patches alone")
    return known


def encode_patch(body: ObjectBody | Sequence[ObjectBody], patch_type: PatchType, codec: Codec) -> bytes:
    """Return the JSON of a patch.

    Raises:
        InvalidArgument: A list where the type of patch is an object, or the other way round; or as for an object.
    """
    if isinstance(body, Mapping) is (patch_type is PatchType.JSON):
        wanted = "a list of operations" if patch_type is PatchType.JSON else "an object"
        raise InvalidArgument(f"a patch of type {patch_type.value} is {wanted}")
    if isinstance(body, Mapping):
        return encode_object(body, codec)
    return b"[%b]" % b",".join(encode_object(operation, codec) for operation in body)


def identity(obj: ObjectBody) -> tuple[str, str]:
    """Return the name and the namespace that an object, or patch, says; empty where it does not.

    Raises:
        InvalidArgument: It has metadata that are not an object, or a name that is not a text.
    """
    if isinstance(obj, Unstructured):
        return obj.name, obj.namespace
    metadata = obj.get("metadata")
    metadata = {} if metadata is None else metadata
    if not isinstance(metadata, dict):
        raise InvalidArgument("metadata is an object")
    return _own(metadata, "name"), _own(metadata, "namespace")


def _own(metadata: JSONObject, field: str) -> str:
    value = metadata.get(field)
    if value is not None and not isinstance(value, str):
        raise InvalidArgument(f"metadata.{field} is a text, not {value!r}")
    return value or ""
