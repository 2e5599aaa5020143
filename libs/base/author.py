"""Who does something, as the audit log tells it. It says what the system says of the process, and proves nothing."""

import getpass
import os
import socket


def author() -> str:
    """Whoever runs this process, as `user@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number only
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
