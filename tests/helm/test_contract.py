"""The chart's contract, a test a line, over what a real helm makes of three files of values.

How: each test looks at every pod of an example, so that a part that is added is looked at as well.
"""

import kubernetes_validate
import pytest

from streams.kafka.acl_table import COMPONENTS
from tests.support.chart import (
    CHART,
    EXAMPLES,
    KUBERNETES,
    NAME,
    Manifest,
    component,
    lasting,
    manifests,
    named,
    of_kind,
    pods,
    ran,
)

# Of the Prometheus operator, whose schemas are not Kubernetes'; tests/helm/test_monitoring.py.
FOREIGN = {"ServiceMonitor", "PrometheusRule"}
every_example = pytest.mark.parametrize("example", EXAMPLES)


@pytest.mark.integration  # It starts processes.
@every_example
def test_helm_finds_nothing_to_say(example: str) -> None:
    said = ran(
        *("lint", CHART, "--strict", "--kube-version", KUBERNETES),
        *("-f", CHART / "examples" / f"{example}.yaml"),
    )
    assert "1 chart(s) linted, 0 chart(s) failed" in said
    assert "WARNING" not in said


@pytest.mark.integration  # It starts processes.
@every_example
def test_every_manifest_is_valid_and_has_no_field_that_kubernetes_does_not_know(
    example: str,
) -> None:
    found = [each for each in manifests(example) if each["kind"] not in FOREIGN]
    for each in found:
        kubernetes_validate.validate(each, KUBERNETES.rpartition(".")[0], strict=True)
    assert len(found) > 40
    places = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert len(set(places)) == len(places), "two objects have one name"
    assert all(each["metadata"]["namespace"] == "flumina" for each in found)


def test_a_misspelt_field_would_be_refused() -> None:
    """The test above can fail."""
    cell = named(manifests("small"), "StatefulSet", "-cell")
    wrong = {**cell, "spec": {**cell["spec"], "replicaz": 2}}
    with pytest.raises(kubernetes_validate.ValidationError, match="replicaz"):
        kubernetes_validate.validate(wrong, "1.34", strict=True)


@every_example
def test_pods_run_as_a_fixed_user_that_is_not_root_under_seccomp(example: str) -> None:
    for _, spec in pods(manifests(example)):
        context = spec["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] == 10_001
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not any(spec.get(each) for each in ("hostNetwork", "hostPID", "hostIPC"))


@every_example
def test_containers_may_nothing_and_write_only_where_they_have_to(example: str) -> None:
    for _, spec in pods(manifests(example)):
        (container,) = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "privileged": False,
            "capabilities": {"drop": ["ALL"]},
        }
        mounts = {each["name"]: each for each in container["volumeMounts"]}
        writable = {name for name, each in mounts.items() if not each.get("readOnly")}
        assert writable == {"data", "tmp"}
        volumes = {each["name"]: each for each in spec["volumes"]}
        assert "sizeLimit" in volumes["tmp"]["emptyDir"]
        assert not any("hostPath" in each for each in volumes.values())


@every_example
def test_no_token_of_kubernetes_is_mounted_anywhere(example: str) -> None:
    found = manifests(example)
    accounts = {each["metadata"]["name"] for each in of_kind(found, "ServiceAccount")}
    for _, spec in pods(found):
        assert spec["automountServiceAccountToken"] is False
        assert spec["serviceAccountName"] in accounts
    assert all(
        each["automountServiceAccountToken"] is False for each in of_kind(found, "ServiceAccount")
    )
    kinds = {each["kind"] for each in found}
    assert not kinds & {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "Secret"}


@every_example
def test_memory_is_asked_for_as_it_is_limited_and_images_are_named_by_digest(example: str) -> None:
    for _, spec in pods(manifests(example)):
        (container,) = spec["containers"]
        resources = container["resources"]
        assert resources["requests"]["memory"] == resources["limits"]["memory"]
        assert "cpu" in resources["requests"]
        assert "cpu" not in resources["limits"], "throttling makes a leader lose its term"
        name, _, digest = container["image"].partition("@sha256:")
        assert len(digest) == 64
        assert ":" not in name.rpartition("/")[2]


@every_example
def test_workers_with_local_state_are_stateful_sets_that_start_together(example: str) -> None:
    found = manifests(example)
    stateful = of_kind(found, "StatefulSet")
    assert {component(each) for each in stateful} >= {"cell", "health"}
    for each in stateful:
        assert each["spec"]["podManagementPolicy"] == "Parallel"
        assert [claim["metadata"]["name"] for claim in each["spec"]["volumeClaimTemplates"]] == [
            "data"
        ]
        assert (
            named(found, "Service", each["metadata"]["name"].removeprefix(NAME))["spec"][
                "clusterIP"
            ]
            == "None"
        )


