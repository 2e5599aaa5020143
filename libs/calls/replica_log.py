"""Where a replica's own log lines go: into the file that Serve keeps for it, beside what Serve says."""

import logging


def log_beside_serve() -> None:
    """Give our loggers the handlers of Serve's, once; otherwise nobody sees what they say."""
    for name in ("apps", "libs"):
        ours = logging.getLogger(name)
        ours.setLevel(logging.INFO)
        for handler in logging.getLogger("ray.serve").handlers:
            if handler not in ours.handlers:
                ours.addHandler(handler)
