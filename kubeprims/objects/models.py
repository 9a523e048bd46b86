"""Objects as models of the installed ``kubernetes`` package, whose releases differ in how one is made."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar, cast

from kubeprims.errors import DecodeError, InvalidArgument
from kubeprims.meta import JSONObject

Model = TypeVar("Model")


class _Answer:
    """What ``ApiClient.deserialize`` of releases 35 and 36 takes for an HTTP answer."""

    def __init__(self, data: str) -> None:
        self.data = data


def build_model(obj: JSONObject, model: type[Model]) -> Model:
    """Return ``obj`` as an instance of ``model``, a class of ``kubernetes.client``.

    Raises:
        InvalidArgument: ``model`` is not such a class.
        DecodeError: The object does not fit the model.

    Source:
        ``kubernetes`` 37 has ``from_dict`` on its models (pydantic); 35 and 36 only build them in
        ``ApiClient.deserialize``, from what looks like an answer.
    """
    if not hasattr(model, "openapi_types"):
        raise InvalidArgument(f"{model!r} is not a model of the kubernetes package")
    try:
        return _build(obj, model)
    except (ValueError, TypeError, AttributeError, KeyError) as error:  # generated code: whatever a wrong shape hits
        # Not chained: the texts of these errors quote the object, which may be a Secret.
        raise DecodeError(f"the object does not fit {model.__name__}{_where(error)}") from None


def _where(error: Exception) -> str:
    """Return which fields are at fault, where the error can tell: pydantic's can."""
    errors = getattr(error, "errors", None)
    places = [".".join(map(str, item["loc"])) for item in errors()] if errors else []
    return ": " + ", ".join(places) if any(places) else ""


def _build(obj: JSONObject, model: type[Model]) -> Model:
    from_dict = getattr(model, "from_dict", None)
    if from_dict is not None:
        return cast("Model", from_dict(obj))
    from kubernetes.client import ApiClient, Configuration

    with ApiClient(Configuration()) as client:
        deserialize = cast("Callable[[_Answer, type[Model]], Model]", client.deserialize)
        return deserialize(_Answer(json.dumps(obj)), model)
