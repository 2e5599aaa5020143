"""What holds for every test: nothing of the caller's own environment reaches it."""

import os

for name in [name for name in os.environ if name.startswith(("FITWAVE_", "RAY_"))]:
    del os.environ[name]
# Ray reads it when it is imported, which some test modules do before any cluster is there to say so.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
