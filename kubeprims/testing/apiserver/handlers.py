"""What requests do: from a request to the backend's verb, and back to an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from kubeprims.clock import Clock
from kubeprims.errors import BadRequest, DecodeError, MethodNotAllowed, StatusError
from kubeprims.testing.apiserver import discovery, health, openapi, protobuf, reviews
from kubeprims.testing.apiserver.accept import Form, negotiate
from kubeprims.testing.apiserver.auth import Authenticator, User
from kubeprims.testing.apiserver.backend import Answer, Backend
from kubeprims.testing.apiserver.exchange import Call, Reply, error_reply
from kubeprims.testing.apiserver.faults import RequestFacts
from kubeprims.testing.apiserver.impersonation import impersonated_user
from kubeprims.testing.apiserver.kinds import Kind, Subresource
from kubeprims.testing.apiserver.listing import Listing
from kubeprims.testing.apiserver.patches import APPLY_PATCH
from kubeprims.testing.apiserver.queries import (
    WriteOptions,
    parse_delete_options,
    parse_list_query,
    parse_watch_query,
    parse_write_options,
)
from kubeprims.testing.apiserver.routes import ResourcePath, Verb, decode_path, parse_path, parse_query, verb_for
from kubeprims.testing.apiserver.shapes import ShapedWatch, Shaper
from kubeprims.testing.apiserver.status import bad_request, not_found, unknown_resource, unsupported_media_type
from kubeprims.testing.apiserver.tables import has_table, parse_include_object
from kubeprims.yaml_text import load_documents

# Below it, a list goes out in one piece with its length; above it, in pieces, so that the client can begin at once.
_ONE_PIECE_BYTES_MAX = 128 * 1024
# A manager's name may have no more bytes; a user agent is ASCII.
_MANAGER_LENGTH_MAX = 128
_UNKNOWN_MANAGER = "unknown"
_OPTIONS_KINDS: Mapping[Verb, str] = {
    Verb.CREATE: "CreateOptions",
    Verb.UPDATE: "UpdateOptions",
    Verb.PATCH: "PatchOptions",
}
Parameters = Sequence[tuple[str, str]]


class API:
    """Answers requests from a backend; what :class:`~kubeprims.testing.apiserver.exchange.Application` asks for.

    Concurrency:
        Every method may be called from any thread.
    """

    def __init__(
        self, backend: Backend, authenticator: Authenticator, address: Callable[[], str], clock: Clock
    ) -> None:
        self._backend = backend
        self._authenticator = authenticator
        self._address = address
        self._clock = clock

    def facts(self, call: Call) -> RequestFacts:
        """Return what a request is, for faults and the log."""
        path = decode_path(call.request.path)
        resource_path = parse_path(path) if path is not None else None
        verb: Verb | None = None
        if resource_path is not None:
            try:
                verb = verb_for(call.request.method, resource_path, parse_query(call.request.query))
            except BadRequest:
                verb = None
        if resource_path is None or verb is None:
            return RequestFacts(call.request.method.lower(), "", path or call.request.path, call.user_agent)
        resource = str(resource_path.gvr)
        if resource_path.subresource:
            resource += f"/{resource_path.subresource}"
        return RequestFacts(verb.value, resource, path or "", call.user_agent)

    def reply(self, call: Call) -> Reply:
        """Carry a request out.

        Raises:
            Unauthorized: Nobody knows who it is from.
        """
        user = self._authenticator.authenticate(
            call.request.headers.get("authorization"), call.certificate, self._clock
        )
        other: User | None = None
        try:
            other = impersonated_user(call.request.headers)
            reply = self._reply(call, other or user)
        except StatusError as error:
            reply = error_reply(error)
        return reply._replace(user=user.name, impersonated_user="" if other is None else other.name)

    def _reply(self, call: Call, user: User) -> Reply:
        path = decode_path(call.request.path)
        if path is None:
            raise bad_request("the path is not valid percent-encoded UTF-8")
        if path.removesuffix("/") == reviews.PATH:
            return Reply(201, reviews.review(call.request.method, _review_body(call), user, self._clock.wall()))
        parameters = parse_query(call.request.query)
        resource_path = parse_path(path)
        if resource_path is None or not self._serves(resource_path):
            return self._non_resource(call, path, parameters)
        if resource_path.name in {".", ".."}:
            raise bad_request(f"Name parameter invalid: \"{resource_path.name}\": may not be '{resource_path.name}'")
        verb = verb_for(call.request.method, resource_path, parameters)
        kind = self._backend.resolve(*_names_of(resource_path))
        if kind.custom and resource_path.namespace and not kind.namespaced:
            return _no_page()
        kind, subresource = self._resolve(resource_path)
        _check_verb(verb, kind, resource_path, subresource)
        assert verb is not None  # checked by the line above
        has_tables = has_table(kind) and resource_path.subresource in {"", "status"}
        representation = negotiate(call.request.headers.get_all("accept"), has_tables=has_tables)
        if representation.form is Form.OBJECT:
            return _with_warning(self._dispatch(verb, call, kind, resource_path, parameters), kind)
        include = next((value for name, value in parameters if name == "includeObject"), "")
        shaper = Shaper(kind, representation, include_object=parse_include_object(include), clock=self._clock)
        shaper.check(is_list=verb is Verb.LIST)
        return _with_warning(_shaped(self._dispatch(verb, call, kind, resource_path, parameters), shaper, verb), kind)

    def _serves(self, path: ResourcePath) -> bool:
        group_version = (path.gvr.group, path.gvr.version)
        return any((kind.group, kind.version) == group_version for kind in self._backend.kinds())

    def _non_resource(self, call: Call, path: str, parameters: Parameters) -> Reply:
        well = health.answer(path, parameters)
        if well is not None:
            return Reply(200, well, "text/plain; charset=utf-8", (("x-content-type-options", "nosniff"),))
        accept = call.request.headers.get("accept") or ""
        kinds = self._backend.kinds()
        document = openapi.answer(path, accept, kinds) or discovery.answer(
            path, accept, _with_reviews(discovery.api_resources(kinds)), address=self._address()
        )
        if document is None:
            if path.startswith("/api/") or any(
                path.startswith(f"/apis/{kind.group}/") for kind in kinds if kind.group and not kind.custom
            ):
                raise unknown_resource()
            return _no_page()
        if call.request.method not in {"GET", "HEAD"}:
            raise _method_not_allowed()
        return Reply(200, document.body, document.content_type, document.headers)

    def _resolve(self, path: ResourcePath) -> tuple[Kind, Subresource | None]:
        kind = self._backend.resolve(*_names_of(path))
        if kind.namespaced != bool(path.namespace) and (path.namespace or path.name):
            raise unknown_resource()
        if not path.subresource:
            return kind, None
        for subresource in kind.subresources:
            if subresource.name == path.subresource:
                return kind, subresource
        raise not_found(kind, path.name) if kind.custom else unknown_resource()

    def _dispatch(self, verb: Verb, call: Call, kind: Kind, path: ResourcePath, parameters: Parameters) -> Reply:
        backend = self._backend
        match verb:
            case Verb.GET:
                version = next((value for name, value in parameters if name == "resourceVersion"), "")
                at = {"subresource": path.subresource, "resource_version": version}
                return Reply(200, backend.get(kind, path.namespace, path.name, **at))
            case Verb.LIST:
                return _list_reply(backend.list(kind, path.namespace, parse_list_query(parameters)))
            case Verb.WATCH:
                query = parse_watch_query(_watched(path, parameters))
                return Reply(200, b"", watch=backend.watch(kind, path.namespace, query))
            case Verb.DELETE | Verb.DELETE_COLLECTION:
                answer = self._delete(verb, call, kind, path, parameters)
            case _:
                answer = self._write(verb, call, kind, path, _write_options(verb, call, parameters))
        return Reply(answer.code, answer.body, headers=tuple(("Warning", _warning(text)) for text in answer.warnings))

    def _write(self, verb: Verb, call: Call, kind: Kind, path: ResourcePath, options: WriteOptions) -> Answer:
        backend, subresource = self._backend, path.subresource
        if verb is Verb.PATCH:
            return backend.patch(
                kind,
                path.namespace,
                path.name,
                call.body,
                content_type=_media_type(call),
                subresource=subresource,
                options=options,
            )
        body = _json_body(call)
        if verb is Verb.UPDATE:
            return backend.update(kind, path.namespace, path.name, body, subresource=subresource, options=options)
        return backend.create(kind, path.namespace, body, name=path.name, subresource=subresource, options=options)

    def _delete(self, verb: Verb, call: Call, kind: Kind, path: ResourcePath, parameters: Parameters) -> Answer:
        options = parse_delete_options(parameters, _json_body(call) if call.body else b"")
        if verb is Verb.DELETE:
            return self._backend.delete(kind, path.namespace, path.name, options)
        return self._backend.delete_collection(kind, path.namespace, parse_list_query(parameters), options)


def _write_options(verb: Verb, call: Call, parameters: Parameters) -> WriteOptions:
    """Return what a write asks for; who does not say who it is, is known by its user agent."""
    options = parse_write_options(parameters, _OPTIONS_KINDS[verb])
    if options.field_manager or (verb is Verb.PATCH and _media_type(call) == APPLY_PATCH):
        return options
    manager = call.user_agent.partition("/")[0][:_MANAGER_LENGTH_MAX]
    return replace(options, field_manager=manager or _UNKNOWN_MANAGER)


def _warning(text: str) -> str:
    """Return a warning as its header has it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{escaped}"'


