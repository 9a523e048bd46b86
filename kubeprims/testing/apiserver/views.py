"""How stored objects are shown: as one version of one resource, filtered by selectors."""

from __future__ import annotations

from functools import cached_property

from kubeprims.errors import BadRequest
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.selectors import FieldSelector, LabelSelector
from kubeprims.sharding import Shard
from kubeprims.testing.apiserver.encoding import decode_tail, encode_tail, item_head, object_head
from kubeprims.testing.apiserver.history import StoredObject
from kubeprims.testing.apiserver.kinds import Kind, SelectableField
from kubeprims.testing.apiserver.status import bad_request
from kubeprims.testing.apiserver.stored_forms import as_kept, as_shown, is_kept_as_shown


class View:
    """One served version of a resource.

    Attributes:
        kind: Which.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    @cached_property
    def head(self) -> bytes:
        """What stands before the tail in a single object."""
        return object_head(self.kind)

    @cached_property
    def item_head(self) -> bytes:
        """What stands before the tail in a list."""
        return item_head(self.kind)

    def tail(self, stored: StoredObject) -> bytes:
        """Return the tail of an object in this version."""
        if is_kept_as_shown(self.kind):
            return stored.tail
        return encode_tail(as_shown(decode_tail(stored.tail), self.kind), self.kind)

    def render(self, stored: StoredObject) -> bytes:
        """Return a single object in this version."""
        return self.head + self.tail(stored)

    def decode(self, stored: StoredObject) -> JSONObject:
        """Return a fresh copy of an object in this version, as a mapping."""
        obj = as_shown(decode_tail(stored.tail), self.kind)
        names: JSONObject = {"kind": self.kind.kind, "apiVersion": self.kind.api_version}
        return names | obj

    def to_storage(self, obj: JSONObject) -> JSONObject:
        """Return an object of this version in the form in which it is kept."""
        return as_kept(obj, self.kind)


def split_key(key: str) -> tuple[str, str]:
    """Return the namespace and the name of a key."""
    namespace, _, name = key.rpartition("/")
    return namespace, name


class Predicate:
    """Which objects a request is about, by label, field and shard.

    Attributes:
        shard: Which part of the objects; None for all.

    Raises:
        BadRequest: The field selector names a field that the kind does not offer.
    """

    def __init__(
        self, kind: Kind, label_selector: LabelSelector, field_selector: FieldSelector, shard: Shard | None = None
    ) -> None:
        self.shard = shard
        self._labels = label_selector
        self._fields = field_selector
        self._kind = kind
        self._selectable = {item.name: item for item in kind.fields}
        paths = [item.path for item in kind.stored_fields]
        self._positions = {item.name: paths.index(item.path) for item in kind.fields}
        known = {"metadata.name", *self._positions}
        # Cluster-scoped kinds that have fields of their own spell out what they know.
        if kind.namespaced or not kind.fields:
            known.add("metadata.namespace")
        for requirement in field_selector.requirements:
            name = requirement.field
            if name not in known:
                raise _unknown_field(kind, name)

    @property
    def selects_all(self) -> bool:
        """Whether no object is left out."""
        return not self._labels.requirements and not self._fields.requirements and self.shard is None

    @property
    def names_one(self) -> bool:
        """Whether the field selector asks for an object by its name: nothing can follow it."""
        return any(
            requirement.field == "metadata.name" and not requirement.negated
            for requirement in self._fields.requirements
        )

    def matches(self, stored: StoredObject) -> bool:
        """Return whether the request is about this state of an object."""
        if self.shard is not None and not self.shard.covers(uid=stored.uid, namespace=split_key(stored.key)[0]):
            return False
        if self._labels.requirements and not self._labels.matches(dict(stored.labels)):
            return False
        return not self._fields.requirements or self._fields.matches(lambda name: self._value(stored, name))

    def _value(self, stored: StoredObject, name: str) -> str:
        if name == "metadata.name":
            return split_key(stored.key)[1]
        if name == "metadata.namespace":
            return split_key(stored.key)[0]
        if self._kind.custom:
            # A definition may have come to select other fields than those that were kept with the object.
            return field_value(decode_tail(stored.tail), self._selectable[name])
        return stored.fields[self._positions[name]]


def field_value(obj: JSONObject, field: SelectableField) -> str:
    """Return the value of a selectable field, as selectors compare it."""
    value: JSONValue = obj
    for step in field.path:
        value = value.get(step) if isinstance(value, dict) else None
    match value:
        case None | list() | dict():
            return field.default
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def _unknown_field(kind: Kind, name: str) -> BadRequest:
    if kind.group_resource == "jobs.batch":
        return bad_request(f'field label "{name}" not supported for Job')
    if kind.fields or kind.custom:
        return bad_request(f"field label not supported: {name}")
    return bad_request(f'"{name}" is not a known field selector: only "metadata.name", "metadata.namespace"')
