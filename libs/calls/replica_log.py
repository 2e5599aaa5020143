"""Where a replica's own log lines go: into the file that Serve keeps for it, beside what Serve says."""

import logging

from libs.base.logs import Asked


def log_beside_serve() -> None:
    """Give our loggers the handlers of Serve's, once; otherwise nobody sees what they say."""
    for handler in logging.getLogger("ray.serve").handlers:
        # The last of the handler's filters, after Serve's.
        if not any(isinstance(one, Asked) for one in handler.filters):
            handler.addFilter(Asked())
    for name in ("apps", "libs"):
        ours = logging.getLogger(name)
        ours.setLevel(logging.INFO)
        for handler in logging.getLogger("ray.serve").handlers:
            if handler not in ours.handlers:
                ours.addHandler(handler)
