"""A forwarding proxy for the crash harness: one address in front of several, whose connections can be broken on purpose.

It listens on a TCP port of loopback or on a unix socket, and gives each connection to the next backend that takes one: a
backend that is dead is passed over. It runs in a thread of its own; every method may be called from any other.
"""
import asyncio
import contextlib
import itertools
import random
import threading

LIMIT = 1 << 16


class Link:
    """One connection: two streams that are copied into each other."""

    def __init__(self, near, far):
        self.near, self.far = near, far
        self.is_deaf = False

    def abort(self):
        for stream in (self.near, self.far):
            stream.transport.abort()


class Forwarder:
    """`backends`: addresses, each (host, port) or the path of a unix socket; the list may be changed at any time."""

    def __init__(self, backends, path=None):
        self.backends = list(backends)
        self.path, self.port = path, 0
        self.turns = itertools.count()
        self.links = set()
        self.loop = asyncio.new_event_loop()
        self.is_ready = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.is_ready.wait(10)

    def close(self):
        self.cut()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def cut(self, share=1.0):
        """Breaks connections off, each with this probability."""
        self.call(lambda: [link.abort() for link in tuple(self.links) if random.random() < share])

    def cut_answers(self, share=1.0):
        """What the client sends next still arrives; then the connection breaks, before anything is answered. One that
        sends nothing breaks within a second."""
        def deafen():
            for link in self.links:
                if random.random() < share:
                    link.is_deaf = True
                    self.loop.call_later(random.uniform(0.2, 1), link.abort)
        self.call(deafen)

    # ---- Inside ----

    def call(self, function):
        done = threading.Event()

        def run():
            function()
            done.set()
        self.loop.call_soon_threadsafe(run)
        done.wait(10)

    def run(self):
        asyncio.set_event_loop(self.loop)
        if self.path:
            server = self.loop.run_until_complete(asyncio.start_unix_server(self.serve, self.path, limit=LIMIT))
        else:
            server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0, limit=LIMIT))
            self.port = server.sockets[0].getsockname()[1]
        self.is_ready.set()
        self.loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    async def connect(self):
        """To the next backend that takes a connection; None when no backend does."""
        first, backends = next(self.turns), list(self.backends)
        for i in range(len(backends)):
            backend = backends[(first + i) % len(backends)]
            with contextlib.suppress(OSError):
                if isinstance(backend, str):
                    return await asyncio.open_unix_connection(backend, limit=LIMIT)
                return await asyncio.open_connection(*backend, limit=LIMIT)
        return None

    async def serve(self, near_reader, near_writer):
        far = await self.connect()
        if not far:
            near_writer.transport.abort()
            return
        far_reader, far_writer = far
        link = Link(near_writer, far_writer)
        self.links.add(link)
        try:
            await asyncio.gather(self.copy(link, near_reader, far_writer, False), self.copy(link, far_reader, near_writer, True))
        except OSError:
            pass
        finally:
            self.links.discard(link)
            link.abort()

    async def copy(self, link, reader, writer, is_answer):
        while data := await reader.read(LIMIT):
            if link.is_deaf and is_answer:
                continue
            writer.write(data)
            await writer.drain()
            if link.is_deaf:
                self.loop.call_later(random.uniform(0, 0.02), link.abort)
        with contextlib.suppress(OSError):
            writer.write_eof()
