"""Questions and answers over plain sockets: a client that costs as much as a gateway would be measured itself."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Reply:
    """What came back; `closes`: the connection is of no use any more."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        return self.headers.get("connection", "").lower() == "close"

    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


def question(url: str, key: str, market: str, customer: str, article: str) -> bytes:
    """A request as it is sent."""
    body = json.dumps({"customer_id": customer, "article_ids": [article]})
    return (
        f"POST /v1/markets/{market}/size-recommendations HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n"
        f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def connect(url: str) -> Streams:
    """Raises: OSError: nobody answers."""
    address = urlsplit(url)
    return await asyncio.open_connection(address.hostname, address.port)


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    """Raises: asyncio.IncompleteReadError, OSError: the connection ended first."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Reply(int(head[0].split()[1]), headers, body)
