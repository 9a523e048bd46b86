"""What requests ask for, from the parameters of their URLs and their bodies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from kubeprims.errors import InvalidSelector
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.selectors import FieldSelector, LabelSelector
from kubeprims.testing.apiserver.encoding import decode, json_type
from kubeprims.testing.apiserver.status import FieldProblem, bad_request, invalid

Parameters = Sequence[tuple[str, str]]
"""The decoded query of a URL, in order."""

_META_GROUP = "meta.k8s.io"
_INT64 = re.compile(r"[+-]?[0-9]+")
_INT64_LIMIT = 1 << 63
_INT64_DIGITS_MAX = 4000  # what int() reads without question; such a number is out of range anyway
_UINT64 = re.compile(r"[0-9]+")
_NOT_OLDER_THAN = "NotOlderThan"
_PROPAGATION_POLICIES = ("Foreground", "Background", "Orphan")
_FIELD_MANAGER_BYTES_MAX = 128
_FIELD_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
_ALL_LABELS = LabelSelector()
_ALL_FIELDS = FieldSelector()
_S = TypeVar("_S", LabelSelector, FieldSelector)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """What a list, or a deletion of a collection, asks for.

    Attributes:
        resource_version: As in the request; empty if it was left out.
        resource_version_match: ``Exact``, ``NotOlderThan`` or empty.
        limit: How many objects at most; 0 for all.
        continue_token: Where an earlier page ended.
        label_selector: Which objects, by label.
        field_selector: Which objects, by field.
        shard_selector: Which objects, by hash, as in the request; empty for all.
    """

    resource_version: str = ""
    resource_version_match: str = ""
    limit: int = 0
    continue_token: str = ""
    label_selector: LabelSelector = _ALL_LABELS
    field_selector: FieldSelector = _ALL_FIELDS
    shard_selector: str = ""

    def check(self) -> None:
        """Check that the parameters fit each other.

        Raises:
            Invalid: They do not.
        """
        match = self.resource_version_match
        problems: list[FieldProblem] = []
        if match:
            if not self.resource_version:
                rule = "resourceVersionMatch is forbidden unless resourceVersion is provided"
                problems.append(FieldProblem.forbidden("resourceVersionMatch", rule))
            if self.continue_token:
                problems.append(_match_with_continue())
            if match not in {"Exact", _NOT_OLDER_THAN}:
                supported = ("Exact", _NOT_OLDER_THAN, "")
                problems.append(FieldProblem.unsupported("resourceVersionMatch", match, supported))
            if match == "Exact" and self.resource_version == "0":
                rule = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
                problems.append(FieldProblem.forbidden("resourceVersionMatch", rule))
        _refuse("ListOptions", problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchQuery:
    """What a watch asks for.

    Attributes:
        resource_version: As in the request; empty if it was left out.
        resource_version_match: ``NotOlderThan`` or empty.
        continue_token: Refused where the objects come first: no page of a list can be watched from.
        allow_bookmarks: Whether bookmarks are wanted.
        send_initial_events: Whether the objects come first; None if the request does not say.
        timeout_s: After how many seconds the server ends the watch; None lets the server choose.
        label_selector: Which objects, by label.
        field_selector: Which objects, by field.
        shard_selector: Which objects, by hash, as in the request; empty for all.
    """

    resource_version: str = ""
    resource_version_match: str = ""
    continue_token: str = ""
    allow_bookmarks: bool = False
    send_initial_events: bool | None = None
    timeout_s: float | None = None
    label_selector: LabelSelector = _ALL_LABELS
    field_selector: FieldSelector = _ALL_FIELDS
    shard_selector: str = ""

    def check(self) -> None:
        """Check that the parameters fit each other.

        Raises:
            Invalid: They do not.
        """
        match = self.resource_version_match
        problems: list[FieldProblem] = []
        asked = self.send_initial_events is not None
        if asked and match != _NOT_OLDER_THAN:
            rule = f"sendInitialEvents requires setting resourceVersionMatch to {_NOT_OLDER_THAN}"
            problems.append(FieldProblem.forbidden("resourceVersionMatch", rule))
        if match and not asked:
            rule = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            problems.append(FieldProblem.forbidden("resourceVersionMatch", rule))
        if self.continue_token and (match or self.wants_initial_events):
            problems.append(_match_with_continue())
        if match and match != _NOT_OLDER_THAN:
            problems.append(FieldProblem.unsupported("resourceVersionMatch", match, (_NOT_OLDER_THAN,)))
        _refuse("ListOptions", problems)

    @property
    def wants_initial_events(self) -> bool:
        """Whether the objects come first, by the request's word or, without one, by its version.

        Source:
            apimachinery pkg/apis/meta/internalversion/defaults.go, ``SetListOptionsDefaults``.
        """
        if self.send_initial_events is not None:
            return self.send_initial_events
        return self.resource_version in {"", "0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """What goes with a create, an update or a patch.

    Attributes:
        field_manager: Who writes, as ``managedFields`` records it; empty if the request does not say.
        force: Whether an apply takes fields over from others; None if the request does not say.
        field_validation: ``Ignore``, ``Warn`` or ``Strict``: what becomes of fields that nobody knows, or that come
            twice. Empty is ``Warn``.
        dry_run: Answer as if it were done, and do nothing.
    """

    field_manager: str = ""
    force: bool | None = None
    field_validation: str = ""
    dry_run: bool = False

    def check_patch(self, *, is_apply: bool) -> None:
        """Check that they fit a patch.

        Raises:
            Invalid: They do not.
        """
        problems: list[FieldProblem] = []
        if is_apply and not self.field_manager:
            problems.append(FieldProblem.required("fieldManager", "is required for apply patch"))
        if not is_apply and self.force is not None:
            problems.append(FieldProblem.forbidden("force", "may not be specified for non-apply patch"))
        _refuse("PatchOptions", problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """What goes with a deletion.

    Attributes:
        grace_period_s: How many seconds a pod gets; None for what it asks for itself.
        uid: The uid that the object must have; empty for any.
        resource_version: The version that the object must have; empty for any.
        propagation_policy: ``Foreground``, ``Background``, ``Orphan`` or empty.
        dry_run: Answer as if it were done, and do nothing.
    """

    grace_period_s: int | None = None
    uid: str = ""
    resource_version: str = ""
    propagation_policy: str = ""
    dry_run: bool = False


def parse_list_query(parameters: Parameters) -> ListQuery:
    """Return what the parameters of a list ask for.

    Raises:
        BadRequest: A parameter cannot be parsed.
        Invalid: The parameters do not fit each other.
    """
    values = _first_of_each(parameters)
    if "sendInitialEvents" in values:
        rule = "sendInitialEvents is forbidden for list"
        _refuse("ListOptions", [FieldProblem.forbidden("sendInitialEvents", rule)])
    _integer(values, "timeoutSeconds")  # means nothing to a list, and is to be a number all the same
    query = ListQuery(
        resource_version=values.get("resourceVersion", ""),
        resource_version_match=values.get("resourceVersionMatch", ""),
        limit=max(_integer(values, "limit") or 0, 0),
        continue_token=values.get("continue", ""),
        label_selector=_selector(LabelSelector.parse, values.get("labelSelector", "")),
        field_selector=_selector(FieldSelector.parse, values.get("fieldSelector", "")),
        shard_selector=values.get("shardSelector", ""),
    )
    query.check()
    return query


def parse_watch_query(parameters: Parameters) -> WatchQuery:
    """Return what the parameters of a watch ask for.

    Raises:
        BadRequest: A parameter cannot be parsed.
        Invalid: The parameters do not fit each other.
    """
    values = _first_of_each(parameters)
    timeout_s = _integer(values, "timeoutSeconds")
    query = WatchQuery(
        resource_version=values.get("resourceVersion", ""),
        resource_version_match=values.get("resourceVersionMatch", ""),
        continue_token=values.get("continue", ""),
        allow_bookmarks=is_true(values.get("allowWatchBookmarks")),
        send_initial_events=is_true(values["sendInitialEvents"]) if "sendInitialEvents" in values else None,
        timeout_s=float(timeout_s) if timeout_s else None,
        label_selector=_selector(LabelSelector.parse, values.get("labelSelector", "")),
        field_selector=_selector(FieldSelector.parse, values.get("fieldSelector", "")),
        shard_selector=values.get("shardSelector", ""),
    )
    query.check()
    return query


def parse_write_options(parameters: Parameters, options_kind: str = "CreateOptions") -> WriteOptions:
    """Return what the parameters of a create, update or patch ask for.

    Args:
        parameters: The parameters.
        options_kind: What upstream calls them: ``CreateOptions``, ``UpdateOptions`` or ``PatchOptions``.

    Raises:
        Invalid: One has a value that does not exist.
    """
    values = _first_of_each(parameters)
    dry_run = [value for key, value in parameters if key == "dryRun"]
    manager, validation = values.get("fieldManager", ""), values.get("fieldValidation", "")
    problems = [*_manager_problems(manager), *_dry_run_problems(dry_run)]
    if validation not in _FIELD_VALIDATIONS:
        problems.append(FieldProblem.unsupported("fieldValidation", validation, _FIELD_VALIDATIONS))
    _refuse(options_kind, problems)
    return WriteOptions(
        field_manager=manager,
        force=is_true(values["force"]) if "force" in values else None,
        field_validation=validation,
        dry_run=bool(dry_run),
    )


def _manager_problems(manager: str) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    if len(manager.encode()) > _FIELD_MANAGER_BYTES_MAX:
        rule = f"may not be more than {_FIELD_MANAGER_BYTES_MAX} bytes"
        problems.append(FieldProblem("fieldManager", "FieldValueTooLong", f"Too long: {rule}"))
    for position, character in enumerate(manager):
        if not character.isprintable():
            rule = f"invalid character U+{ord(character):04X} (at position {position})"
            problems.append(FieldProblem.invalid("fieldManager", manager, rule))
            break
    return problems


def _dry_run_problems(values: Sequence[JSONValue]) -> list[FieldProblem]:
    if all(value == "All" for value in values):
        return []
    return [FieldProblem.unsupported("dryRun", list(values), ("All",))]


def parse_delete_options(parameters: Parameters, body: bytes = b"") -> DeleteOptions:
    """Return what a deletion asks for: by its body if it has one, else by its parameters.

    Raises:
        BadRequest: The body is not a ``DeleteOptions`` object, or a parameter cannot be parsed.
        Invalid: The policy does not exist, or is given twice; or the dry run is of a kind that does not exist.
    """
    if body:
        return _delete_options_of_body(body)
    dry_run = [value for key, value in parameters if key == "dryRun"]
    _refuse("DeleteOptions", _dry_run_problems(dry_run))
    values = _first_of_each(parameters)
    orphan = is_true(values["orphanDependents"]) if "orphanDependents" in values else None
    return DeleteOptions(
        grace_period_s=_integer(values, "gracePeriodSeconds"),
        propagation_policy=_propagation_policy(values.get("propagationPolicy", ""), orphan=orphan),
        dry_run=bool(dry_run),
    )


def _delete_options_of_body(body: bytes) -> DeleteOptions:
    options = decode(body, problem=lambda text: f"couldn't get version/kind; {text}")
    if not isinstance(options, dict):
        raise bad_request(f"couldn't get version/kind; json parse error: cannot unmarshal {json_type(options)}")
    if options.get("kind", "DeleteOptions") != "DeleteOptions":
        version = options.get("apiVersion", f"{_META_GROUP}/v1")
        raise bad_request(f'no kind "{options["kind"]}" is registered for version "{version}"')
    dry_run = _typed(options, "dryRun", list) or []
    _refuse("DeleteOptions", _dry_run_problems(dry_run))
    preconditions = _typed(options, "preconditions", dict) or {}
    orphan = _typed(options, "orphanDependents", bool)
    return DeleteOptions(
        grace_period_s=_typed(options, "gracePeriodSeconds", int),
        uid=_typed(preconditions, "uid", str) or "",
        resource_version=_typed(preconditions, "resourceVersion", str) or "",
        propagation_policy=_propagation_policy(_typed(options, "propagationPolicy", str) or "", orphan=orphan),
        dry_run=bool(dry_run),
    )


_T = TypeVar("_T", bool, int, str, "list[JSONValue]", "JSONObject")


def _typed(obj: JSONObject, key: str, expected: type[_T]) -> _T | None:
    value = obj.get(key)
    if value is None:
        return None
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        message = f"json: cannot unmarshal {json_type(value)} into Go struct field DeleteOptions.{key}"
        raise bad_request(message)
    return value


def _propagation_policy(policy: str, *, orphan: bool | None) -> str:
    if policy and orphan is not None:
        rule = "orphanDependents and deletionPropagation cannot be both set"
        _refuse("DeleteOptions", [FieldProblem.invalid("propagationPolicy", policy, rule)])
    if policy and policy not in _PROPAGATION_POLICIES:
        supported = (*_PROPAGATION_POLICIES, "nil")
        _refuse("DeleteOptions", [FieldProblem.unsupported("propagationPolicy", policy, supported)])
    if orphan is None:
        return policy
    return "Orphan" if orphan else "Background"


def is_true(value: str | None) -> bool:
    """Return what a boolean parameter says: upstream takes all but ``0`` and ``false`` for true."""
    return value is not None and value != "0" and value.lower() != "false"


def parse_revision(text: str) -> int:
    """Return the revision that a resourceVersion spells; 0 for an empty one.

    Raises:
        ValueError: It is not a whole number; the text says so in upstream's words.
    """
    if text and not _UINT64.fullmatch(text):
        problem = FieldProblem.invalid("resourceVersion", text, f'strconv.ParseUint: parsing "{text}": invalid syntax')
        message = f"{problem.field}: {problem.text}"
        raise ValueError(message)
    return int(text or "0")


def _first_of_each(parameters: Parameters) -> Mapping[str, str]:
    return dict(reversed(parameters))


def _integer(values: Mapping[str, str], key: str) -> int | None:
    text = values.get(key)
    if text is None:
        return None
    if not _INT64.fullmatch(text):
        message = f'strconv.ParseInt: parsing "{text}": invalid syntax'
        raise bad_request(message)
    if len(text) > _INT64_DIGITS_MAX or not -_INT64_LIMIT <= int(text) < _INT64_LIMIT:
        message = f'strconv.ParseInt: parsing "{text}": value out of range'
        raise bad_request(message)
    return int(text)


def _selector(parse: Callable[[str], _S], text: str) -> _S:
    try:
        return parse(text)
    except InvalidSelector as error:
        raise bad_request(error.detail) from None


def _match_with_continue() -> FieldProblem:
    return FieldProblem.forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")


def _refuse(kind: str, problems: Sequence[FieldProblem]) -> None:
    if problems:
        raise invalid(kind, "", problems, group=_META_GROUP)
