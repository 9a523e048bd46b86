"""Kubeconfig files: read, checked, merged."""

from __future__ import annotations

import base64
import logging
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import ConfigError
from kubeprims.transport.kubeconfig import Kubeconfig, load, parse
from kubeprims.transport.origin import FILE_BYTES_MAX
from tests.parity import case

WHOLE = """
apiVersion: v1
kind: Config
preferences: {}
current-context: prod
clusters:
- name: c
  cluster:
    server: https://api.example.com:6443
    tls-server-name: kubernetes
    certificate-authority: pki/ca.crt
    certificate-authority-data: Y2E=
    proxy-url: http://user:pw@proxy:3128
    disable-compression: true
    extensions:
    - name: other
      extension: {}
    - name: client.authentication.k8s.io/exec
      extension: {audience: x}
users:
- name: u
  user:
    client-certificate: pki/me.crt
    client-certificate-data: Y2VydA==
    client-key: /etc/me.key
    client-key-data: a2V5
    token: s3cret
    tokenFile: token
    username: jane
    password: s3cret
    as: joe
    as-uid: "7"
    as-groups: [dev, ops]
    as-user-extra: {scopes: [a, b]}
    auth-provider: {name: oidc, config: {id-token: s3cret}}
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: ./bin/login
      args: [--secret, s3cret]
      env: [{name: KEY, value: s3cret}]
      installHint: get it
      provideClusterInfo: true
      interactiveMode: Never
contexts:
- name: prod
  context: {cluster: c, user: u, namespace: web}
"""


def write(path: Path, content: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return str(path)


def minimal(*, user: str = "{}", cluster: str = "{server: https://a}", name: str = "u") -> str:
    return f"""
clusters: [{{name: c, cluster: {cluster}}}]
users: [{{name: {name}, user: {user}}}]
contexts: [{{name: x, context: {{cluster: c, user: {name}}}}}]
current-context: x
"""


def test_every_field_is_read(tmp_path: Path) -> None:
    source = write(tmp_path / "config", WHOLE)
    context, cluster, user = load(source).choose()
    assert (context.cluster, context.user, context.namespace) == ("c", "u", "web")
    assert cluster.server == "https://api.example.com:6443"
    assert cluster.tls_server_name == "kubernetes"
    assert cluster.certificate_authority_data == b"ca"
    assert cluster.proxy_url == "http://user:pw@proxy:3128"
    assert cluster.disable_compression
    assert not cluster.insecure_skip_tls_verify
    assert cluster.exec_config == {"audience": "x"}
    assert cluster.origin == (source, 'cluster "c"')
    assert (user.client_certificate_data, user.client_key_data) == (b"cert", b"key")
    assert (user.token, user.username, user.password) == ("s3cret", "jane", "s3cret")
    assert (user.impersonate_user, user.impersonate_uid) == ("joe", "7")
    assert user.impersonate_groups == ("dev", "ops")
    assert user.impersonate_extra == (("scopes", ("a", "b")),)
    assert user.auth_provider is not None
    assert user.auth_provider.config == (("id-token", "s3cret"),)
    plugin = user.exec_plugin
    assert plugin is not None
    assert (plugin.api_version, plugin.args) == ("client.authentication.k8s.io/v1", ("--secret", "s3cret"))
    assert plugin.env == (("KEY", "s3cret"),)
    assert (plugin.install_hint, plugin.provide_cluster_info, plugin.interactive_mode) == ("get it", True, "Never")


def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    shown = repr(load(write(tmp_path / "config", WHOLE)))
    assert "s3cret" not in shown
    assert "b'key'" not in shown
    assert "pw" not in shown
    server = "clusters: [{name: c, cluster: {server: 'https://me:s3cret@k.test'}}]"
    assert "s3cret" not in repr(load(write(tmp_path / "config", server)))


@case("IM-193")
def test_relative_paths_start_at_their_own_file_and_a_bare_command_is_left_to_path(tmp_path: Path) -> None:
    user = """{client-certificate: me.crt, client-key: ../me.key, tokenFile: t, exec: {command: ./login}}"""
    first = write(
        tmp_path / "one" / "config", minimal(user=user, cluster="{server: https://a, certificate-authority: ca}")
    )
    second = write(tmp_path / "two" / "config", "users: [{name: v, user: {tokenFile: t, exec: {command: login}}}]")
    merged = load(environ={"KUBECONFIG": f"{first}:{second}"})
    one = tmp_path / "one"
    assert merged.clusters["c"].certificate_authority == str(one / "ca")
    jane, joe = merged.users["u"], merged.users["v"]
    assert (jane.client_certificate, jane.client_key, jane.token_file) == (
        str(one / "me.crt"),
        str(one / "../me.key"),
        str(one / "t"),
    )
    assert jane.exec_plugin is not None
    assert jane.exec_plugin.command == str(one / "login")
    assert joe.token_file == str(tmp_path / "two" / "t")
    assert joe.exec_plugin is not None
    assert joe.exec_plugin.command == "login"


def test_an_absolute_path_stays(tmp_path: Path) -> None:
    user = parse(b"users: [{name: u, user: {tokenFile: /run/t}}]", source="relative/config").users["u"]
    assert user.token_file == "/run/t"


@case("IM-190")
def test_of_two_files_the_first_that_defines_a_user_wins_as_a_whole(tmp_path: Path) -> None:
    first = write(tmp_path / "a", "users: [{name: u, user: {username: jane}}]")
    second = write(tmp_path / "b", "users: [{name: u, user: {username: joe, password: p}}, {name: v}]")
    merged = load(environ={"KUBECONFIG": os.pathsep.join((first, second))})
    assert merged.users["u"].username == "jane"
    assert merged.users["u"].password == ""
    assert "v" in merged.users
    assert merged.sources == (first, second)


@case("IM-191")
def test_the_first_current_context_that_is_set_wins(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / "a", "current-context: ''"),
        write(tmp_path / "b", "current-context: two"),
        write(tmp_path / "c", "current-context: three"),
    ]
    assert load(environ={"KUBECONFIG": os.pathsep.join(paths)}).current_context == "two"