@every_example
def test_a_cell_has_a_hot_standby_whose_name_is_that_of_its_pod(example: str) -> None:
    cell = named(manifests(example), "StatefulSet", "-cell")
    assert cell["spec"]["replicas"] >= 2
    (container,) = cell["spec"]["template"]["spec"]["containers"]
    values = {each["name"]: each.get("value") for each in container["env"]}
    assert values["FLUMINA_CANDIDATE"] == "$(POD_NAME)"


@every_example
def test_no_more_than_one_decider_is_taken_away_at_a_time(example: str) -> None:
    found = manifests(example)
    for part in ("cell", "query"):
        budget = named(found, "PodDisruptionBudget", f"-{part}")["spec"]
        assert budget["maxUnavailable"] == 1
        owner = [each for each, _ in lasting(found) if component(each) == part]
        assert [each["spec"]["selector"] for each in owner] == [budget["selector"]]
    apis = {each["metadata"]["name"] for each in of_kind(found, "Deployment")} & {
        each["metadata"]["name"] for each in of_kind(found, "PodDisruptionBudget")
    }
    assert len(apis) == (3 if example == "hardened" else 2)


@every_example
def test_pods_of_a_part_keep_apart_by_host_and_zone(example: str) -> None:
    for owner, spec in lasting(manifests(example)):
        selector = owner["spec"]["selector"]
        (apart,) = spec["affinity"]["podAntiAffinity"][
            "preferredDuringSchedulingIgnoredDuringExecution"
        ]
        assert apart["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
        assert apart["podAffinityTerm"]["labelSelector"] == selector
        (spread,) = spec["topologySpreadConstraints"]
        assert spread["topologyKey"] == "topology.kubernetes.io/zone"
        assert spread["labelSelector"] == selector


@every_example
def test_probes_mean_three_things(example: str) -> None:
    for _, spec in lasting(manifests(example)):
        (container,) = spec["containers"]
        paths = [
            container[each]["httpGet"]["path"]
            for each in ("startupProbe", "readinessProbe", "livenessProbe")
        ]
        # What /live looks at is held by tests/unit/probes: nothing, least of all Kafka.
        assert paths == ["/started", "/ready", "/live"]
        ports = {each["name"]: each["containerPort"] for each in container["ports"]}
        assert ports["probes"] == 7190
        assert container["livenessProbe"]["failureThreshold"] > 1


@every_example
def test_a_pod_has_time_to_end(example: str) -> None:
    for _, spec in lasting(manifests(example)):
        (container,) = spec["containers"]
        pause_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        drain_s = 30  # stopping.drainSeconds
        assert spec["terminationGracePeriodSeconds"] > pause_s + drain_s


def test_only_telemetry_is_scaled_by_its_lag_and_never_a_decider() -> None:
    for example in EXAMPLES:
        found = manifests(example)
        scaled = of_kind(found, "HorizontalPodAutoscaler")
        targets = [each["spec"]["scaleTargetRef"]["name"] for each in scaled]
        assert targets == ([f"{NAME}-query"] if example == "production" else [])
        for each in scaled:
            (metric,) = each["spec"]["metrics"]
            assert metric["pods"]["metric"]["name"] == "flumina_query_readers"
            target = named(found, "Deployment", "-query")
            assert "replicas" not in target["spec"], "an upgrade would undo what the lag made"


@pytest.mark.integration  # It starts processes.
@every_example
def test_settings_make_a_pod_anew_and_secrets_are_only_named(example: str) -> None:
    found = manifests(example)
    for owner, spec in lasting(found):
        annotations = owner["spec"]["template"]["metadata"]["annotations"]
        assert len(annotations["checksum/settings"]) == 64
        (container,) = spec["containers"]
        assert container["envFrom"] == [{"configMapRef": {"name": f"{NAME}-settings"}}]
    other = manifests(example, "--set-string", "settings.FLUMINA_BEHIND_S=60")
    assert _checksum(found) != _checksum(other)
    data = named(found, "ConfigMap", "-settings")["data"]
    # What may hold a secret holds the place of one, in a folder of mounted Secrets.
    for name in ("FLUMINA_TOKEN_FILE", "FLUMINA_KAFKA_PASSWORD_FILE", "FLUMINA_ACCESS"):
        assert data.get(name, "/etc/flumina/").startswith("/etc/flumina/")
    assert not {"FLUMINA_TOKEN", "FLUMINA_PAGE_SECRET"} & data.keys()


def _checksum(found: tuple[Manifest, ...]) -> str:
    cell = named(found, "StatefulSet", "-cell")
    return str(cell["spec"]["template"]["metadata"]["annotations"]["checksum/settings"])


@every_example
def test_every_file_that_a_setting_names_is_mounted(example: str) -> None:
    found = manifests(example)
    data = named(found, "ConfigMap", "-settings")["data"]
    wanted = {text.rpartition("/")[0] for text in data.values() if text.startswith("/etc/flumina/")}
    assert wanted
    for _, spec in pods(found):
        (container,) = spec["containers"]
        assert wanted <= {each["mountPath"] for each in container["volumeMounts"]}


def test_only_who_seals_and_opens_secrets_has_their_key() -> None:
    holders = {
        component(owner)
        for owner, spec in pods(manifests("hardened"))
        if any(each["name"] == "secret-key" for each in spec["volumes"])
    }
    assert holders == {"api", "cell"}
    for owner, spec in pods(manifests("production")):
        values = {each["name"]: each.get("value") for each in spec["containers"][0].get("env", [])}
        key = "kms:alias/flumina" if component(owner) in {"api", "cell"} else None
        assert values.get("FLUMINA_SECRET_PROVIDER") == key


def test_a_part_has_its_own_name_at_kafka_and_nobody_elses_password() -> None:
    """Each name is one of the table of access control, of the component that the part is."""
    found = manifests("production")
    shared = named(found, "ConfigMap", "-settings")["data"]
    assert shared["FLUMINA_KAFKA_USER"] == "flumina-operator"
    as_another = {"topics": "bootstrap", "archive": "history", "restore-test": "snapshots"}
    seen = set()
    for owner, spec in pods(found):
        part = component(owner)
        (container,) = spec["containers"]
        values = {each["name"]: each.get("value") for each in container["env"]}
        own = as_another.get(part, part)
        user = f"flumina-{own}" if own in COMPONENTS else "flumina-operator"
        assert values.get("FLUMINA_KAFKA_USER", "flumina-operator") == user
        (folder,) = [each for each in spec["volumes"] if each["name"] == "kafka-password"]
        key = user.removeprefix("flumina-")
        assert folder["secret"]["items"] == [{"key": key, "path": key}]
        if user != "flumina-operator":
            place = f"/etc/flumina/kafka-password/{key}"
            assert values["FLUMINA_KAFKA_PASSWORD_FILE"] == place
        seen.add(own)
    assert seen >= {"cell", "api", "query", "bootstrap", "history", "snapshots", "health"}


def test_a_part_has_its_own_certificate_for_kafka() -> None:
    for owner, spec in pods(manifests("hardened")):
        (folder,) = [each for each in spec["volumes"] if each["name"] == "kafka-certificate"]
        own = {"cell": "cell", "topics": "bootstrap"}.get(component(owner), "client")
        assert folder["secret"]["secretName"] == f"flumina-kafka-{own}"


@every_example
def test_topics_are_made_before_an_installation_and_before_an_upgrade(example: str) -> None:
    found = manifests(example)
    job = named(found, "Job", "-topics")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["metadata"]["annotations"]["helm.sh/hook-delete-policy"] == "before-hook-creation"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["topics", "ensure"]
    # The hook runs before the ConfigMap is there, and by an account that is a hook as well.
    assert "envFrom" not in container
    account = named(found, "ServiceAccount", "-topics")["metadata"]["annotations"]
    assert int(account["helm.sh/hook-weight"]) < int(
        job["metadata"]["annotations"]["helm.sh/hook-weight"]
    )


@every_example
def test_there_is_a_pod_for_helm_test_and_jobs_by_the_clock(example: str) -> None:
    found = manifests(example)
    (test,) = of_kind(found, "Pod")
    assert test["metadata"]["annotations"]["helm.sh/hook"] == "test"
    clocked = {component(each) for each in of_kind(found, "CronJob")}
    assert clocked == {"snapshots", "archive", "restore-test"}
    for each in of_kind(found, "CronJob"):
        assert each["spec"]["concurrencyPolicy"] == "Forbid"
        assert each["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] >= 60


def test_a_part_may_have_a_role_of_its_own_in_the_cloud() -> None:
    found = manifests("production")
    roles = {
        component(each): (each["metadata"].get("annotations") or {}).get(
            "eks.amazonaws.com/role-arn"
        )
        for each in of_kind(found, "ServiceAccount")
    }
    assert {part: role.rpartition("/")[2] for part, role in roles.items() if role} == {
        "cell": "flumina-cell",
        "history": "flumina-history",
        "fleet": "flumina-fleet",
    }


def test_several_cells_have_an_api_each_and_one_front() -> None:
    found = manifests("hardened")
    apis = [each for each in of_kind(found, "Deployment") if component(each) == "api"]
    assert sorted(each["metadata"]["name"] for each in apis) == [
        f"{NAME}-api-east",
        f"{NAME}-api-west",
    ]
    front = named(found, "Deployment", "-federation")
    (container,) = front["spec"]["template"]["spec"]["containers"]
    assert container["args"][-1] == f"west=https://{NAME}-api-west.flumina.svc:7100"
    slices = [each for each in of_kind(found, "StatefulSet") if component(each) == "health"]
    taken = [
        number
        for each in slices
        for number in each["spec"]["template"]["spec"]["containers"][0]["args"][3].split(",")
    ]
    assert sorted(map(int, taken)) == list(range(12)), "each partition is judged once"
