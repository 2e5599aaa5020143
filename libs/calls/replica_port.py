"""Where Serve's own port of a replica listens: on its node's address, as everything else, not on every interface.

Whoever reaches it runs code: what comes there is unpickled. Serve binds it to all of them and lets nobody choose.
"""

from typing import Any

import ray

_EVERYWHERE = "[::]"


def listen_on_the_nodes_address() -> None:
    """To be called in a replica before it is ready: Serve opens the port then."""
    # A replica has it imported already; whoever else imports this module need not.
    from ray.serve._private import replica as module

    replica: Any = module
    bind, host = replica.add_port_to_grpc_server, ray.util.get_node_ip_address()

    def bind_to_the_nodes_address(server: Any, address: str) -> int:
        return int(bind(server, address.replace(_EVERYWHERE, host)))

    # NOTE: behind Serve's interface; a test looks at every port that is open.
    replica.add_port_to_grpc_server = bind_to_the_nodes_address
