"""Names inside an environment's namespace; the namespace tells environments apart."""

RAY_SERVICE = "fitwave"
# By KubeRay's rule: the Service of whatever cluster answers now.
GATEWAY_SERVICE = f"{RAY_SERVICE}-serve-svc"
# May change the RayService's document; and, for the deploying Job alone, create the RayService.
ACCOUNT, DEPLOY_ACCOUNT = "fitwave", "fitwave-deploy"
SECRET, RAY_SECRET = "fitwave", "fitwave-ray"
CONFIG = "fitwave-config"
HOME_CLAIM, MLFLOW_CLAIM = "fitwave-home", "fitwave-mlflow"
MLFLOW = "mlflow"
HEAD, SERVING, TRAINING, SCHEDULED, DEPLOY = "ray-head", "serving", "training", "scheduled", "deploy"
