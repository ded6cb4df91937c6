"""The HTTP API as a careful client uses it: connections stay open, a retry carries the key of the first attempt."""
import http.client
import json
import threading
import time
import urllib.parse
from dataclasses import dataclass

PATIENCE_S = 60.0
TIMEOUT_S = 70.0            # time:advance may take a minute
PAUSE_FIRST_S, PAUSE_MOST_S = 0.05, 1.0
TRY_AGAIN = (429, 502, 503, 504)


class Unreachable(Exception):
    """No answer within the client's patience."""


@dataclass(frozen=True)
class Answer:
    """A status and what came with it."""
    status: int
    body: dict
    replayed: bool = False

    @property
    def code(self):
        """The stable code of a problem; '' where there is none."""
        return self.body.get('code', '') if self.status >= 400 else ''

    def __str__(self):
        told = self.body.get('detail') or self.body.get('title') or ''
        return f'{self.status} {self.code} {told}'.rstrip()


class Api:
    """One gateway; any number of threads, each with a connection of its own."""

    def __init__(self, url):
        self.url = url
        address = urllib.parse.urlsplit(url)
        self.host, self.port = address.hostname, address.port
        self._own = threading.local()
        self.retries = 0

    def get(self, token, path, **query):
        """A query; parameters that are None are left out."""
        given = urllib.parse.urlencode({name: value for name, value in query.items() if value is not None})
        return self._call(token, 'GET', f'{path}?{given}' if given else path, None, '')

    def post(self, token, path, body, key):
        """A command. Whatever happens on the way, it has one effect per key."""
        return self._call(token, 'POST', path, json.dumps(body, ensure_ascii=False).encode(), key)

    def advance(self, token, body):
        """POST /v1/time:advance. Sent once, on a connection that is no older: time that is advanced again is twice so."""
        self._close()
        path, headers = '/v1/time:advance', {'Authorization': f'Bearer {token}', 'Content-Type': 'application/json'}
        answer, why = self._once('POST', path, json.dumps(body).encode(), headers)
        if answer is None:
            raise Unreachable(f'{path}: {why}')
        return Answer(*answer)

    def _call(self, token, method, path, body, key):
        give_up = time.monotonic() + PATIENCE_S
        pause_s = PAUSE_FIRST_S
        headers = {'Authorization': f'Bearer {token}'}
        if body is not None:
            headers |= {'Content-Type': 'application/json', 'Idempotency-Key': key}
        while True:
            answer, why = self._once(method, path, body, headers)
            if answer and not self._worth_another(answer[0], answer[1]):
                return Answer(*answer)
            if time.monotonic() > give_up:
                raise Unreachable(f'{method} {path}: {why}')
            self.retries += 1
            time.sleep(pause_s)  # the pause before another attempt; nothing tells when it will do better
            pause_s = min(2 * pause_s, PAUSE_MOST_S)

    @staticmethod
    def _worth_another(status, body):
        return status in TRY_AGAIN or (status == 409 and body.get('code') == 'in_progress')

    def _once(self, method, path, body, headers):
        """((status, body, replayed), why) or (None, why)."""
        connection = getattr(self._own, 'connection', None)
        if connection is None:
            connection = self._own.connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            told = json.loads(answer.read() or b'{}')
            return (answer.status, told, answer.headers.get('Idempotency-Replayed') == 'true'), f'{answer.status} {told}'
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._close()
            return None, repr(error)

    def _close(self):
        if getattr(self._own, 'connection', None) is not None:
            self._own.connection.close()
            self._own.connection = None
