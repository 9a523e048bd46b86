"""Random use of the backend against a model: a dictionary, and a copy of it for each version."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from kubeprims.errors import AlreadyExists, NotFound, ResourceExpired
from kubeprims.meta import JSONObject
from kubeprims.selectors import LabelSelector
from kubeprims.testing.apiserver.queries import ListQuery
from kubeprims.testing.apiserver.watching import Watch
from tests.testing.apiserver.backends import Server, load

CM = "v1/configmaps"
Model = dict[str, tuple[str, str]]  # name: (value, version)

_names = st.sampled_from(["a", "b", "c", "d"])
_values = st.sampled_from(["even", "odd"])


class Replay:
    """What a watcher makes of what it is told."""

    def __init__(self, watch: Watch, state: Model, *, selected: str) -> None:
        self.watch = watch
        self.state = dict(state)
        self.selected = selected
        self.last = 0

    def read(self) -> None:
        while batch := self.watch.next_batch(0):
            for line in batch:
                self._apply(load(line))

    def _apply(self, event: JSONObject) -> None:
        obj = event["object"]
        assert isinstance(obj, dict)
        metadata = obj["metadata"]
        assert isinstance(metadata, dict)
        name, version = str(metadata.get("name")), str(metadata["resourceVersion"])
        assert int(version) >= self.last or self.last == 0, "versions only grow once the objects are out"
        match event["type"]:
            case "BOOKMARK":
                self.last = int(version)
            case "DELETED":
                self.last = int(version)
                del self.state[name]
            case kind:
                assert (kind == "MODIFIED") == (name in self.state)
                labels = metadata["labels"]
                assert isinstance(labels, dict)
                self.state[name] = (str(labels["value"]), version)


class BackendModel(RuleBasedStateMachine):
    pages = Bundle("pages")

    def __init__(self) -> None:
        super().__init__()
        self.server = Server()
        self.kind = self.server.kind(CM)
        self.model: Model = {}
        self.past: dict[int, Model] = {4: {}}
        self.floor = 0
        self.restarted_at = 0
        self.replays: list[Replay] = []

    def _written(self) -> None:
        self.past[self.server.backend.revision] = dict(self.model)

    @rule(name=_names, value=_values)
    def create(self, name: str, value: str) -> None:
        try:
            self.server.create(CM, {"metadata": {"name": name, "labels": {"value": value}}})
        except AlreadyExists:
            assert name in self.model
            return
        assert name not in self.model
        self.model[name] = (value, str(self.server.backend.revision))
        self._written()

    @rule(name=_names, value=_values)
    def update(self, name: str, value: str) -> None:
        try:
            self.server.update(CM, name, {"metadata": {"name": name, "labels": {"value": value}}})
        except NotFound:
            assert name not in self.model
            return
        if self.model[name][0] != value:
            self.model[name] = (value, str(self.server.backend.revision))
            self._written()

    @rule(name=_names)
    def delete(self, name: str) -> None:
        try:
            self.server.delete(CM, name)
        except NotFound:
            assert name not in self.model
            return
        del self.model[name]
        self._written()

    @rule(back=st.integers(0, 5))
    def compact(self, back: int) -> None:
        revision = max(self.server.backend.revision - back, 1)
        self.server.backend.compact(revision)
        self.floor = max(self.floor, revision)

    @rule()
    def restart(self) -> None:
        self.server.backend.close_watches()
        self.server.backend.drop_history()
        self.replays.clear()
        self.restarted_at = self.server.backend.revision

    @rule(selected=st.sampled_from(["", "even", "odd"]), bookmarks=st.booleans())
    def watch_from_the_start(self, selected: str, *, bookmarks: bool) -> None:
        selector = LabelSelector.parse(f"value={selected}" if selected else "")
        watch = self.server.watch(CM, "default", label_selector=selector, allow_bookmarks=bookmarks)
        self.replays.append(Replay(watch, {}, selected=selected))

    @rule(data=st.data(), selected=st.sampled_from(["", "even", "odd"]))
    def watch_from_any_version(self, data: st.DataObject, selected: str) -> None:
        revision = data.draw(st.sampled_from(sorted(self.past)))
        selector = LabelSelector.parse(f"value={selected}" if selected else "")
        watch = self.server.watch(CM, "default", label_selector=selector, resource_version=str(revision))
        if revision < max(self.floor, self.restarted_at):
            batch = watch.next_batch(0)
            assert batch is not None
            assert b'"code":410' in batch[0]
            assert watch.next_batch(0) is None
            return
        state = {name: item for name, item in self.past[revision].items() if selected in {"", item[0]}}
        self.replays.append(Replay(watch, state, selected=selected))

    @rule(data=st.data())
    def list_any_version(self, data: st.DataObject) -> None:
        revision = data.draw(st.sampled_from(sorted(self.past)))
        query = ListQuery(resource_version=str(revision), resource_version_match="Exact")
        try:
            listing = self.server.backend.list(self.kind, "default", query)
        except ResourceExpired:
            assert revision < self.floor
            return
        assert _content(load(listing.body())) == self.past[revision]

    @rule(target=pages, limit=st.integers(1, 3))
    def first_page(self, limit: int) -> tuple[str, int, Model]:
        listing = self.server.backend.list(self.kind, "default", ListQuery(limit=limit))
        return listing.continue_token, int(listing.resource_version), _content(load(listing.body()))

    @rule(page=pages)
    def last_page(self, page: tuple[str, int, Model]) -> None:
        token, revision, seen = page
        if not token:
            return
        try:
            rest = self.server.backend.list(self.kind, "default", ListQuery(continue_token=token))
        except ResourceExpired:
            assert revision < self.floor
            return
        # Other resources are written too, so that the newest version at or before the page's own counts.
        at = max(version for version in self.past if version <= revision)
        assert {**seen, **_content(load(rest.body()))} == self.past[at]

    @invariant()
    def a_list_is_the_model(self) -> None:
        assert _content(load(self.server.backend.list(self.kind, "").body())) == self.model

    @precondition(lambda self: bool(self.replays))
    @rule(data=st.data())
    def a_watch_leads_to_the_model(self, data: st.DataObject) -> None:
        replay = data.draw(st.sampled_from(self.replays))
        replay.read()
        expected = {name: item for name, item in self.model.items() if replay.selected in {"", item[0]}}
        assert replay.state == expected


def _content(body: JSONObject) -> Model:
    items = body["items"]
    assert isinstance(items, list)
    content: Model = {}
    for item in items:
        assert isinstance(item, dict)
        metadata = item["metadata"]
        assert isinstance(metadata, dict)
        labels = metadata["labels"]
        assert isinstance(labels, dict)
        content[str(metadata["name"])] = (str(labels["value"]), str(metadata["resourceVersion"]))
    assert list(content) == sorted(content)
    return content


BackendModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestBackendModel = BackendModel.TestCase
