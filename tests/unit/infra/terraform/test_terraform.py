"""What Terraform would make: read as data, since nothing is made here. Checkov's word is in docs/clusters.md."""

import re
from typing import Any

import pytest

from infra.kubernetes.cluster import CLUSTERS, Provisioned
from infra.kubernetes.names import ACCOUNT, GATEWAY_SERVICE
from infra.kubernetes.ray_service import GATEWAY_PORT
from libs.base.environment import REPOSITORY
from tests.unit.infra.kubernetes.schemas import KUBERNETES
from tests.unit.infra.terraform.hcl import Folder, plain

TERRAFORM = REPOSITORY / "infra" / "terraform"
MODULES = {path.name: Folder.read(path) for path in sorted((TERRAFORM / "modules").iterdir())}
ROOTS = {path.name: Folder.read(path) for path in sorted((TERRAFORM / "environments").iterdir())}
ALL = {**MODULES, **ROOTS}
# The module that joins the others; a root has it and nothing else.
WHOLE = "fitwave"


def resources(type_: str) -> dict[str, dict[str, Any]]:
    return {
        f"{folder}.{name}": body
        for folder, found in ALL.items()
        for kind, name, body in found.resources()
        if kind == type_
    }


def test_there_is_a_module_for_each_part_and_a_root_for_each_cluster() -> None:
    assert set(MODULES) == {"network", "cluster", "redis", "object_store", "domain", WHOLE}
    assert set(ROOTS) == {path.stem for path in CLUSTERS.glob("*.yaml")}


@pytest.mark.parametrize("name", ALL)
def test_every_name_that_is_used_is_declared_and_every_one_declared_is_used(name: str) -> None:
    folder = ALL[name]
    used = folder.references()
    variables, parts = set(folder.named("variable")), folder.named("module")
    declared = {(kind, label) for kind, label, _ in folder.resources()}
    read = {(kind, label) for kind, label, _ in folder.resources("data")}
    assert {label for kind, label, _ in used if kind == "var"} == variables
    assert {label for kind, label, _ in used if kind == "local"} == folder.locals()
    assert {(kind, label) for kind, label, _ in used if kind.startswith(("aws_", "random_"))} <= declared
    assert {(kind, label) for _, kind, label in used if _ == "data"} == read
    for kind, module, output in used:
        if kind == "module":
            assert output in MODULES[module].named("output"), f"module.{module}.{output}"
            assert module in parts


@pytest.mark.parametrize("name", [*ROOTS, WHOLE])
def test_every_module_is_given_exactly_its_variables_and_all_that_it_says_is_used(name: str) -> None:
    folder = ALL[name]
    parts = folder.named("module")
    assert set(parts) == ({WHOLE} if name in ROOTS else set(MODULES) - {WHOLE})
    for module, given in parts.items():
        assert plain(given["source"]) == ("../../modules/" if name in ROOTS else "../") + module
        passed = {key for key in given if not key.startswith("__")} - {"source"}
        assert passed == set(MODULES[module].named("variable"))
    outputs = {(module, output) for module in parts for output in MODULES[module].named("output")}
    assert {(module, output) for kind, module, output in folder.references() if kind == "module"} == outputs


@pytest.mark.parametrize("name", ALL)
def test_every_variable_and_output_is_typed_and_told_of(name: str) -> None:
    folder = ALL[name]
    for variable, body in folder.named("variable").items():
        assert {"type", "description"} <= body.keys(), variable
    for output, body in folder.named("output").items():
        assert {"value", "description"} <= body.keys(), output


@pytest.mark.parametrize("name", ALL)
def test_versions_are_pinned(name: str) -> None:
    [terraform] = ALL[name].blocks["terraform"]
    [providers] = terraform["required_providers"]
    versions = [plain(one["version"]) for key, one in providers.items() if not key.startswith("__")]
    assert versions
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)
    assert "required_version" in terraform


