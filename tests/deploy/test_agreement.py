"""Compose file and manifests agree with the code: commands, options, ports, versions, patience, and with one another."""

import re
from pathlib import Path
from typing import Any

import pytest
import stratos.agent.cli
import typer
from stratos import VERSION
from stratos.agent.intake import read_brief_file
from stratos.tools.serving.container import KEY_VARIABLE, PORT, arguments
from stratos.tools.serving.starting import CPU_READY_TIMEOUT_S
from stratos.tools.serving.vllm import READY_TIMEOUT_S, vllm_command, vllm_environment

from .files import MANIFESTS, ROOT, compose, container, documents, instructions, manifest

SERVED = Path("/models/student")
MODULE = ["tini", "-g", "--", "python", "-P", "-m", "stratos.tools.serving.container"]
USES = re.compile(r"(?:(?<!-n )\bstratos|run --rm agent(?:-gpu)?) +([a-z]+)\b([^|#;&)\n]*)")


def test_every_image_of_ours_has_the_packages_version() -> None:
    used = {service["image"] for service in compose().values() if service["image"].startswith("stratos:")}
    assert used == {f"stratos:{VERSION}-cpu", f"stratos:{VERSION}-gpu"}
    tags = {
        kind: documents(MANIFESTS / kind / "kustomization.yaml")[0]["images"]
        for kind in ("agent", "agent-gpu", "model-cpu")
    }
    assert tags["agent"] == tags["model-cpu"] == [{"name": "stratos", "newTag": f"{VERSION}-cpu"}]
    assert tags["agent-gpu"] == [{"name": "stratos", "newTag": f"{VERSION}-gpu"}]
    assert f"stratos:{VERSION}-cpu" in (ROOT / "Dockerfile").read_text()


def test_vllm_has_one_version() -> None:
    (image,) = documents(MANIFESTS / "model-vllm" / "kustomization.yaml")[0]["images"]
    assert f"{image['name']}:{image['newTag']}" == compose()["vllm"]["image"]
    assert re.fullmatch(r"v\d+\.\d+\.\d+", image["newTag"])


def test_vllm_is_started_as_the_code_starts_it() -> None:
    wanted = vllm_command(SERVED, "student", "0.0.0.0", PORT, None, 0.0)
    in_compose, in_pod = compose()["vllm"], container("model-vllm/deployment.yaml")
    assert in_compose["entrypoint"] + in_compose["command"] == in_pod["command"] == wanted
    ours = {
        name: value
        for name, value in vllm_environment("k", gpu=lambda: True).items()
        if name.startswith(("VLLM_", "HF_HUB_"))
    }
    assert set(in_compose["environment"]) == {one["name"] for one in in_pod["env"]} == set(ours)
    fixed = {one["name"]: one["value"] for one in in_pod["env"] if "value" in one}
    assert fixed == {name: value for name, value in ours.items() if name != "VLLM_API_KEY"}
    assert fixed.items() <= in_compose["environment"].items()


def test_the_cpu_server_is_started_with_words_that_it_knows() -> None:
    in_compose, in_pod = compose()["model"], container("model-cpu/deployment.yaml")
    assert in_compose["entrypoint"] == in_pod["command"] == MODULE
    assert in_compose["command"] == in_pod["args"]
    given = arguments(in_pod["args"])
    assert (given.name, given.folder, given.port) == ("student", SERVED, PORT)
    assert KEY_VARIABLE in in_compose["environment"]
    assert [one["name"] for one in in_pod["env"]] == [KEY_VARIABLE]


def test_ports_are_the_codes() -> None:
    assert ("EXPOSE", str(PORT)) in instructions()
    for name in ("model", "vllm"):
        assert compose()[name]["ports"] == [f"127.0.0.1:${{STRATOS_PORT:-{PORT}}}:{PORT}"]
        assert f"127.0.0.1:{PORT}/health" in compose()[name]["healthcheck"]["test"][-1]
    for kind in ("model-cpu", "model-vllm"):
        assert container(f"{kind}/deployment.yaml")["ports"] == [{"name": "http", "containerPort": PORT}]
    (_, model) = documents(MANIFESTS / "common" / "network.yaml")
    assert model["spec"]["ingress"] == [{"ports": [{"port": PORT, "protocol": "TCP"}]}]


