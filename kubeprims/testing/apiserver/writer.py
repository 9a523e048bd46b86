"""Create, update and patch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial

from kubeprims.clock import Clock, Rng
from kubeprims.errors import BadRequest
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver import crd
from kubeprims.testing.apiserver.admission import Admission
from kubeprims.testing.apiserver.configuration import check_configuration, parse_configuration
from kubeprims.testing.apiserver.crd_validation import definition_problems, definition_update_problems
from kubeprims.testing.apiserver.defaulting import mapping
from kubeprims.testing.apiserver.defaults import with_kind_defaults
from kubeprims.testing.apiserver.deletion import ends_with_update
from kubeprims.testing.apiserver.encoding import decode_object, decode_tail, encode, encode_tail, is_too_deep
from kubeprims.testing.apiserver.first_objects import OWN_MANAGER
from kubeprims.testing.apiserver.history import StoredObject
from kubeprims.testing.apiserver.kind_validation import kind_problems
from kubeprims.testing.apiserver.kind_validation_status import status_problems
from kubeprims.testing.apiserver.kind_warnings import is_warned_of, kind_warnings
from kubeprims.testing.apiserver.kinds import (
    CUSTOM_RESOURCE_DEFINITIONS,
    NAMESPACES,
    RESOURCE_QUOTAS,
    SERVICES,
    Kind,
)
from kubeprims.testing.apiserver.metadata import (
    generated_name,
    metadata_of,
    metadata_problems,
    new_uid,
    text_of,
    timestamp,
    update_problems,
    with_checked_metadata,
)
from kubeprims.testing.apiserver.objects import Answer, Objects, key_of, state_of
from kubeprims.testing.apiserver.ownership import MANAGED_FIELDS, Writing, put_owners, without_times
from kubeprims.testing.apiserver.patches import APPLY_PATCH, media_type_of, parse_patch
from kubeprims.testing.apiserver.pruning import pruned
from kubeprims.testing.apiserver.queries import WriteOptions, parse_revision
from kubeprims.testing.apiserver.received import check_type_names, strange_fields, with_owners_once
from kubeprims.testing.apiserver.registry import Registry
from kubeprims.testing.apiserver.scale import SCALES, check_conversion, checked_scale, scale_of, with_scale
from kubeprims.testing.apiserver.schema_defaults import with_schema_defaults
from kubeprims.testing.apiserver.schema_validation import schema_problems
from kubeprims.testing.apiserver.service_addresses import ServiceAddresses
from kubeprims.testing.apiserver.status import (
    FieldProblem,
    already_exists,
    bad_request,
    conflict,
    invalid,
    modified,
    namespace_terminating,
    not_found,
    plain_failure,
    quoted,
    unmet,
)
from kubeprims.testing.apiserver.strategy import (
    as_kept,
    differs,
    with_first_values,
    with_own_name,
    with_unowned_values,
    with_update,
)
from kubeprims.testing.apiserver.target import Target

NO_OPTIONS = WriteOptions(field_manager="kubeprims.testing")
"""What goes with a write that no request asked for."""

_OWN_OPTIONS = WriteOptions(field_manager=OWN_MANAGER)

_GENERATED_NAME_TRIES = 8


@dataclass(frozen=True, slots=True)
class _Request:
    """What goes with one write.

    Attributes:
        options: What the request asks for.
        writing: Who writes what.
        warnings: What the client is to be warned of; grows.
    """

    options: WriteOptions
    writing: Writing
    warnings: list[str] = field(default_factory=list[str])

    def answer(self, code: int, body: bytes) -> Answer:
        """Return the answer."""
        return Answer(code, body, tuple(self.warnings))


class Writer:
    """Carries out what changes objects without removing them.

    Concurrency:
        Safe in any thread: each write is one step under the storage's lock.
    """

    def __init__(
        self, objects: Objects, registry: Registry, *, clock: Clock, rng: Rng, auto_create_namespaces: bool
    ) -> None:
        self._objects = objects
        self._registry = registry
        self._clock = clock
        self._rng = rng
        self._auto_create_namespaces = auto_create_namespaces
        self._admission = Admission(objects)

    def create(self, target: Target, body: bytes | JSONObject, options: WriteOptions = NO_OPTIONS) -> Answer:
        """Create an object."""
        assert not target.subresource, "what is created below an object is carried out elsewhere"
        request = self._request(target, options)
        obj = self._received(target, body, request)
        self._check_fields(target, body, request)
        if "resourceVersion" in metadata_of(obj):
            message = "resourceVersion should not be set on objects to be created"
            raise plain_failure(message)
        with self._objects.storage.condition:
            metadata = metadata_of(obj)
            known_as = text_of(metadata, "name") or text_of(metadata, "generateName") or "Unknown"
            obj = self._fresh(target, obj, request.writing.time)
            request.writing.create(obj)
            stored = self._create(target, obj, known_as)
            self._warn(target, stored, request)
        return request.answer(201, self._objects.view(target.kind).render(stored))

    def _request(self, target: Target, options: WriteOptions) -> _Request:
        writing = Writing(
            kind=target.kind,
            schema=self._registry.schema(target.kind),
            subresource=target.subresource,
            manager=options.field_manager,
            time=timestamp(self._clock.wall()),
        )
        return _Request(options, writing)

    @staticmethod
    def _strange_fields(target: Target, body: bytes | JSONObject, request: _Request) -> list[str]:
        """Return the fields of a body that are to be refused; those to be warned of are noted in the request."""
        mode = request.options.field_validation
        found = strange_fields(body, request.writing.schema, target.kind, mode=mode)
        if mode == "Strict":
            return found
        request.warnings.extend(found)
        return []

    def _check_fields(self, target: Target, body: bytes | JSONObject, request: _Request) -> None:
        """Warn of fields that are not known or come twice, or refuse them, as the request has it."""
        found = self._strange_fields(target, body, request)
        if found:
            problem = f"strict decoding error: {', '.join(found)}"
            kind = target.kind
            raise bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {problem}')

    def create_many(self, kind: Kind, objects: Iterable[JSONObject]) -> int:
        """Create many objects in one step, each in the namespace that it names, with the status that it has.

        They get their defaults; of the rules, those for metadata and for definitions are checked.
        """
        renders: dict[str, Callable[[int], StoredObject]] = {}
        namespaces: set[str] = set()
        now = timestamp(self._clock.wall())
        with self._objects.storage.condition:
            table = self._objects.table(kind)
            addresses = self._service_addresses() if kind is SERVICES else None
            for given in objects:
                target = Target(kind, self._own_namespace(kind, given))
                obj = self._fresh(target, self._received(target, given), now)
                obj = self._checked_new(target, with_first_values(obj, kind, keep_status=True))
                name = text_of(metadata_of(obj), "name")
                key = key_of(kind, target.namespace, name)
                if key in renders or key in table.objects:
                    raise already_exists(kind, name)
                if target.namespace not in namespaces:
                    self._check_namespace(target, name)
                    namespaces.add(target.namespace)
                if addresses is not None:
                    obj = addresses.assign(obj)
                renders[key] = state_of(kind, target.namespace, as_kept(obj, kind))
            self._objects.storage.write_new(table, list(renders.values()))
        return len(renders)

    @staticmethod
    def _own_namespace(kind: Kind, obj: JSONObject) -> str:
        metadata = obj.get("metadata")
        namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
        return (namespace if isinstance(namespace, str) and namespace else "default") if kind.namespaced else ""

    def update(self, target: Target, body: bytes | JSONObject, options: WriteOptions = NO_OPTIONS) -> Answer:
        """Replace an object, or the part of it that a subresource stands for."""
        request = self._request(target, options)
        if target.subresource == "scale":
            scale = decode_object(body, target.kind)
            self._check_name(target, mapping(scale, "metadata"))
            return self._scale(target, lambda _current: scale, request)
        obj = self._received(target, body, request)
        self._check_fields(target, body, request)
        self._check_name(target, metadata_of(obj))
        with self._objects.storage.condition:
            stored = self._objects.find(target.kind, target.namespace, target.name)
            if stored is None and (target.subresource or not target.kind.create_on_update):
                raise not_found(target.kind, target.name)
            uid, stored_uid = text_of(metadata_of(obj), "uid"), "" if stored is None else stored.uid
            if uid and uid != stored_uid:
                raise conflict(target.kind, target.name, _uid_rule(target, uid, stored_uid))
            if stored is None:
                new: JSONObject = {**obj, "metadata": _without(metadata_of(obj), "resourceVersion", "uid")}
                return self.create(target, new, options)
            return self._replace(target, stored, obj, request)

    def patch(self, target: Target, body: bytes, content_type: str, options: WriteOptions = NO_OPTIONS) -> Answer:
        """Change an object by a patch, or apply a configuration to it."""
        kind = target.kind
        media_type = media_type_of(content_type, custom=kind.custom)
        options.check_patch(is_apply=media_type == APPLY_PATCH)
        request = self._request(target, options)
        if media_type == APPLY_PATCH and target.subresource == "scale":
            return self._apply_scale(target, parse_configuration(SCALES, target.name, body), request)
        if media_type == APPLY_PATCH:
            return self._apply(target, parse_configuration(target.kind, target.name, body), request)
        apply = parse_patch(media_type, body, request.writing.schema)
        if target.subresource == "scale":
            return self._scale(target, lambda current: checked_scale(self._patched(current, apply)), request)
        with self._objects.storage.condition:
            stored = self._objects.get(kind, target.namespace, target.name)
            patched = self._patched(self._objects.view(kind).decode(stored), apply)
            found = self._strange_fields(target, encode(patched), request)
            if found:
                problem = f"strict decoding error: {', '.join(found)}"
                raise invalid("", "", [FieldProblem.invalid("patch", encode(patched).decode(), problem)])
            obj = self._received_patched(target, patched, request)
            self._check_name(target, metadata_of(obj))
            return self._replace(target, stored, obj, request)

    def _received_patched(self, target: Target, patched: JSONObject, request: _Request) -> JSONObject:
        """Return the object of a patch; what does not fit is the patch's fault, not that of the body."""
        try:
            return self._received(target, patched, request)
        except BadRequest as error:
            _, found, problem = error.message.partition(f" cannot be handled as a {target.kind.kind}: ")
            if not found:
                raise
            raise invalid("", "", [FieldProblem.invalid("patch", encode(patched).decode(), problem)]) from None

    def _apply(self, target: Target, config: JSONObject, request: _Request) -> Answer:
        """Apply a configuration: create the object, or change what the configuration says and its manager owns."""
        kind = target.kind
        check_configuration(kind, config, request.writing.schema)
        with self._objects.storage.condition:
            stored = self._objects.find(kind, target.namespace, target.name)
            if stored is None and target.subresource:
                raise not_found(kind, target.name)
            existing = None if stored is None else decode_tail(stored.tail)
            applied = request.writing.apply(config, existing, force=bool(request.options.force))
            names: JSONObject = {"apiVersion": kind.api_version, "kind": kind.kind}
            obj = self._received(target, names | applied, request)
            if stored is not None:
                return self._replace(target, stored, obj, request, is_owned=True)
            obj = self._fresh(target, obj, request.writing.time)
            stored = self._create(target, obj, target.name)
            self._warn(target, stored, request)
        return request.answer(201, self._objects.view(kind).render(stored))

    @staticmethod
    def _patched(current: JSONObject, apply: Callable[[JSONObject], JSONValue]) -> JSONObject:
        patched = apply(current)
        if not isinstance(patched, dict):
            problem = FieldProblem.invalid("patch", patched, "the result is not an object")
            raise invalid("", "", [problem])
        if is_too_deep(patched):
            raise invalid("", "", [FieldProblem.forbidden("patch", "the result exceeds the maximum depth")])
        return patched

    def _scale(self, target: Target, change: Callable[[JSONObject], JSONObject], request: _Request) -> Answer:
        """Write the number of replicas that a scale asks for, and answer with the scale that follows from it."""
        with self._objects.storage.condition:
            stored = self._objects.get(target.kind, target.namespace, target.name)
            current = decode_tail(stored.tail)
            scaled = with_scale(current, change(scale_of(current, target.kind)), target.kind)
            return self._write_scaled(target, stored, scaled, request)

    def _apply_scale(self, target: Target, config: JSONObject, request: _Request) -> Answer:
        """Apply a scale to an object: it has to be there."""
        schema = self._registry.schema(SCALES)
        check_configuration(SCALES, config, schema)
        with self._objects.storage.condition:
            stored = self._objects.get(target.kind, target.namespace, target.name)
            current = decode_tail(stored.tail)
            scale = scale_of(current, target.kind)
            force = bool(request.options.force)
            scale, owners = request.writing.apply_scale(config, scale, current, force=force)
            check_conversion(target.kind, target.name)
            scaled = with_scale(current, scale, target.kind)
            put_owners(scaled, owners)
            return self._write_scaled(target, stored, scaled, request, is_owned=True)

    def _write_scaled(
        self, target: Target, stored: StoredObject, scaled: JSONObject, request: _Request, *, is_owned: bool = False
    ) -> Answer:
        uid = text_of(metadata_of(scaled), "uid")
        if uid and uid != stored.uid:
            raise conflict(target.kind, target.name, _uid_rule(target, uid, stored.uid))
        written = self._write(replace(target, subresource=""), stored, scaled, request, is_owned=is_owned)
        return request.answer(200, encode(scale_of(decode_tail(written.tail), target.kind)))

    def _received(self, target: Target, body: bytes | JSONObject, request: _Request | None = None) -> JSONObject:
        """Return the object of a request, in the form in which it is kept, with its own metadata."""
        kind = target.kind
        obj = decode_object(body, kind)
        check_type_names(obj, kind, body, self._registry.type_names)
        schema = self._registry.schema(kind)
        obj = with_checked_metadata(self._objects.view(kind).to_storage(pruned(obj, schema)), kind)
        metadata = metadata_of(obj)
        metadata.pop("selfLink", None)
        warnings = with_owners_once(metadata)
        if request is not None:
            request.warnings.extend(warnings)
        if not kind.namespaced:
            metadata.pop("namespace", None)
        elif text_of(metadata, "namespace") not in {"", target.namespace}:
            message = "the namespace of the provided object does not match the namespace sent on the request"
            raise bad_request(message)
        else:
            metadata["namespace"] = target.namespace
        if kind is CUSTOM_RESOURCE_DEFINITIONS:
            obj = crd.with_defaults(obj)
        return with_schema_defaults(obj, schema) if kind.custom else with_kind_defaults(obj, kind)

    @staticmethod
    def _check_name(target: Target, metadata: JSONObject) -> None:
        name = text_of(metadata, "name")
        if not name:
            message = f"the name of the object ({target.name} based on URL) was undeterminable: name must be provided"
            raise bad_request(message)
        if name != target.name:
            message = f"the name of the object ({name}) does not match the name on the URL ({target.name})"
            raise bad_request(message)

    def _fresh(self, target: Target, obj: JSONObject, now: str) -> JSONObject:
        """Return a new object with what the server gives to every one."""
        metadata = metadata_of(obj)
        for key in ("deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "selfLink"):
            metadata.pop(key, None)
        base = text_of(metadata, "generateName")
        if base and "name" not in metadata:
            metadata["name"] = self._free_name(target, base)
        metadata["uid"] = new_uid(self._rng)
        metadata["creationTimestamp"] = now
        return with_own_name(obj, target.kind)

    def _free_name(self, target: Target, base: str) -> str:
        name = generated_name(base, self._rng)
        for _ in range(_GENERATED_NAME_TRIES - 1):
            if self._objects.find(target.kind, target.namespace, name) is None:
                break
            name = generated_name(base, self._rng)
        return name

    def _create(self, target: Target, obj: JSONObject, known_as: str) -> StoredObject:
        self._check_namespace(target, known_as)
        obj = with_first_values(self._admission.completed(target, obj, known_as), target.kind)
        obj = self._checked_new(target, obj, self._content_problems(obj, None, target.kind))
        self._admit(target, obj)
        name = text_of(metadata_of(obj), "name")
        existing = self._objects.find(target.kind, target.namespace, name)
        if existing is not None:
            is_going = b'"deletionTimestamp"' in existing.tail and "deletionTimestamp" in metadata_of(
                decode_tail(existing.tail)
            )
            raise already_exists(target.kind, name, is_going=is_going)
        if target.kind is SERVICES:
            obj = self._service_addresses().assign(obj)
        stored = self._objects.put(target.kind, target.namespace, as_kept(obj, target.kind))
        self._serve(target.kind, obj)
        return stored

    def _admit(self, target: Target, obj: JSONObject, existing: JSONObject | None = None) -> None:
        """Check that an object may be as it is to be, and have it counted: as upstream has it, before it is there."""
        for quota in self._admission.charged(target, obj, existing):
            name = text_of(metadata_of(quota), "name")
            self.update(Target(RESOURCE_QUOTAS, target.namespace, name, "status"), quota, _OWN_OPTIONS)

    def _service_addresses(self) -> ServiceAddresses:
        return ServiceAddresses(decode_tail(stored.tail) for stored in self._objects.table(SERVICES).objects.values())

    def _checked_new(self, target: Target, obj: JSONObject, problems: Iterable[FieldProblem] = ()) -> JSONObject:
        """Return a new object once it has no problem: neither those that are known already, nor with its metadata."""
        kind, metadata = target.kind, metadata_of(obj)
        problems = [*metadata_problems(metadata, kind), *problems]
        if kind is CUSTOM_RESOURCE_DEFINITIONS:
            obj = crd.with_conditions(obj, self._clock.wall())
            problems.extend(definition_problems(obj))
        if problems:
            raise invalid(kind.kind, text_of(metadata, "name"), problems, group=kind.group)
        return obj

    def _content_problems(self, obj: JSONObject, old: JSONObject | None, kind: Kind) -> list[FieldProblem]:
        """Return which rules of its kind an object breaks."""
        if not kind.custom:
            return kind_problems(obj, old, kind)
        # A schema may require the names of the type, which are not kept with the object.
        whole: JSONObject = {**obj, "apiVersion": kind.api_version, "kind": kind.kind}
        return schema_problems(whole, self._registry.schema(kind), old)

    def _serve(self, kind: Kind, obj: JSONObject) -> None:
        if kind is CUSTOM_RESOURCE_DEFINITIONS and not self._objects.storage.is_rehearsing:
            self._registry.install(text_of(metadata_of(obj), "name"), crd.kinds_of(obj))

    def _check_namespace(self, target: Target, name: str) -> None:
        kind, namespace = target.kind, target.namespace
        if not kind.namespaced:
            return
        stored = self._objects.find(NAMESPACES, "", namespace)
        if stored is None:
            if not self._auto_create_namespaces:
                raise not_found(NAMESPACES, namespace)
            self.create(Target(NAMESPACES, ""), {"metadata": {"name": namespace}})
        elif b'"deletionTimestamp"' in stored.tail and "deletionTimestamp" in metadata_of(decode_tail(stored.tail)):
            raise namespace_terminating(kind, namespace, name)

    def _replace(
        self, target: Target, stored: StoredObject, obj: JSONObject, request: _Request, *, is_owned: bool = False
    ) -> Answer:
        written = self._write(target, stored, obj, request, is_owned=is_owned)
        self._warn(target, written, request, stored)
        return request.answer(200, self._objects.view(target.kind).render(written))

    def _warn(self, target: Target, written: StoredObject, request: _Request, old: StoredObject | None = None) -> None:
        kind = target.kind
        if kind is CUSTOM_RESOURCE_DEFINITIONS or is_warned_of(kind, is_new=old is None):
            warn = crd.definition_warnings if kind is CUSTOM_RESOURCE_DEFINITIONS else partial(kind_warnings, kind)
            request.warnings.extend(warn(decode_tail(written.tail), None if old is None else decode_tail(old.tail)))
        request.warnings.extend(self._admission.warnings(target, written, old))

    def _write(
        self, target: Target, stored: StoredObject, obj: JSONObject, request: _Request, *, is_owned: bool = False
    ) -> StoredObject:
        """Write a changed object, and return its new state.

        Args:
            target: What the write is about.
            stored: The state before it.
            obj: The object as the request has it.
            request: What goes with it.
            is_owned: The object says already who owns what.
        """
        kind, existing = target.kind, decode_tail(stored.tail)
        self._check_version(target, metadata_of(obj), stored)
        owners = metadata_of(obj).get(MANAGED_FIELDS)
        obj = with_update(obj, existing, kind, target.subresource)
        if is_owned:
            put_owners(obj, owners)
        else:
            request.writing.update(obj, existing, owners)
        obj = with_unowned_values(obj, existing, kind)
        problems = [
            *metadata_problems(metadata_of(obj), kind),
            *update_problems(metadata_of(obj), metadata_of(existing)),
        ]
        if kind.custom or not target.subresource:
            problems.extend(self._content_problems(obj, existing, kind))
        elif target.subresource == "status":
            problems.extend(status_problems(obj, existing, kind))
        if kind is CUSTOM_RESOURCE_DEFINITIONS:
            obj = crd.with_conditions(obj, self._clock.wall())
            problems.extend(definition_update_problems(obj, existing) or definition_problems(obj))
        if problems:
            raise invalid(kind.kind, target.name, problems, group=kind.group)
        self._admit(target, obj, existing)
        if ends_with_update(obj, existing, kind):
            self._objects.remove(kind, target.namespace, stored)
            return stored._replace(tail=encode_tail(obj, kind))
        if kind is SERVICES:
            obj = self._service_addresses().assign(obj, existing)
        obj = as_kept(obj, kind)
        if differs(without_times(_without(obj, "kind", "apiVersion")), without_times(existing)):
            stored = self._objects.put(kind, target.namespace, obj)
            self._serve(kind, obj)
        return stored

    @staticmethod
    def _check_version(target: Target, metadata: JSONObject, stored: StoredObject) -> None:
        """Check that the object is the version that the client has seen, and fill in what clients may leave out."""
        version = text_of(metadata, "resourceVersion")
        try:
            revision = parse_revision(version)
        except ValueError:
            message = f"strconv.ParseUint: parsing {quoted(version)}: invalid syntax"
            raise plain_failure(message) from None
        if revision == 0:
            if not target.kind.unconditional_update:
                problem = FieldProblem.invalid("metadata.resourceVersion", 0, "must be specified for an update")
                raise invalid(target.kind.resource, target.name, [problem], group=target.kind.group)
        elif revision != stored.revision:
            raise modified(target.kind, target.name)
        metadata["resourceVersion"] = str(stored.revision)
        metadata.setdefault("uid", stored.uid)


def _without(obj: JSONObject, *keys: str) -> JSONObject:
    return {key: value for key, value in obj.items() if key not in keys}


def _uid_rule(target: Target, uid: str, stored_uid: str) -> str:
    return unmet(target.kind, key_of(target.kind, target.namespace, target.name), "UID", uid, stored_uid)