@case("IM-192")
def test_missing_files_of_a_list_are_skipped_with_a_warning_if_all_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    there = write(tmp_path / "a", minimal())
    missing = str(tmp_path / "no")
    with caplog.at_level(logging.WARNING):
        assert load(environ={"KUBECONFIG": f"{missing}:{there}::{there}"}).sources == (there,)
        assert not caplog.records
        assert load(environ={"KUBECONFIG": missing}).is_empty
        assert [record.getMessage() for record in caplog.records] == ["no file that KUBECONFIG names exists"]


def test_without_a_list_the_file_in_the_home_folder_is_read_silently(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert load(environ={"HOME": str(tmp_path)}).is_empty
    assert load(environ={}).is_empty
    assert not caplog.records
    write(tmp_path / ".kube" / "config", minimal())
    assert load(environ={"HOME": str(tmp_path)}).current_context == "x"


def test_a_file_that_cannot_be_opened_is_not_a_missing_one(tmp_path: Path) -> None:
    write(tmp_path / "file", "")
    with pytest.raises(ConfigError, match="cannot read"):
        load(environ={"KUBECONFIG": str(tmp_path / "file" / "below")})
    with pytest.raises(ConfigError, match="not the name of a file"):
        load(environ={"KUBECONFIG": "a\0b"})


def test_an_explicit_path_stands_alone_and_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "no", environ={"KUBECONFIG": write(tmp_path / "a", minimal())})
    assert str(caught.value) == f"{tmp_path}/no: cannot read {tmp_path}/no: No such file or directory"


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    assert load(write(tmp_path / "a", "")).is_empty
    assert load(write(tmp_path / "a", "apiVersion: v1\nkind: Config\nclusters: null")).is_empty


@case("IM-194")
@pytest.mark.parametrize("listing", ["clusters", "users", "contexts"])
def test_two_entries_of_one_name_in_a_file_are_an_error(listing: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"{listing}: [{{name: a}}, {{name: b}}, {{name: a}}]".encode(), source="/k")
    assert str(caught.value) == f'/k: {listing[:-1]} "a": name: there are two of that name in {listing}'


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("- a", "/k: must be a mapping, not a list"),
        ("x", "/k: must be a mapping, not a string"),
        ("kind: Pod", '/k: kind: must be "Config", not "Pod"'),
        ("apiVersion: v2", '/k: apiVersion: must be "v1", not "v2"'),
        ("clusters: {a: b}", "/k: clusters: must be a list, not a mapping"),
        ("clusters: [7]", "/k: clusters[0]: must be a mapping, not a number"),
        ("users: [{name: 7}]", "/k: users[0].name: must be a string, not a number; put it in quotes"),
        ("users: [{name: u, user: x}]", '/k: user "u": user: must be a mapping, not a string'),
        (minimal(user="{token: 123}"), '/k: user "u": token: must be a string, not a number; put it in quotes'),
        (minimal(user="{token: 2020-01-01}"), '/k: user "u": token: must be a string, not date'),
        (minimal(user="{client-key-data: '%%'}"), '/k: user "u": client-key-data: is not base64'),
        (minimal(user="{client-key-data: 'ä'}"), '/k: user "u": client-key-data: is not base64'),
        (minimal(user="{as-groups: dev}"), '/k: user "u": as-groups: must be a list, not a string'),
        (minimal(user="{as-groups: [1]}"), '/k: user "u": as-groups: must be a list of strings, not a number'),
        (minimal(user="{as-user-extra: {a: b}}"), '/k: user "u": as-user-extra.a: must be a list, not a string'),
        (
            minimal(user="{as-user-extra: {1: [b]}}"),
            '/k: user "u": as-user-extra: a field\'s name must be a string, not a number',
        ),
        (minimal(user="{exec: {}}"), '/k: user "u": exec.command: is missing'),
        (minimal(user="{exec: {command: a, env: [1]}}"), '/k: user "u": exec.env[0]: must be a mapping, not a number'),
        (
            minimal(cluster="{insecure-skip-tls-verify: 'yes'}"),
            '/k: cluster "c": insecure-skip-tls-verify: must be true or false, not a string',
        ),
    ],
)
def test_a_field_of_the_wrong_type_is_named_with_file_and_entry(content: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(content.encode(), source="/k")
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "content",
    [
        b"a: [",
        b"\ta",
        b"\xff\xfe\xff",
        b"a: *secret_alias",
        b"!!python/object:os.x {}",
        b"a: 2020-99-99",
        b"[" * 1500,
        b"? [a]\n: b",
        b"!!int ''",
    ],
)
def test_what_is_not_yaml_is_one_error_without_a_quotation(content: bytes) -> None:
    with pytest.raises(ConfigError, match=r"^/k: is not YAML: ") as caught:
        parse(content, source="/k")
    assert "secret_alias" not in str(caught.value)


