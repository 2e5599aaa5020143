"""The folder of a test session's environment, and Ray made ready for its cluster.

Nothing of the caller's own environment reaches a test. Ray reads how to reach a cluster when it is imported, which
test modules do before any fixture runs; so the folder, and the token that the cluster will ask for, are settled here,
when `tests/conftest.py` imports this before anything else.
"""

import atexit
import os
import secrets
import shutil
import tempfile
from pathlib import Path

for name in [name for name in os.environ if name.startswith(("FITWAVE_", "RAY_", "OTEL_"))]:
    del os.environ[name]

SESSION_FOLDER = Path(tempfile.mkdtemp(prefix="fitwave-test-"))
SESSION_HOME = SESSION_FOLDER / "var" / "test"
SESSION_HOME.mkdir(parents=True)
(SESSION_HOME / "ray-token").write_text(secrets.token_hex(32), encoding="utf-8")
atexit.register(shutil.rmtree, SESSION_FOLDER, ignore_errors=True)

# Read when OpenMP is loaded; see infra/stack/ray_cluster.py.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN_PATH"] = str(SESSION_HOME / "ray-token")
