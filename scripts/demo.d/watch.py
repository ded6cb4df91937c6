"""Supervisors who watch: by SSE, by a ZeroMQ feed, by pulling from a cursor. Each keeps what he received, in order.

What is kept is (position, event id): enough to hold against the log afterwards, filtered by what he may see. A reader
who lost his connection goes on from his cursor, so a broken link loses nothing and brings nothing twice.
"""
import http.client
import json
import os
import tempfile
import threading
import time
from pathlib import Path

STREAMS = ('complaints', 'supervision')
READ_BYTES = 65536
SILENCE_S = 30.0            # SSE: a comment comes every 10 s at least
PULL_LIMIT = 1000
PAUSE_S = 0.3
DROP_AT = 20                # with LUJIAN_DEMO_DROP=1 one watcher loses the event that would be his twentieth


class Watcher:
    """One supervisor on one stream."""

    def __init__(self, principal, jurisdiction, stream, how):
        self.principal, self.jurisdiction, self.stream, self.how = principal, jurisdiction, stream, how
        self.received = []              # (position, event id)
        self.through = 0                # how far the log has been looked at for him
        self.trouble = ''               # why he had to begin again, the last time
        self.reconnects = 0
        self.on_event = None
        self.drops = False
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f'{principal}-{stream}', daemon=True)

    def start(self):
        """Watch from the first event on."""
        self._thread.start()
        return self

    def stop(self):
        """Watch no more."""
        self._stopped.set()
        self._interrupt()
        self._thread.join(10)

    def wait_through(self, position, give_up):
        """Whether everything up to a position had been looked at for him in time."""
        with self._changed:
            while self.through < position:
                left = give_up - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return self.through >= position
            return True

    def _run(self):
        while not self._stopped.is_set():
            try:
                self._watch()
            except Exception as error:  # whatever ended the connection: he begins again at his cursor
                if self._stopped.is_set():
                    return
                self.reconnects += 1
                self.trouble = f'{type(error).__name__}: {error}'
                self._stopped.wait(PAUSE_S)

    def _watch(self):
        raise NotImplementedError

    def _interrupt(self):
        pass

    def _take(self, position, event_id, told=None):
        if self.drops and len(self.received) == DROP_AT - 1:
            self.drops = False          # the loss that the reconciliation has to find
            return
        self.received.append((position, event_id))
        if self.on_event and told is not None:
            self.on_event(told)

    def _looked(self, position):
        with self._changed:
            self.through = max(self.through, position)
            self._changed.notify_all()


class SseWatcher(Watcher):
    """GET /v1/events:stream with Last-Event-ID."""

    def __init__(self, api, token, principal, jurisdiction, stream):
        super().__init__(principal, jurisdiction, stream, 'SSE')
        self.api, self.token = api, token
        self._cursor = ''
        self._connection = None

    def _watch(self):
        connection = self._connection = http.client.HTTPConnection(self.api.host, self.api.port, timeout=SILENCE_S)
        try:
            headers = {'Authorization': f'Bearer {self.token}', 'Accept': 'text/event-stream'}
            if self._cursor:
                headers['Last-Event-ID'] = self._cursor
            connection.request('GET', f'/v1/events:stream?stream={self.stream}', headers=headers)
            answer = connection.getresponse()
            if answer.status != 200:
                raise ConnectionError(f'{answer.status} {answer.read(300)!r}')
            self._read(answer)
        finally:
            connection.close()

    def _read(self, answer):
        rest = b''
        while not self._stopped.is_set():
            part = answer.read1(READ_BYTES)
            if not part:
                raise ConnectionError('the stream ended')
            *messages, rest = (rest + part).split(b'\n\n')
            for message in messages:
                self._message(message.decode())

    def _message(self, text):
        fields = {}
        for line in text.split('\n'):
            name, _, value = line.partition(':')
            fields[name] = value.removeprefix(' ')
        if fields.get('event') == 'problem':
            raise ConnectionError(fields.get('data', ''))
        if 'data' in fields:
            told = json.loads(fields['data'])
            self._cursor = fields['id']
            self._take(int(told['position']), told['id'], told)
            self._looked(int(told['position']))
        elif text.startswith(': through ') and text.count(':') >= 3:
            self._looked(int(text.rpartition(':')[2]))

    def _interrupt(self):
        connection = self._connection
        if connection is not None and connection.sock is not None:
            try:
                connection.sock.shutdown(2)
            except OSError:
                pass


class PullWatcher(Watcher):
    """GET /v1/events from a cursor, again and again."""

    def __init__(self, api, token, principal, jurisdiction, stream):
        super().__init__(principal, jurisdiction, stream, '拉取 pull')
        self.api, self.token = api, token
        self._cursor = None

    def _watch(self):
        while not self._stopped.is_set():
            answer = self.api.get(self.token, '/v1/events', stream=self.stream, after=self._cursor, limit=PULL_LIMIT)
            if answer.status != 200:
                raise ConnectionError(str(answer))
            for told in answer.body['events']:
                self._take(int(told['position']), told['id'], told)
            at_head = answer.body['through'] == self._cursor
            self._cursor = answer.body['through']
            self._looked(int(self._cursor.rpartition(':')[2]))
            if at_head:
                self._stopped.wait(PAUSE_S)


class FeedWatcher(Watcher):
    """A feed over ZeroMQ with CURVE, through the Python client of services/sdk, its cursor in a file."""

    def __init__(self, make_door, principal, jurisdiction, stream):
        super().__init__(principal, jurisdiction, stream, 'ZeroMQ')
        self._make_door = make_door
        self._folder = tempfile.TemporaryDirectory(prefix='lujian-cursor-')
        self._file = Path(self._folder.name) / stream

    def _watch(self):
        door = self._make_door(self.stream, self._note)
        try:
            for event in door.follow(self.stream, str(self._file)):
                self._take(event.position, event.id)
        finally:
            door.close()

    def _note(self):
        """Called whenever the client looks for a message: is it over, and how far does its cursor file say it is?"""
        if self._stopped.is_set():
            raise ConnectionError('over')
        if self._file.exists():
            self._looked(int(self._file.read_text().rpartition(':')[2]))

    def stop(self):
        super().stop()
        self._folder.cleanup()


def drop_one(watchers):
    """For the test of this demo itself: LUJIAN_DEMO_DROP=1 makes one watcher lose an event."""
    if os.environ.get('LUJIAN_DEMO_DROP') == '1':
        watchers[0].drops = True