def _with_warning(reply: Reply, kind: Kind) -> Reply:
    """Return an answer that warns of a version that is deprecated."""
    if not kind.deprecation:
        return reply
    return reply._replace(headers=(("Warning", _warning(kind.deprecation)), *reply.headers))


def _with_reviews(resources: Sequence[discovery.APIResource]) -> Sequence[discovery.APIResource]:
    """Return what discovery shows; the review stands where upstream has it, before the next group of its own order."""
    at = next((i for i, resource in enumerate(resources) if resource.group not in {"", "apps", "events.k8s.io"}), 0)
    return (*resources[:at], reviews.SELF_SUBJECT_REVIEW, *resources[at:])


def _no_page() -> Reply:
    return Reply(404, b"404 page not found\n", "text/plain; charset=utf-8")


def _names_of(path: ResourcePath) -> tuple[str, str, str]:
    return path.gvr.group, path.gvr.version, path.gvr.resource


def _list_reply(listing: Listing) -> Reply:
    if listing.content_length <= _ONE_PIECE_BYTES_MAX:
        return Reply(200, listing.body())
    return Reply(200, listing.chunks())


def _watched(path: ResourcePath, parameters: Parameters) -> Parameters:
    """Return the query of a watch; the old path of one object becomes a field selector."""
    if not path.name:
        return parameters
    selectors = [value for name, value in parameters if name == "fieldSelector" and value]
    selector = ",".join([f"metadata.name={path.name}", *selectors])
    return [*((name, value) for name, value in parameters if name != "fieldSelector"), ("fieldSelector", selector)]


