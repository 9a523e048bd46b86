"""YAML in and out."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims import yaml_text
from kubeprims.errors import DecodeError
from kubeprims.meta import JSONValue
from kubeprims.yaml_text import NODES_MAX, dump_document, load_document, load_documents

json_values: st.SearchStrategy[JSONValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@given(json_values)
def test_what_is_written_reads_back(value: JSONValue) -> None:
    assert load_documents(dump_document(value).encode()) == [value]


@given(st.dictionaries(st.text(alphabet=st.characters(codec="ascii", exclude_categories=["C"])), st.integers()))
def test_json_is_yaml(value: dict[str, JSONValue]) -> None:
    assert load_documents(json.dumps(value).encode()) == [value]


@given(st.binary() | st.text(alphabet="{}[]:,-&*!|>'\"#\n aY1.").map(str.encode))
def test_any_bytes_are_documents_or_one_error(content: bytes) -> None:
    for load in (load_documents, load_document):
        try:
            load(content)
        except DecodeError:
            continue


def test_documents_are_separate_and_may_be_empty() -> None:
    assert load_documents(b"a: 1\n---\n---\n- b\n") == [{"a": 1}, None, ["b"]]
    assert load_documents(b"") == []


def test_times_stay_text_and_keys_become_text() -> None:
    content = b"when: 2026-01-02T03:04:05Z\nday: 2026-01-02\nhouse: {2: a, true: b, 1.5: c}\nbad: 2026-99-99\n"
    assert load_documents(content) == [
        {
            "when": "2026-01-02T03:04:05Z",
            "day": "2026-01-02",
            "house": {"2": "a", "true": "b", "1.5": "c"},
            "bad": "2026-99-99",
        }
    ]
    assert load_documents(b"false: 1") == [{"false": 1}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [", r"^is not YAML: .* \(line 1, column 5\)$"),
        (b"a: 'secret", r"^is not YAML"),
        (b"a: *secret", r"^is not YAML: found undefined alias \.\.\."),
        (b"!!python/object:os.system {}", r"^is not YAML"),
        (b"a: !!int ''", r"^is not YAML: "),
        (b"!!set {a}", "a set, which JSON cannot say"),
        (b"!!binary aGk=", "a bytes, which JSON cannot say"),
        (b"? [a]\n: b", r"^is not YAML|neither text nor a number"),
        (b"? !!timestamp 2026-01-02\n: b", "neither text nor a number"),
        (b"&a [*a]", "nested deeper"),
        (b"a: 1\nb: 2\na: 3", r"^is not YAML: found a key twice \(line 1, column 1\)$"),
        (b"{1: a, '1': b}", "found a key twice"),
        (b"{1: a, true: b}", "found a key twice"),
        (b"[" * 5000, "^is not YAML: RecursionError$"),
    ],
)
def test_what_cannot_be_read_is_one_error_without_a_quotation(content: bytes, said: str) -> None:
    with pytest.raises(DecodeError, match=said) as caught:
        load_documents(content)
    assert "secret" not in str(caught.value)


def test_merged_keys_give_way_to_the_mappings_own() -> None:
    assert load_documents(b"base: &b {a: 1, c: 2}\nown: {<<: *b, a: 3}") == [
        {"base": {"a": 1, "c": 2}, "own": {"a": 3, "c": 2}}
    ]


def test_aliases_cannot_stand_for_more_than_can_be_held() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(DecodeError, match=f"more than {NODES_MAX} values"):
        load_documents("\n".join(lines).encode())


@pytest.mark.parametrize("load", [load_document, load_documents])
def test_merged_keys_cannot_add_up_to_more_than_can_be_held(
    load: Callable[[bytes], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"base: &b {a: 1, b: 2, c: 3}\nown: {<<: *b, d: 4}"
    assert load(content)
    monkeypatch.setattr(yaml_text, "NODES_MAX", 3)
    with pytest.raises(DecodeError, match=r"found more than 3 merged keys \(line 2, column 6\)$"):
        load(content)


def test_one_document_keeps_the_types_of_its_reader() -> None:
    found = load_document(b"1: 2026-01-02")
    assert isinstance(found, dict)
    assert next(iter(found)) == 1
    with pytest.raises(DecodeError, match="is not YAML: but found another document"):
        load_document(b"a\n---\nb")
    with pytest.raises(DecodeError, match="is not YAML: ValueError"):
        load_document(b"a: 2026-99-99")


def test_objects_are_written_as_blocks_with_sorted_keys() -> None:
    assert dump_document({"b": ["x", {"c": "2026-01-02"}], "a": {}}) == "a: {}\nb:\n- x\n- c: '2026-01-02'\n"
