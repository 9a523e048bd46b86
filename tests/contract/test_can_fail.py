"""The contract can fail: for each chapter, one behaviour of the embedded server is broken, and a script notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from kubeprims.testing import APIServer
from tests.contract import (
    test_admission,
    test_annotation_rules,
    test_apply,
    test_bookmarks,
    test_claim_rules,
    test_conflicts,
    test_container_rules,
    test_crds,
    test_defaults,
    test_deletion,
    test_discovery,
    test_dry_run,
    test_errors,
    test_expiry,
    test_job_rules,
    test_kind_rules,
    test_paging,
    test_patches,
    test_pod_rules,
    test_pod_security,
    test_selectors,
    test_status_rules,
    test_subresources,
    test_tables,
    test_verbs,
    test_volume_rules,
    test_warnings,
    test_watch,
    test_watch_list,
)
from tests.contract.backends import EmbeddedBackend
from tests.contract.exchange import ContractBroken, Exchange, exchange_name
from tests.contract.mutants import (
    ForgetfulServer,
    answers,
    deaf_to,
    mishears_body,
    mishears_header,
    mishears_path,
    mishears_query,
    says,
)
from tests.contract.recording import FOLDER


@dataclass(frozen=True)
class Mutant:
    """One behaviour that is broken, and the script that is to notice."""

    broken: str
    server: Callable[[], APIServer]
    script: Callable[[Exchange], None]

    @property
    def chapter(self) -> str:
        return exchange_name(self.script).partition("/")[0]


MUTANTS = (
    Mutant(
        "the default of a limit range is not heard",
        lambda: mishears_body("POST", b'"defaultRequest"', b'"max"'),
        test_admission.test_limit_ranges_give_pods_their_defaults,
    ),
    Mutant(
        "an apply is taken for a merge patch",
        lambda: mishears_header("content-type", "apply-patch+yaml", "merge-patch+json"),
        test_apply.test_managers_conflict_over_a_field,
    ),
    Mutant(
        "bookmarks are never sent",
        lambda: deaf_to("allowWatchBookmarks"),
        test_bookmarks.test_a_bookmark_names_the_kind_and_nothing_else,
    ),
    Mutant(
        "stale updates are accepted",
        lambda: mishears_body("PUT", b'"resourceVersion"', b'"notTheVersion"'),
        test_conflicts.test_updates_of_a_stale_version,
    ),
    Mutant(
        "a rule is said of another place",
        lambda: says(b"must not contain '..'", b"must not contain '.'"),
        test_container_rules.test_volumes,
    ),
    Mutant(
        "schemas give no defaults",
        lambda: mishears_body("POST", b'"default"', b'"example"'),
        test_crds.test_defaults_are_filled_in,
    ),
    Mutant(
        "a default is another one",
        lambda: says(b'"terminationGracePeriodSeconds":30', b'"terminationGracePeriodSeconds":31'),
        test_defaults.test_pods,
    ),
    Mutant(
        "the grace of a deletion is not heard",
        lambda: deaf_to("gracePeriodSeconds"),
        test_deletion.test_pods_get_their_grace,
    ),
    Mutant(
        "short names are misspelt",
        lambda: says(b'"shortNames":["cm"]', b'"shortNames":["cn"]'),
        test_discovery.test_resources_of_every_version,
    ),
    Mutant("dry runs are done", lambda: deaf_to("dryRun"), test_dry_run.test_nothing_is_stored),
    Mutant(
        "a reason is another one",
        lambda: says(b'"reason":"NotFound"', b'"reason":"Missing"'),
        test_errors.test_what_is_not_there,
    ),
    Mutant(
        "history is never forgotten",
        ForgetfulServer,
        test_expiry.test_compaction_expires_watches_and_versions_and_tokens,
    ),
    Mutant(
        "a number is another one",
        lambda: says(b"above maximum (59)", b"above maximum (60)"),
        test_job_rules.test_schedules,
    ),
    Mutant(
        "a cause is left out",
        lambda: says(b'"field":"spec.parameters.scope"', b'"field":""'),
        test_kind_rules.test_rules_of_ingresses,
    ),
    Mutant("limits are not heard", lambda: deaf_to("limit"), test_paging.test_pages_follow_each_other),
    Mutant(
        "a merge patch does not remove",
        lambda: mishears_body("PATCH", b"null", b'"null"'),
        test_patches.test_merge_patches,
    ),
    Mutant(
        "a rule is said in other words",
        lambda: says(b"must be in the range 1-100", b"must be in the range 0-100"),
        test_pod_rules.test_affinity_to_nodes,
    ),
    Mutant(
        "what is asked of pods is not heard",
        lambda: mishears_body("PATCH", b'"pod-security.kubernetes.io/', b'"pod-safety.kubernetes.io/'),
        test_pod_security.test_labels_that_cannot_be,
    ),
    Mutant(
        "unequal is taken for equal",
        lambda: mishears_query("%21%3D", "%3D"),
        test_selectors.test_label_selectors,
    ),
    Mutant(
        "another field is blamed",
        lambda: says(b'"field":"status.Phase"', b'"field":"status.phase"'),
        test_status_rules.test_nodes_and_namespaces,
    ),
    Mutant(
        "the status is not written apart",
        lambda: mishears_path("/status", ""),
        test_subresources.test_the_status_is_written_apart,
    ),
    Mutant(
        "tables are never made",
        lambda: mishears_header("accept", "as=Table;", ""),
        test_tables.test_what_goes_with_the_rows,
    ),
    Mutant(
        "creation is answered with 200",
        lambda: answers("configmaps", 201, 200),
        test_verbs.test_an_object_lives_from_create_to_delete,
    ),
    Mutant(
        "an annotation is refused in other words",
        lambda: says(b"container not found", b"no such container"),
        test_annotation_rules.test_annotations_that_are_wrong,
    ),
    Mutant(
        "both sources are taken for one",
        lambda: says(b"must match dataSourceRef", b"must equal dataSourceRef"),
        test_claim_rules.test_data_sources,
    ),
    Mutant(
        "a disk has the name of its field",
        lambda: says(b".persistentDisk.", b".gcePersistentDisk."),
        test_volume_rules.test_disks_of_pods,
    ),
    Mutant(
        "nobody is warned of the old word",
        lambda: mishears_body("POST", b"PreferClose", b"PreferSameZone"),
        test_warnings.test_warnings_of_services,
    ),
    Mutant(
        "a watch shows all objects",
        lambda: deaf_to("labelSelector"),
        test_watch.test_objects_enter_and_leave_a_label_selection,
    ),
    Mutant(
        "the end of the first objects is not marked",
        lambda: deaf_to("allowWatchBookmarks"),
        test_watch_list.test_the_objects_come_first_and_a_bookmark_ends_them,
    ),
)


def differences(server: APIServer, script: Callable[[Exchange], None]) -> set[str]:
    """Return what a script finds different on a server."""
    with server, Exchange(EmbeddedBackend(server), exchange_name(script), patience_s=4.0) as exchange:
        try:
            script(exchange)
            exchange.finish()
        except (ContractBroken, KeyError, AssertionError) as error:  # what a broken server answers may end a script
            return {*exchange.differences, str(error)}
    return set(exchange.differences)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.chapter}: {mutant.broken}")
def test_a_broken_server_is_noticed(mutant: Mutant) -> None:
    found = differences(mutant.server(), mutant.script)
    assert found - differences(APIServer(), mutant.script), f"nobody noticed that {mutant.broken}"


def test_every_chapter_has_a_mutant() -> None:
    # kubectl's session has its own, in test_kubectl.py.
    assert {mutant.chapter for mutant in MUTANTS} | {"kubectl"} == {folder.name for folder in FOLDER.iterdir()}
