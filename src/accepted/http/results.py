"""Results: the value, verbatim, or the artifact with ranges (contract, section 4)."""

from __future__ import annotations

from ..contract.operation import Artifact, Operation
from ..contract.problem import OperationNotFound, RangeNotSatisfiable
from ..service import Service
from .call import JSON, SAFE, Call, Header
from .headers import byte_range, disposition, matches
from .query import Query

_PRIVATE = (b"cache-control", b"private, no-cache")  # may be kept by its owner, but is asked for again: it expires
_SANDBOX = (b"content-security-policy", b"sandbox; default-src 'none'")  # a stored page must not run as this origin's


class Results:
    """The endpoints that serve what operations returned."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def by_operation(self, call: Call, id: str) -> None:
        """`GET /operations/{id}/result`."""
        operation, result = await self._service.result(id, call.sees)
        if result.artifact is not None:
            await self._artifact(call, operation, result.artifact)
            return
        tag = f'"{operation.id}"'.encode()
        if matches(call.header(b"if-none-match"), tag.decode()):
            await call.empty(304, (b"etag", tag), _PRIVATE)
            return
        await call.answer(200, bytes(result.value), JSON, _PRIVATE, (b"etag", tag))

    async def by_path(self, call: Call, type: str, minted: str) -> None:
        """`GET` on a result's own resource, such as `/reports/{reportId}`, of operations of this `type`; `minted` is
        the operation a minted id stands for. Two owners may have results of one name; an admin says whose by `?owner=`.
        """
        query, owner = Query(call), call.caller.owner
        if call.caller.is_admin and (named := query.owner()) is not None:
            owner = named
        query.check()
        id = await self._service.resource(call.path, minted, owner)
        if id == minted and (await self._service.get(id, call.sees)).type != type:
            raise OperationNotFound
        await self.by_operation(call, id)

    async def _artifact(self, call: Call, operation: Operation, artifact: Artifact) -> None:
        tag = f'"{artifact.digest[:32]}"'
        common: list[Header] = [(b"etag", tag.encode()), _PRIVATE, (b"accept-ranges", b"bytes")]
        if matches(call.header(b"if-none-match"), tag):
            await call.empty(304, *common)
            return
        common += [(b"content-type", artifact.media_type.encode("latin-1")), _SANDBOX]
        if artifact.filename is not None:
            common.append((b"content-disposition", disposition(artifact.filename).encode("latin-1")))
        span = self._span(call, artifact, tag)
        if span is None:
            await self._send(call, operation, artifact, 200, (0, artifact.size), common)
        else:
            where = (b"content-range", b"bytes %d-%d/%d" % (span[0], span[1] - 1, artifact.size))
            await self._send(call, operation, artifact, 206, span, [*common, where])

    def _span(self, call: Call, artifact: Artifact, tag: str) -> tuple[int, int] | None:
        """The part asked for; None for all of it.

        Only GET knows ranges (RFC 9110, section 14.2), and one of another version is not given (section 13.1.5).
        """
        if b"range" not in call.headers or call.scope["method"] != "GET" or call.header(b"if-range") not in {"", tag}:
            return None
        try:
            return byte_range(call.header(b"range"), artifact.size)
        except ValueError:
            raise RangeNotSatisfiable(f"The result has {artifact.size} bytes.", size=artifact.size) from None

    async def _send(
        self,
        call: Call,
        operation: Operation,
        artifact: Artifact,
        status: int,
        span: tuple[int, int],
        headers: list[Header],
    ) -> None:
        start, stop = span
        call.started = True
        headers = [*headers, *SAFE, *call.pace, (b"content-length", b"%d" % (stop - start))]
        await call.send({"type": "http.response.start", "status": status, "headers": headers})
        if call.scope["method"] != "HEAD" and stop > start:
            async for part in self._service.content(operation, artifact, start, stop):
                await call.send({"type": "http.response.body", "body": part, "more_body": True})
        await call.send({"type": "http.response.body", "body": b""})
