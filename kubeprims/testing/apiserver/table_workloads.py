"""The rows of what runs pods."""

from __future__ import annotations

import datetime

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.json_paths import mapping_at, mappings_at, text_at
from kubeprims.testing.apiserver.table_cells import (
    NONE,
    UNSET,
    age,
    container_cells,
    human_duration,
    labels_text,
    name_of,
    number_at,
    parse_time,
    selector_text,
    since,
    value_at,
)

Cells = list[JSONValue]
_TEMPLATE = ("spec", "template", "spec")


def _pod_columns(obj: JSONObject) -> Cells:
    selector = selector_text(mapping_at(obj, "spec", "selector")) or NONE
    return [*container_cells(mapping_at(obj, *_TEMPLATE)), selector]


def deployment_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a Deployment's row."""
    return [
        name_of(obj),
        f"{number_at(obj, 'status', 'readyReplicas')}/{number_at(obj, 'spec', 'replicas')}",
        number_at(obj, "status", "updatedReplicas"),
        number_at(obj, "status", "availableReplicas"),
        age(obj, now),
        *container_cells(mapping_at(obj, *_TEMPLATE)),
        selector_text(mapping_at(obj, "spec", "selector")),
    ]


def replica_set_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a ReplicaSet's row."""
    return [*_replicas(obj, now), *_pod_columns(obj)]


def replication_controller_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a ReplicationController's row."""
    pods = container_cells(mapping_at(obj, *_TEMPLATE))
    return [*_replicas(obj, now), *pods, labels_text(mapping_at(obj, "spec", "selector"))]


def _replicas(obj: JSONObject, now: datetime.datetime) -> Cells:
    return [
        name_of(obj),
        number_at(obj, "spec", "replicas"),
        number_at(obj, "status", "replicas"),
        number_at(obj, "status", "readyReplicas"),
        age(obj, now),
    ]


def stateful_set_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a StatefulSet's row."""
    ready = f"{number_at(obj, 'status', 'readyReplicas')}/{number_at(obj, 'spec', 'replicas')}"
    return [name_of(obj), ready, age(obj, now), *container_cells(mapping_at(obj, *_TEMPLATE))]


def daemon_set_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a DaemonSet's row."""
    return [
        name_of(obj),
        *(
            number_at(obj, "status", field)
            for field in (
                "desiredNumberScheduled",
                "currentNumberScheduled",
                "numberReady",
                "updatedNumberScheduled",
                "numberAvailable",
            )
        ),
        labels_text(mapping_at(obj, *_TEMPLATE, "nodeSelector")),
        age(obj, now),
        *_pod_columns(obj),
    ]


_JOB_STATES = (
    ("Complete", "Complete"),
    ("Failed", "Failed"),
    ("", "Terminating"),
    ("Suspended", "Suspended"),
    ("FailureTarget", "FailureTarget"),
    ("SuccessCriteriaMet", "SuccessCriteriaMet"),
)


def job_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a Job's row."""
    true = {
        text_at(condition, "type")
        for condition in mappings_at(obj, "status", "conditions")
        if text_at(condition, "status") == "True"
    }
    if text_at(obj, "metadata", "deletionTimestamp"):
        true.add("")
    status = next((shown for condition, shown in _JOB_STATES if condition in true), "Running")
    return [name_of(obj), status, _completions(obj), _duration(obj, now), age(obj, now), *_pod_columns(obj)]


def _completions(obj: JSONObject) -> str:
    succeeded = number_at(obj, "status", "succeeded")
    if value_at(obj, "spec", "completions") is not None:
        return f"{succeeded}/{number_at(obj, 'spec', 'completions')}"
    parallelism = number_at(obj, "spec", "parallelism")
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _duration(obj: JSONObject, now: datetime.datetime) -> str:
    start = parse_time(text_at(obj, "status", "startTime"))
    if start is None:
        return ""
    end = parse_time(text_at(obj, "status", "completionTime")) or now
    return human_duration(int((end - start).total_seconds()))


def cron_job_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a CronJob's row."""
    last, suspend = text_at(obj, "status", "lastScheduleTime"), value_at(obj, "spec", "suspend")
    job = mapping_at(obj, "spec", "jobTemplate")
    return [
        name_of(obj),
        text_at(obj, "spec", "schedule"),
        text_at(obj, "spec", "timeZone") or NONE,
        str(suspend) if isinstance(suspend, bool) else UNSET,
        len(mappings_at(obj, "status", "active")),
        since(last, now) if last else NONE,
        age(obj, now),
        *_pod_columns(job),
    ]
