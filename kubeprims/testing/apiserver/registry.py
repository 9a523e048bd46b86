"""Which resources are served at the moment."""

from __future__ import annotations

from collections.abc import Sequence

from kubeprims.testing.apiserver.built_in_schemas import built_in_schema
from kubeprims.testing.apiserver.kinds import BUILT_IN_KINDS, Kind
from kubeprims.testing.apiserver.schema import Schema
from kubeprims.testing.apiserver.status import unknown_resource


class Registry:
    """The built-in kinds, and those of the definitions that there are.

    Concurrency:
        The writer alone changes it, under the storage's lock; readers see the kinds before or after a change.
    """

    def __init__(self) -> None:
        self._custom: dict[str, tuple[Kind, ...]] = {}
        self._kinds = BUILT_IN_KINDS
        self._by_name = {(kind.group, kind.version, kind.resource): kind for kind in BUILT_IN_KINDS}
        self.type_names = _type_names(BUILT_IN_KINDS)
        """Kind and version of everything that is served, as objects name them."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """All kinds that are served."""
        return self._kinds

    def resolve(self, group: str, version: str, resource: str) -> Kind:
        """Return the kind that is served under a name.

        Raises:
            NotFound: There is none.
        """
        kind = self._by_name.get((group, version, resource))
        if kind is None:
            raise unknown_resource()
        return kind

    @staticmethod
    def schema(kind: Kind) -> Schema:
        """Return what the objects of a kind that is served look like."""
        schema = kind.schema or built_in_schema(kind.gvk)
        assert schema is not None, f"the schema of the built-in kind {kind.gvk} is in the file"
        return schema

    def install(self, definition: str, kinds: Sequence[Kind]) -> None:
        """Serve the kinds of a definition, in place of those that it had before."""
        self._replace({**self._custom, definition: tuple(kinds)})

    def uninstall(self, definition: str) -> None:
        """Serve the kinds of a definition no more."""
        self._replace({name: kinds for name, kinds in self._custom.items() if name != definition})

    def _replace(self, custom: dict[str, tuple[Kind, ...]]) -> None:
        self._custom = custom
        self._kinds = (*BUILT_IN_KINDS, *(kind for kinds in custom.values() for kind in kinds))
        self._by_name = {(kind.group, kind.version, kind.resource): kind for kind in self._kinds}
        self.type_names = _type_names(self._kinds)


def _type_names(kinds: Sequence[Kind]) -> frozenset[tuple[str, str]]:
    return frozenset((kind.kind, kind.api_version) for kind in kinds)
