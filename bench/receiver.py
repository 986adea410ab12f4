"""The other end of webhooks: answers 204, counts what came, and tells of it on GET. `python -m bench.receiver PORT`.

`first` and `last` are when the first and the latest delivery came in, by the monotonic clock that all processes share.
"""

import asyncio
import json
import sys
import time
from typing import cast

import httptools
import uvloop

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


class Tally:
    """What has come so far; `ids` are those of the deliveries, each counted once."""

    def __init__(self) -> None:
        self.ids: set[bytes] = set()
        self.requests = 0
        self.first = self.last = 0.0

    def note(self, id: bytes) -> None:
        """One delivery."""
        self.last = time.monotonic()
        self.first = self.first or self.last
        self.requests += 1
        self.ids.add(id)

    def told(self) -> bytes:
        """All of it as an answer."""
        seen = {"count": len(self.ids), "requests": self.requests, "first": self.first, "last": self.last}
        body = json.dumps(seen).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Receiver(asyncio.Protocol):
    """One connection."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._parser = httptools.HttpRequestParser(self)
        self._id = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"webhook-id":
            self._id = value

    def on_message_complete(self) -> None:
        if self._parser.get_method() == b"GET":
            self._transport.write(self._tally.told())
        else:
            self._tally.note(self._id)
            self._transport.write(NO_CONTENT)


async def main(port: int) -> None:
    """Listen on the loopback until the process ends."""
    tally = Tally()
    server = await asyncio.get_running_loop().create_server(lambda: Receiver(tally), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
