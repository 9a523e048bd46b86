from __future__ import annotations

import sys

import pytest

from kubeprims import objects
from kubeprims.objects import content, msgspec_json, stdlib_json
from kubeprims.objects.codec import StdlibCodec, default_codec
from kubeprims.objects.msgspec_codec import MsgspecCodec

RAW = b'{"metadata":{"name":"a","managedFields":[]}}'


def test_the_default_codec_is_the_fastest_that_is_installed() -> None:
    assert isinstance(default_codec(), MsgspecCodec)
    assert content._implementation() is msgspec_json
    assert default_codec().to_record(RAW)[4] == b'{"metadata":{"name":"a"}}'
    assert default_codec(keep_managed_fields=True).to_record(RAW)[4] == RAW


def test_without_msgspec_the_standard_library_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubeprims.objects.msgspec_codec", None)
    monkeypatch.setitem(sys.modules, "kubeprims.objects.msgspec_json", None)
    assert isinstance(default_codec(), StdlibCodec)
    assert default_codec(keep_managed_fields=True).to_record(RAW)[4] == RAW
    monkeypatch.delattr(objects, "msgspec_json")
    content._implementation.cache_clear()
    try:
        assert content._implementation() is stdlib_json
        assert content.decode_content(RAW)["metadata"] == {"name": "a", "managedFields": []}
    finally:
        content._implementation.cache_clear()
