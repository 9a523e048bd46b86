"""Answers in the form that the client asked for: objects as they are, tables, or metadata alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from kubeprims.clock import Clock
from kubeprims.errors import NotAcceptable
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.accept import Form, Representation
from kubeprims.testing.apiserver.encoding import encode, event_line
from kubeprims.testing.apiserver.json_paths import mapping_at, mappings_at
from kubeprims.testing.apiserver.kinds import Kind
from kubeprims.testing.apiserver.tables import metadata_only, render_table
from kubeprims.testing.apiserver.watch_stream import EventSource


class Shaper:
    """Shapes what is answered to one request.

    Args:
        kind: Of the objects.
        representation: What was agreed on.
        include_object: What a table is to give of each object.
        clock: What ages are counted by.
    """

    def __init__(self, kind: Kind, representation: Representation, *, include_object: str, clock: Clock) -> None:
        self._kind = kind
        self._representation = representation
        self._include_object = include_object
        self._clock = clock

    def check(self, *, is_list: bool) -> None:
        """Refuse metadata of one object for a list, and of a list for one object.

        Raises:
            NotAcceptable: That is what was asked for.
        """
        if is_list and self._representation.form is Form.METADATA:
            problem = f"is a list ({self._go_type}List)"
        elif not is_list and self._representation.form is Form.METADATA_LIST:
            problem = f"is not a list ({self._go_type})"
        else:
            return
        message = f"you requested {self._representation.form.value}, but the requested object {problem}"
        raise NotAcceptable(message, code=406, reason="NotAcceptable")

    @property
    def _go_type(self) -> str:
        if self._kind.custom:
            return "*unstructured.Unstructured"
        return f"*{self._kind.group.partition('.')[0] or 'core'}.{self._kind.kind}"

    def object(self, body: bytes, *, with_columns: bool = True) -> bytes:
        """Return one object in the form; what is no object of the kind, such as a ``Status``, stays as it is."""
        obj: JSONObject = json.loads(body)
        if obj.get("kind") != self._kind.kind:
            return body
        if self._representation.form is Form.METADATA:
            return encode(metadata_only(obj, self._representation.api_version)) + b"\n"
        version = mapping_at(obj, "metadata").get("resourceVersion")
        return self._table([obj], {"resourceVersion": version}, with_columns=with_columns)

    def list(self, body: bytes) -> bytes:
        """Return a list in the form."""
        listing: JSONObject = json.loads(body)
        names: JSONObject = {"kind": self._kind.kind, "apiVersion": self._kind.api_version}
        objects = [names | item for item in mappings_at(listing, "items")]
        metadata: JSONObject = {key: value for key, value in mapping_at(listing, "metadata").items() if value != ""}
        metadata.pop("shardInfo", None)  # upstream copies the others, and forgets this one
        if self._representation.form is Form.TABLE:
            return self._table(objects, metadata, with_columns=True)
        api_version = self._representation.api_version
        items: list[JSONValue] = [metadata_only(obj, api_version) for obj in objects]
        shaped: Mapping[str, JSONValue] = {
            "kind": Form.METADATA_LIST.value,
            "apiVersion": api_version,
            "metadata": metadata,
            "items": items,
        }
        return encode(dict(shaped)) + b"\n"

    def _table(self, objects: Sequence[JSONObject], metadata: JSONObject, *, with_columns: bool) -> bytes:
        table = render_table(
            self._kind,
            objects,
            metadata,
            api_version=self._representation.api_version,
            include_object=self._include_object,
            now=self._clock.wall(),
            with_columns=with_columns,
        )
        return encode(table) + b"\n"


class ShapedWatch:
    """A watch whose objects are shaped; the first table alone says its columns."""

    def __init__(self, watch: EventSource, shaper: Shaper) -> None:
        self._watch = watch
        self._shaper = shaper
        self._columns_due = True

    def next_batch(self, timeout_s: float | None) -> list[bytes] | None:
        """Return the next events, as :class:`EventSource` has it."""
        batch = self._watch.next_batch(timeout_s)
        return None if batch is None else [self._shaped(line) for line in batch]

    def _shaped(self, line: bytes) -> bytes:
        event: JSONObject = json.loads(line)
        if event["type"] == "ERROR":
            return line
        shaped = self._shaper.object(encode(event["object"]), with_columns=self._columns_due)
        self._columns_due = False
        return event_line(str(event["type"]).encode(), shaped.rstrip())

    def close(self) -> None:
        """End it."""
        self._watch.close()