@pytest.mark.parametrize("name", ROOTS)
def test_the_state_is_remote_encrypted_and_locked(name: str) -> None:
    [terraform] = ROOTS[name].blocks["terraform"]
    [backend] = terraform["backend"]
    [s3] = backend.values() if "__is_block__" not in backend else [v for k, v in backend.items() if plain(k) == "s3"]
    assert s3["encrypt"] is True
    assert s3["use_lockfile"] is True
    assert plain(s3["key"]) == f"fitwave/{name}.tfstate"


def test_what_terraform_says_is_what_manifests_need() -> None:
    text = (TERRAFORM / "modules" / WHOLE / "outputs.tf").read_text()
    said = re.findall(r"^      (\w+) += ", text, re.MULTILINE)
    assert sorted(said) == sorted(Provisioned.model_fields)


def test_the_world_reaches_port_443_of_the_load_balancer_and_nothing_else() -> None:
    rules = resources("aws_vpc_security_group_ingress_rule")
    opened = {name: body for name, body in rules.items() if "0.0.0.0/0" in str(body.get("cidr_ipv4", ""))}
    assert {name: (body["from_port"], body["to_port"]) for name, body in opened.items()} == {"domain.https": (443, 443)}
    groups = resources("aws_security_group")
    assert groups
    assert not [name for name, body in groups.items() if {"ingress", "egress"} & body.keys()]
    assert [root.named("variable")["api_cidrs"]["default"] for root in ROOTS.values()] == [[], []]


def test_what_is_stored_is_encrypted_with_the_one_key() -> None:
    for type_, key in {
        "aws_elasticache_replication_group": "kms_key_id",
        "aws_efs_file_system": "kms_key_id",
        "aws_secretsmanager_secret": "kms_key_id",
        "aws_cloudwatch_log_group": "kms_key_id",
    }.items():
        found = resources(type_)
        assert found, type_
        assert {plain(body[key]) for body in found.values()} == {"${var.key_arn}"}, type_
    [redis] = resources("aws_elasticache_replication_group").values()
    assert redis["transit_encryption_enabled"] is True
    assert redis["at_rest_encryption_enabled"] is True
    assert plain(redis["transit_encryption_mode"]) == "required"
    assert "auth_token" in redis
    assert all(body["encrypted"] is True for body in resources("aws_efs_file_system").values())
    assert all(body["enable_key_rotation"] is True for body in resources("aws_kms_key").values())


def test_no_bucket_is_public_and_every_one_is_versioned() -> None:
    assert set(resources("aws_s3_bucket")) == {"object_store.lake", "object_store.logs"}
    for type_ in ("aws_s3_bucket_public_access_block", "aws_s3_bucket_versioning", "aws_s3_bucket_policy"):
        [body] = resources(type_).values()
        assert plain(body["for_each"]) == "${local.buckets}", type_
    [block] = resources("aws_s3_bucket_public_access_block").values()
    assert all(value is True for key, value in block.items() if key.startswith(("block_", "ignore_", "restrict_")))


def test_the_load_balancer_ends_tls_and_asks_the_port_that_the_gateway_has() -> None:
    [listener] = resources("aws_lb_listener").values()
    assert (listener["port"], plain(listener["protocol"])) == (443, "HTTPS")
    assert "TLS13" in plain(listener["ssl_policy"])
    text = (TERRAFORM / "modules" / "domain" / "main.tf").read_text()
    assert f"gateway_port = {GATEWAY_PORT}" in text
    assert GATEWAY_SERVICE == "fitwave-serve-svc"


def test_pods_get_their_rights_by_the_names_that_manifests_give_them() -> None:
    [association] = resources("aws_eks_pod_identity_association").values()
    assert plain(association["namespace"]) == "fitwave-${each.key}"
    assert plain(association["service_account"]) == ACCOUNT


def test_manifests_are_held_against_the_schemas_of_the_kubernetes_that_is_asked_for() -> None:
    asked = {plain(root.named("module")[WHOLE]["kubernetes_version"]) for root in ROOTS.values()}
    assert asked == {KUBERNETES[1:5]}


def test_no_file_holds_a_secret() -> None:
    words = re.compile(r"(AKIA[0-9A-Z]{16}|password\s*=\s*\"[^$]|secret_string\s*=\s*\")")
    files = [path for path in TERRAFORM.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [path for path in files if words.search(path.read_text())] == []
