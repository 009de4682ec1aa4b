"""Hypercorn's connections, which here end when their client ends them. Hypercorn keeps each until it may idle no longer."""

import hypercorn.asyncio.run
from hypercorn.asyncio.tcp_server import TCPServer


class _Connection(TCPServer):  # type: ignore[misc]  # Hypercorn is not installed beside mypy
    _ended = False

    async def _read_data(self) -> None:
        await super()._read_data()
        self._ended = True
        await self.idle_task.stop()

    async def _idle_timeout(self) -> None:
        if not self._ended:
            await super()._idle_timeout()


def install() -> None:
    """Let Hypercorn's servers end connections."""
    hypercorn.asyncio.run.TCPServer = _Connection
