"""Subscribers that go away and come again with their cursor: one over SSE, one that follows over ZeroMQ.

Each keeps what it was told in order, over all its lives. It ends with stop(), or goes away with go() and comes back
with come().
"""
import contextlib
import http.client
import json
import random
import socket
import threading
import urllib.parse

from lujian_client import Door

WAIT_S = 30.0


class Subscriber:
    """What both have in common; `events` holds (position, event id)."""

    def __init__(self, cluster, who, types):
        self.cluster, self.types = cluster, tuple(types)
        self.own = cluster.credentials[who]
        self.events, self.lives = [], 0
        self.failure = None
        self.changed = threading.Condition()
        self.thread = self.away = None

    def come(self):
        """Subscribe, from the cursor."""
        self.away = threading.Event()
        self.lives += 1
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def go(self):
        """Be away, without a word."""
        self.away.set()
        self._break()
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive()
        if self.failure:
            raise self.failure

    def wait(self, count):
        """Until it was told so many events."""
        with self.changed:
            done = self.changed.wait_for(lambda: self.failure or len(self.events) >= count, WAIT_S)
        if self.failure:
            raise self.failure
        assert done, f'{len(self.events)} events of {count} came'

    def _run(self):
        try:
            while not self.away.is_set():
                self._listen()
        except BaseException as error:  # pylint: disable=broad-except
            with self.changed:
                self.failure = error
                self.changed.notify_all()

    def _told(self, position, event_id):
        with self.changed:
            self.events.append((position, event_id))
            self.changed.notify_all()


class Stream(Subscriber):
    """Server-sent events; comes again with Last-Event-ID when the connection breaks."""

    def __init__(self, cluster, who, types, after):
        super().__init__(cluster, who, types)
        self.cursor, self.connection, self.socket = after, None, None

    def _listen(self):
        gateway = random.choice(self.cluster.of('gateway')).instance.http
        query = [('stream', 'complaints'), *(('type', one) for one in self.types)]
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(gateway).netloc, timeout=WAIT_S)
        try:
            self.connection.request('GET', f'/v1/events:stream?{urllib.parse.urlencode(query)}', headers={
                'Authorization': f'Bearer {self.own["token"]}', 'Last-Event-ID': self.cursor})
            self.socket = self.connection.sock  # a response without a length takes it away from the connection
            answer = self.connection.getresponse()
            if answer.status == 503:
                return
            assert answer.status == 200, (answer.status, answer.read())
            self._read(answer)
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            self.away.wait(0.05)    # before another attempt
        finally:
            self.connection.close()

    def _read(self, lines):
        message = {}
        for line in lines:
            if self.away.is_set():
                return
            name, _, value = line.decode().rstrip('\n').partition(': ')
            if name:
                message[name] = value
                continue
            if message.get('event', '').startswith(('complaint.', 'clock.')):
                event = json.loads(message['data'])
                self._told(int(event['position']), event['id'])
            self.cursor = message.get('id', self.cursor)
            message = {}

    def _break(self):
        if self.socket:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)


class Follower(Subscriber):
    """complaints.follow by the client in a page, with its cursor in a file, at a replica that may die."""

    def __init__(self, cluster, who, types, cursor_file, replica):
        super().__init__(cluster, who, types)
        self.cursor_file, self.replica = cursor_file, replica

    def _listen(self):
        door = Door(self.replica.rpc, self.replica.public_key, self.own['curve_public'], self.own['curve_secret'])
        try:
            # An event that was being handled when it went away comes again: it was handled, so it is let pass.
            for event in door.follow('complaints', str(self.cursor_file), self.types):
                if (event.position, event.id) != (self.events or [None])[-1]:
                    self._told(event.position, event.id)
                if self.away.is_set():
                    return
        finally:
            door.close()

    def _break(self):
        """It sees that it is away with the next event, which the storm brings."""