def _check_verb(verb: Verb | None, kind: Kind, path: ResourcePath, subresource: Subresource | None) -> None:
    verbs = kind.verbs if subresource is None else subresource.verbs
    # There is no collection of all namespaces to create in, or to delete.
    needs_namespace = verb in {Verb.CREATE, Verb.DELETE_COLLECTION} and kind.namespaced and not path.namespace
    if verb is None or verb not in verbs or needs_namespace:
        raise _method_not_allowed()


def _shaped(reply: Reply, shaper: Shaper, verb: Verb) -> Reply:
    if reply.watch is not None:
        return reply._replace(watch=ShapedWatch(reply.watch, shaper))
    body = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
    return reply._replace(body=shaper.list(body) if verb is Verb.LIST else shaper.object(body))


def _media_type(call: Call) -> str:
    return (call.request.headers.get("content-type") or "").partition(";")[0].strip().lower()


def _json_body(call: Call) -> bytes:
    """Return a request's body as JSON.

    Raises:
        UnsupportedMediaType: It is neither JSON, nor YAML, nor protobuf of a built-in kind.
        BadRequest: It is damaged protobuf, or no YAML.
    """
    match _media_type(call):
        case "" | "application/json":
            return call.body
        case "application/yaml":
            return _json_of_yaml(call.body)
        case protobuf.MEDIA_TYPE:
            return json.dumps(protobuf.decode_object(call.body)).encode()
        case _:
            accepted = f"application/json, application/yaml, {protobuf.MEDIA_TYPE}"
            message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
            raise unsupported_media_type(message)


def _review_body(call: Call) -> bytes:
    if _media_type(call) == protobuf.MEDIA_TYPE:
        return json.dumps(protobuf.decode_type(call.body)).encode()
    return _json_body(call)


def _json_of_yaml(body: bytes) -> bytes:
    try:
        documents = load_documents(body)
    except DecodeError as error:
        raise bad_request(f"error converting YAML to JSON: yaml: {error.detail}") from None
    return json.dumps(documents[0] if documents else None).encode()


def _method_not_allowed() -> MethodNotAllowed:
    message = "the server does not allow this method on the requested resource"
    return MethodNotAllowed(message, code=405, reason="MethodNotAllowed")
