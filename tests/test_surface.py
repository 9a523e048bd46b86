"""The public surface: every name that users may import, with its signature, is written down in ``surface.txt``.

A change of it is made on purpose: ``KUBEPRIMS_REWRITE_SURFACE=1`` writes the file anew, and the diff is reviewed.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import os
import pathlib
import types
import typing
from collections.abc import Iterator

import pytest

import kubeprims

SNAPSHOT = pathlib.Path(__file__).with_name("surface.txt")
PACKAGES = ("kubeprims", "kubeprims.testing", "kubeprims.testing.simulator")


def describe(name: str, value: object) -> Iterator[str]:
    if isinstance(value, types.ModuleType):
        yield f"{name}: module"
    elif isinstance(value, type):
        yield from describe_class(name, value)
    elif isinstance(value, types.GenericAlias):
        yield f"{name} = {value}"
    elif callable(value):
        yield f"{name}{signature(value)}"
    else:
        yield f"{name}: {type(value).__name__}"


def describe_class(name: str, cls: type) -> Iterator[str]:
    bases = ", ".join(base.__name__ for base in cls.__bases__ if base is not object)
    yield f"class {name}({bases})" if bases else f"class {name}"
    if issubclass(cls, enum.Enum):
        yield from (f"    {member.name} = {member.value!r}" for member in cls)
        return
    if ("__init__" in vars(cls) or "__new__" in vars(cls)) and not getattr(cls, "_is_protocol", False):
        yield f"    {signature(cls)}"
    for member in sorted({member for owner in described_with(cls) for member in vars(owner)}):
        if not member.startswith("_"):
            yield f"    {describe_member(member, inspect.getattr_static(cls, member))}"


def described_with(cls: type) -> Iterator[type]:
    """Yield the class, and those of its bases that are described nowhere else."""
    for owner in cls.__mro__:
        if owner is cls or (owner.__module__.startswith("kubeprims") and owner.__name__ not in kubeprims.__all__):
            yield owner


def describe_member(name: str, value: object) -> str:
    if isinstance(value, property):
        return f"{name}: property{returned(value.fget)}"
    if isinstance(value, staticmethod | classmethod):
        return f"{name}{signature(value.__func__)}  # {type(value).__name__}"
    if inspect.isfunction(value):
        return f"{name}{signature(value)}"
    return f"{name}: attribute"


def returned(function: object) -> str:
    annotation = getattr(function, "__annotations__", {}).get("return")
    return f" -> {_annotation(annotation)!r}" if annotation else ""


def signature(function: object) -> str:
    assert callable(function)
    found = inspect.signature(function)
    plain = [
        parameter.replace(default=_default(parameter.default), annotation=_annotation(parameter.annotation))
        for parameter in found.parameters.values()
    ]
    return str(found.replace(parameters=plain, return_annotation=_annotation(found.return_annotation)))


class _Shown(str):
    """A text that stands for itself, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _default(default: object) -> object:
    if default is inspect.Parameter.empty or isinstance(default, str | int | float | bytes | tuple | None):
        return default
    if isinstance(default, enum.Enum):
        return _Shown(default)
    return _Shown("...")  # such as a clock: its repr says where it lies in memory


def _annotation(annotation: object) -> object:
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    return _Shown(annotation) if isinstance(annotation, str) else annotation


def surface() -> str:
    lines: list[str] = []
    for package in PACKAGES:
        module = importlib.import_module(package)
        lines += [f"# {package}", ""]
        for name in sorted(module.__all__):
            lines += describe(name, getattr(module, name))
        lines.append("")
    return "\n".join(lines)


def test_the_public_surface_changes_on_purpose_only() -> None:
    actual = surface()
    if os.environ.get("KUBEPRIMS_REWRITE_SURFACE") == "1":
        SNAPSHOT.write_text(actual, encoding="utf-8")
    expected = SNAPSHOT.read_text(encoding="utf-8")
    assert actual == expected, "the surface differs from tests/surface.txt; KUBEPRIMS_REWRITE_SURFACE=1 rewrites it"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_a_docstring(package: str) -> None:
    module = importlib.import_module(package)
    values = {name: getattr(module, name) for name in module.__all__}
    named = {name: value for name, value in values.items() if isinstance(value, type) or inspect.isroutine(value)}
    assert [name for name, value in named.items() if not inspect.getdoc(value)] == []


@pytest.mark.subset
def test_every_public_name_can_be_imported_and_is_listed() -> None:
    for name in kubeprims.__all__:
        assert getattr(kubeprims, name) is not None
        assert name in dir(kubeprims)


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'informr'"):
        kubeprims.informr  # type: ignore[attr-defined] # noqa: B018 - the access is the test