@pytest.mark.parametrize(("kind", "service", "seconds"), [
    ("model-cpu", "model", CPU_READY_TIMEOUT_S),
    ("model-vllm", "vllm", READY_TIMEOUT_S),
])  # fmt: skip
def test_a_start_is_waited_for_as_long_as_the_code_waits(kind: str, service: str, seconds: int) -> None:
    probe = container(f"{kind}/deployment.yaml")["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == seconds
    assert compose()[service]["healthcheck"]["start_period"] == f"{seconds}s"


def test_what_serves_is_found_by_its_service_and_its_policy() -> None:
    service, ingress = manifest("door/service.yaml"), manifest("door/ingress.yaml")
    for kind in ("model-cpu", "model-vllm"):
        spec = manifest(f"{kind}/deployment.yaml")["spec"]
        labels = spec["template"]["metadata"]["labels"]
        assert spec["selector"]["matchLabels"] == service["spec"]["selector"] == labels
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend == {"name": service["metadata"]["name"], "port": {"name": service["spec"]["ports"][0]["name"]}}
    assert ingress["spec"]["tls"][0]["hosts"] == [ingress["spec"]["rules"][0]["host"]]


@pytest.mark.parametrize("path", ["agent/job.yaml", "model-cpu/deployment.yaml", "model-vllm/deployment.yaml"])
def test_pods_run_without_root_or_privileges_within_limits(path: str) -> None:
    pod, one = manifest(path)["spec"]["template"]["spec"], container(path)
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == (2000 if "vllm" in path else 10001)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert one["securityContext"]["allowPrivilegeEscalation"] is False
    assert "memory" in one["resources"]["limits"]
    mounted = {mount["name"] for mount in one["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_claims_and_keys_that_are_mounted_exist_or_are_told_of() -> None:
    claims = {one["metadata"]["name"] for one in documents(MANIFESTS / "common" / "volumes.yaml")}
    readme = (ROOT / "README.md").read_text()
    for path in ("agent/job.yaml", "model-cpu/deployment.yaml", "model-vllm/deployment.yaml"):
        volumes = manifest(path)["spec"]["template"]["spec"]["volumes"]
        assert {v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v} <= claims
        for one in container(path)["env"]:
            if secret := one.get("valueFrom", {}).get("secretKeyRef"):
                assert (
                    secret.get("optional") or f"secret generic {secret['name']} --from-file={secret['key']}=" in readme
                )


def test_every_manifest_belongs_to_a_kustomization() -> None:
    for folder in (path.parent for path in MANIFESTS.glob("*/kustomization.yaml")):
        (kustomization,) = documents(folder / "kustomization.yaml")
        named = [*kustomization["resources"]]
        named += [file for one in kustomization.get("configMapGenerator", []) for file in one["files"]]
        assert all((folder / name).exists() for name in named)
        assert {path.name for path in folder.iterdir()} - {"kustomization.yaml"} == {n for n in named if ".." not in n}


def test_the_gpu_patch_changes_what_is_there() -> None:
    (patch,) = documents(MANIFESTS / "agent-gpu" / "kustomization.yaml")[0]["patches"]
    at = "/spec/template/spec/containers/0/resources/limits/"
    assert f"path: {at}nvidia.com~1gpu" in patch["patch"]
    assert container("agent/job.yaml")["resources"]["limits"]
    assert patch["target"] == {"kind": "Job", "name": manifest("agent/job.yaml")["metadata"]["name"]}


def test_a_run_that_ended_is_not_paid_for_again() -> None:
    from stratos.agent.session import EXIT_CODES
    from stratos.agent.terminal import APPROVAL, FAILED, USAGE

    _, fails = manifest("agent/job.yaml")["spec"]["podFailurePolicy"]["rules"]
    ended = {code for code in EXIT_CODES.values() if 0 < code < 128} | {FAILED, USAGE, APPROVAL}
    assert set(fails["onExitCodes"]["values"]) == ended


def test_the_brief_of_the_job_is_one() -> None:
    brief = read_brief_file(MANIFESTS / "agent" / "brief.yaml", max_usd=None, max_hours=None)
    assert (brief.skill, brief.limits.usd) == ("mahjong", 1)


def commands() -> dict[str, set[str]]:
    """The command line's commands and the options of each."""
    import click

    group: Any = typer.main.get_command(stratos.agent.cli.app)
    context = click.Context(group)
    return {
        name: {word for option in group.get_command(context, name).params for word in option.opts}
        for name in group.list_commands(context)
    }


@pytest.mark.parametrize("path", ["compose.yaml", "deploy/kubernetes/agent/work.sh", "README.md"])
def test_commands_and_options_that_are_named_exist(path: str) -> None:
    text = (ROOT / path).read_text()
    if path == "README.md":
        section = text.partition("### Containers and Kubernetes")[2].partition("\n## ")[0]
        text = "\n".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))
    known, named = commands(), USES.findall(text.replace("\\\n", " "))
    assert named
    for name, words in named:
        assert name in known
        assert set(re.findall(r"--[a-z-]+", words)) <= known[name]
