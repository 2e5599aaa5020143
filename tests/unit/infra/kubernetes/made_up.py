"""A made-up environment `shop` on a made-up cluster."""

from pathlib import Path
from typing import Any

from infra.kubernetes.cluster import Choices, Cluster, Provisioned
from libs.base.endpoints import Endpoints
from tests.environments import environment_in

CHOICES: dict[str, Any] = {
    "head": {"cpus": 2, "memory_gib": 8},
    "serving": {"cpus": 4, "memory_gib": 12, "min": 2, "max": 10},
    "training": {"cpus": 8, "memory_gib": 32, "min": 0, "max": 4},
    "mlflow": {"cpus": 0.5, "memory_gib": 2},
    "settings": {"serving": {"gateway": {"replicas": {"min": 2, "max": 8}}}},
}

PROVISIONED: dict[str, Any] = {
    "host": "fit.example.com",
    "region": "eu-central-1",
    "image_repository": "registry.example.com/fitwave",
    "lake_uri": "s3://fitwave-shop/shop/lake",
    "redis_address": "redis.example.internal:6379",
    "file_system_id": "fs-0123456789abcdef0",
    "target_group_arn": "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/shop/0123",
    "load_balancer_cidrs": ["10.20.0.0/20", "10.20.16.0/20"],
    "private_cidrs": ["10.20.64.0/18", "10.20.128.0/18"],
}
ENDPOINTS = Endpoints(
    redis_url="env:FITWAVE_SECRET_REDIS_URL",
    mlflow_uri="http://mlflow.fitwave-shop.svc:5000",
    ray_address="fitwave-head-svc.fitwave-shop.svc:6379",
    ray_dashboard_url="http://fitwave-head-svc.fitwave-shop.svc:8265",
    gateway_port=8000,
    on_kubernetes=True,
)
SERVICE_DOCUMENT = "(the document that `fitwave serve deploy --dry-run` prints)"


def cluster_in(folder: Path) -> Cluster:
    """Write the environment's files under `<folder>/config`, which FITWAVE_CONFIG has to name; its cluster."""
    berlin = {"time_zone": "Europe/Berlin", "schedule": {"weekday": "sun", "hour": 4}}
    settings = {"serving": {"shadow_router": {"min": 3, "max": 3}}, "state_dir": "/nowhere"}
    environment_in(folder, "shop", {"de": berlin, "us": {}}, settings)
    return Cluster(
        environment="shop",
        markets=("de", "us"),
        image="registry.example.com/fitwave@sha256:1234",
        choices=Choices.model_validate(CHOICES),
        provisioned=Provisioned.model_validate(PROVISIONED),
    )