def test_the_place_of_a_yaml_error_is_told() -> None:
    with pytest.raises(ConfigError, match=r"\(line 2, column 5\)$"):
        parse(b"a: b\nc: d: e", source="/k")


def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="longer than"):
        load("/dev/zero")
    with pytest.raises(ConfigError, match="longer than"):
        parse(b" " * (FILE_BYTES_MAX + 1), source="/k")


@pytest.mark.parametrize(
    ("content", "name", "text"),
    [
        (minimal(), "no", '/k: context "no": is not defined (contexts: x)'),
        ("current-context: gone", "", '/k: context "gone": current-context: is not defined (contexts: none)'),
        (minimal().replace("current-context: x", ""), "", "/k: current-context: is not set, and no context was asked for (contexts: x)"),  # noqa: E501 - one case, one line
        (minimal().replace("cluster: c,", "cluster: d,"), "", '/k: context "x": cluster: names the cluster "d", which is not defined'),  # noqa: E501 - one case, one line
        (minimal().replace("cluster: c,", ""), "", '/k: context "x": cluster: is missing'),
        (minimal().replace("user: u}", "user: v}"), "", '/k: context "x": user: names the user "v", which is not defined'),  # noqa: E501 - one case, one line
    ],
)  # fmt: skip
def test_a_dangling_reference_is_named(content: str, name: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(content.encode(), source="/k").choose(name)
    assert str(caught.value) == text


def test_a_context_without_a_user_is_anonymous() -> None:
    _, cluster, user = parse(minimal().replace("user: u}", "user: }").encode(), source="/k").choose("x")
    assert cluster.server == "https://a"
    assert user.token == ""


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "server",
        "certificate-authority",
        "certificate-authority-data",
        "proxy-url",
        "insecure-skip-tls-verify",
        "extensions",
        "token",
        "tokenFile",
        "client-key",
        "client-key-data",
        "as",
        "as-groups",
        "as-user-extra",
        "exec",
        "auth-provider",
        "cluster",
        "user",
        "namespace",
    ]
)
ENTRY = st.dictionaries(FIELDS, JUNK | st.just(base64.b64encode(b"x").decode()), max_size=5) | JUNK
NAMED = st.fixed_dictionaries(
    {}, optional={"name": st.sampled_from(["a", "b"]) | JUNK, "cluster": ENTRY, "user": ENTRY, "context": ENTRY}
)
CONFIG = st.fixed_dictionaries(
    {},
    optional={
        "clusters": st.lists(NAMED, max_size=3) | JUNK,
        "users": st.lists(NAMED, max_size=3) | JUNK,
        "contexts": st.lists(NAMED, max_size=3) | JUNK,
        "current-context": st.sampled_from(["a", "b"]) | JUNK,
        "kind": JUNK,
    },
)


def check_only_config_errors(content: bytes) -> None:
    try:
        loaded = parse(content, source="/k")
        repr(loaded)
        assert isinstance(loaded, Kubeconfig)
        loaded.choose("a")
    except ConfigError as error:
        assert str(error).startswith("/k: ")  # noqa: PT017 - of every example


@given(CONFIG)
def test_any_structure_is_a_kubeconfig_or_a_config_error(value: object) -> None:
    check_only_config_errors(yaml.safe_dump(value).encode())


@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}!&*?|>'\"%@`,# \n\t", max_size=60).map(str.encode))
def test_any_bytes_are_a_kubeconfig_or_a_config_error(content: bytes) -> None:
    check_only_config_errors(content)
