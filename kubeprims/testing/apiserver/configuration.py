"""What is applied to objects: read from YAML or JSON, and held against the schema before anything is merged. Pure."""

from __future__ import annotations

import re

from kubeprims.errors import DecodeError
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.encoding import json_type
from kubeprims.testing.apiserver.kinds import Kind
from kubeprims.testing.apiserver.schema import Schema
from kubeprims.testing.apiserver.status import bad_request, plain_failure
from kubeprims.testing.apiserver.typed_values import NotOfType, check_type
from kubeprims.yaml_text import load_documents

_FAULT = re.compile(r"is not YAML: expected (?:the )?(.*), but found .* \(line (\d+), column \d+\)")


def parse_configuration(kind: Kind, name: str, body: bytes) -> JSONObject:
    """Return the object that a request applies.

    Raises:
        BadRequest: It is not YAML, no object, of another kind, or of another name.
    """
    try:
        documents = load_documents(body)
    except DecodeError as error:
        raise bad_request(f"error decoding patch: error converting YAML to JSON: {_in_go(error.detail)}") from None
    config: JSONValue = {} if not documents or documents[0] is None else documents[0]
    if not isinstance(config, dict):
        found = f"json: cannot unmarshal {json_type(config)} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding patch: error unmarshaling JSON: while decoding JSON: {found}")
    given_kind, api_version = config.get("kind", ""), config.get("apiVersion", "")
    if (given_kind, api_version) != (kind.kind, kind.api_version):
        group, _, version = str(api_version).rpartition("/")
        raise bad_request(f"invalid object type: {group}/{version}, Kind={given_kind}")
    metadata = config.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    given_name = metadata.get("name")
    if not given_name:
        message = f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        raise bad_request(message)
    if given_name != name:
        message = f"the name of the object ({given_name}) does not match the name on the URL ({name})"
        raise bad_request(message)
    if metadata.get("managedFields") is not None:
        message = "metadata.managedFields must be nil"
        raise bad_request(message)
    return config


def _in_go(detail: str) -> str:
    """Return what PyYAML says of a fault in the words of Go's YAML, whose parser is of the same stock."""
    found = _FAULT.fullmatch(detail)
    return f"yaml: {detail}" if found is None else f"yaml: line {found[2]}: did not find expected {found[1]}"


def check_configuration(kind: Kind, config: JSONObject, schema: Schema) -> None:
    """Check that what is applied is of its types: nobody can own what is not.

    Raises:
        InternalError: It is not; upstream answers so.
    """
    try:
        check_type(config, schema)
    except NotOfType as error:
        metadata = config["metadata"]
        assert isinstance(metadata, dict)  # it has a name
        place = f"{metadata.get('namespace', '')}/{metadata['name']}"
        named = f"{place}; {kind.group}/{kind.version}, Kind={kind.kind}"
        raise plain_failure(f"failed to create typed patch object ({named}): {error}") from None
