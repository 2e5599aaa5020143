"""Who reaches whom, asked of the policies as Kubernetes reads them."""

import ipaddress
from typing import Any

import pytest

Json = dict[str, Any]
KEY = "app.kubernetes.io/component"
PODS = ("ray-head", "serving", "training", "mlflow", "scheduled", "deploy")
PORTS = (22, 443, 5000, 6379, 8000, 8080, 8265, 10001, 52365)
LOAD_BALANCER, ELSEWHERE = "10.20.1.7", "198.51.100.1"


def chosen(selector: Json, component: str) -> bool:
    if not selector:
        return True
    [rule] = selector["matchExpressions"]
    assert (rule["key"], rule["operator"]) == (KEY, "In")
    return component in rule["values"]


def admits(peer: Json, source: str) -> bool:
    """Whether a peer is a component, `namespace:NAME`, or an address."""
    if "podSelector" in peer:
        return chosen(peer["podSelector"], source)
    if "namespaceSelector" in peer:
        return source == f"namespace:{peer['namespaceSelector']['matchLabels']['kubernetes.io/metadata.name']}"
    block = peer["ipBlock"]
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return False
    inside = address in ipaddress.ip_network(block["cidr"])
    return inside and not any(address in ipaddress.ip_network(one) for one in block.get("except", []))


def reaches(policies: list[Json], source: str, target: str, port: int) -> bool:
    """Whether a pod of component `target` takes this connection."""
    rules = [
        rule
        for policy in policies
        if chosen(policy["spec"]["podSelector"], target)
        for rule in policy["spec"].get("ingress", [])
    ]
    return any(
        any(admits(peer, source) for peer in rule["from"])
        and ("ports" not in rule or port in {one["port"] for one in rule["ports"]})
        for rule in rules
    )


@pytest.fixture
def policies(files: dict[str, list[Json]]) -> list[Json]:
    return files["network.yaml"]


def test_the_load_balancer_reaches_the_gateway_and_nothing_else(policies: list[Json]) -> None:
    assert reaches(policies, LOAD_BALANCER, "serving", 8000)
    others = [
        (to, port) for to in ("ray-head", "serving", "training", "mlflow", "scheduled", "deploy") for port in PORTS
    ]
    others.remove(("serving", 8000))
    assert [one for one in others if reaches(policies, LOAD_BALANCER, *one)] == []


@pytest.mark.parametrize("source", [ELSEWHERE, "namespace:default", "stranger"])
def test_nobody_else_reaches_anything(policies: list[Json], source: str) -> None:
    for target in PODS:
        assert not any(reaches(policies, source, target, port) for port in PORTS), target


def test_the_dashboard_is_reached_by_scheduled_and_deploying_pods_and_nothing_else_of_ray(policies: list[Json]) -> None:
    for source in ("scheduled", "deploy"):
        assert reaches(policies, source, "ray-head", 8265)
        assert not any(reaches(policies, source, "ray-head", port) for port in (6379, 10001, 8000))
        assert not reaches(policies, source, "serving", 8000)


def test_ray_pods_reach_each_other_and_mlflow(policies: list[Json]) -> None:
    assert reaches(policies, "training", "serving", 34567)
    assert reaches(policies, "serving", "ray-head", 6379)
    assert reaches(policies, "training", "mlflow", 5000)
    assert not reaches(policies, "mlflow", "ray-head", 8265)


def test_the_operator_asks_what_it_must_and_prometheus_reads_metrics(policies: list[Json]) -> None:
    assert reaches(policies, "namespace:kuberay-system", "ray-head", 8265)
    assert reaches(policies, "namespace:kuberay-system", "serving", 8000)
    assert not reaches(policies, "namespace:kuberay-system", "ray-head", 6379)
    assert reaches(policies, "namespace:monitoring", "serving", 8080)
    assert not reaches(policies, "namespace:monitoring", "ray-head", 8265)


def test_no_pod_asks_for_the_nodes_own_credentials(policies: list[Json]) -> None:
    rules = [rule for policy in policies for rule in policy["spec"].get("egress", [])]
    to = [peer for rule in rules for peer in rule.get("to", [])]
    assert any(admits(peer, ELSEWHERE) for peer in to)
    assert not any(admits(peer, "169.254.169.254") for peer in to)


def test_whoever_no_policy_names_neither_speaks_nor_is_spoken_to(policies: list[Json]) -> None:
    [nobody] = [one for one in policies if one["spec"]["podSelector"] == {}]
    assert nobody["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert (nobody["spec"]["ingress"], nobody["spec"]["egress"]) == ([], [])
