"""Both doors, asked the same question: an answer is its status, its `code` and whatever it says."""
import http.client
import itertools
import json
import threading
import urllib.parse
import uuid
from dataclasses import dataclass

import zmq
from google.protobuf import json_format
from lujian.bus.v1 import envelope_pb2

# WIRE.md, "Errors": the number and the status of HTTP.
STATUS = {1: 400, 2: 422, 3: 401, 4: 403, 5: 404, 6: 409, 7: 409, 8: 412, 9: 413, 10: 415, 11: 429, 12: 503, 13: 504, 14: 500,
          16: 409}
WAIT_MS = 30_000
ENUM_PREFIXES = {'channel': 'CHANNEL_', 'type': 'COMPLAINT_TYPE_'}


@dataclass
class Answer:
    """What came: `code` is `ok` where it went well, `said` all of it as text, `body` what a success holds."""
    status: int
    code: str
    said: str
    body: object = None


SILENCE = Answer(401, 'unauthenticated', '')


class Http:
    """The gateway, a connection a thread."""

    def __init__(self, url):
        self.host = urllib.parse.urlsplit(url).netloc
        self._local = threading.local()

    def request(self, token, verb, path, body=None, headers=None):
        """One request; headers and body of the answer."""
        data = json.dumps(body).encode() if body is not None else None
        sent = {'Content-Type': 'application/json'} if data else {}
        sent |= {'Authorization': f'Bearer {token}'} if token else {}
        for last in (False, True):
            connection = getattr(self._local, 'connection', None)
            if not connection:
                connection = self._local.connection = http.client.HTTPConnection(self.host, timeout=60)
            try:
                connection.request(verb, path, data, sent | (headers or {}))
                response = connection.getresponse()
                text = response.read().decode()
                break
            except (http.client.RemoteDisconnected, ConnectionError):
                self._local.connection = None
                if last:
                    raise
        told = json.loads(text) if text else {}
        code = told['code'] if response.status >= 400 else 'ok'
        return Answer(response.status, code, f'{response.headers}{text}', told)

    def call(self, caller, method, fields, key=None):
        """A method by its route: what the path names goes there, the rest into query or body."""
        left, path = dict(fields), method.path
        for name in fields:
            if f'{{{name}}}' in path:
                path = path.replace(f'{{{name}}}', left.pop(name))
        headers = {'Idempotency-Key': key} if key else {}
        if method.verb == 'POST':
            return self.request(caller.owned['token'], 'POST', path, left, headers)
        query = urllib.parse.urlencode(left, doseq=True)
        return self.request(caller.owned['token'], 'GET', f'{path}?{query}' if query else path, headers=headers)


def message_of(method, fields):
    """The request as protobuf; enums are given as JSON has them."""
    told = {name: ENUM_PREFIXES[name] + value.upper() if name in ENUM_PREFIXES else value for name, value in fields.items()}
    return json_format.ParseDict(told, method.request())


class Wire:
    """One caller's connections to one replica of each service."""

    def __init__(self, caller, services):
        self._sockets = {name: self._connect(caller, replicas[0]) for name, replicas in services.items() if 'rpc' in replicas[0]}
        self._ids = itertools.count(1)
        self._answers = {}

    @staticmethod
    def _connect(caller, there):
        socket = zmq.Context.instance().socket(zmq.DEALER)
        if caller.owned['curve_secret']:
            socket.curve_serverkey = there['curve_server_key'].encode()
            socket.curve_publickey = caller.owned['curve_public'].encode()
            socket.curve_secretkey = caller.owned['curve_secret'].encode()
        socket.linger = 0
        socket.immediate = True
        socket.maxmsgsize = 1_114_112
        socket.connect(there['rpc'])
        return socket

    def close(self):
        """All of them."""
        for socket in self._sockets.values():
            socket.close()

    def send(self, method, fields, key=None, wait_ms=0, **head):
        """Sends a request; its id, None where the door has not let us in."""
        socket, number = self._sockets[method.service], next(self._ids)
        named = {'key': key or f'probe-{uuid.uuid4()}'} if method.command else {}
        told = envelope_pb2.RequestHead(id=number, method=method.name, budget_ms=20_000, **(named | head))
        if not socket.poll(wait_ms, zmq.POLLOUT):
            return None
        socket.send_multipart([told.SerializeToString(), message_of(method, fields).SerializeToString()])
        return number

    def answers(self, method, number):
        """Answers under an id, as long as they come: a feed has many."""
        while number is not None:
            while not self._answers.get(number):
                if not self._sockets[method.service].poll(WAIT_MS):
                    raise TimeoutError(f'{method.name}: no answer')
                head_bytes, body = self._sockets[method.service].recv_multipart()
                head = envelope_pb2.ResponseHead.FromString(head_bytes)
                self._answers.setdefault(head.id, []).append((head, body))
            head, body = self._answers[number].pop(0)
            if head.HasField('problem'):
                yield Answer(STATUS[head.problem.error], head.problem.code, json_format.MessageToJson(head.problem, ensure_ascii=False))
                return
            yield Answer(201 if head.created and not head.replayed else 200, 'ok', str(head), method.response.FromString(body))

    def receive(self, method, number):
        """The answer under an id; silence where nothing could be sent."""
        return next(self.answers(method, number), SILENCE)

    def call(self, method, fields, key=None, **more):
        """One question, one answer."""
        return self.receive(method, self.send(method, fields, key, **more))
