"""A client of Lujian's doors in a page: it proves that proto/WIRE.md is enough to write one.

Needs pyzmq, protobuf and the generated lujian.*_pb2 modules (build/dev/proto/python) in the path. A door is one replica's
endpoint with its CURVE key, as .run/cluster.json or the operator tells them.
"""
import itertools
import os
import time
import uuid

import zmq
from lujian.bus.v1 import envelope_pb2, log_pb2


class Refused(Exception):
    """The door answered with a problem: `problem.code`, `detail_zh`, `detail_en`, `basis_zh`, ..."""

    def __init__(self, problem):
        super().__init__(f'{problem.code}: {problem.detail_en}')
        self.problem = problem


class Door:
    def __init__(self, endpoint, server_key, curve_public, curve_secret):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.curve_serverkey = server_key.encode()
        self.socket.curve_publickey = curve_public.encode()
        self.socket.curve_secretkey = curve_secret.encode()
        self.socket.linger = 0
        self.socket.immediate = True  # nothing is queued for a replica that is not there
        self.socket.sndtimeo = 3000
        self.socket.maxmsgsize = 1_114_112
        self.socket.connect(endpoint)
        self.ids = itertools.count(1)

    def close(self):
        self.socket.close()

    def send(self, method, request, key=''):
        head = envelope_pb2.RequestHead(id=next(self.ids), method=method, key=key, budget_ms=5000)
        try:
            self.socket.send_multipart([head.SerializeToString(), request.SerializeToString()])
        except zmq.Again:
            pass  # nobody is there: the answer that does not come tells it
        return head.id

    def receive(self, request_id, timeout_s):
        """The body of the next answer under that id; None when the time is up."""
        until = time.monotonic() + timeout_s
        while (left := until - time.monotonic()) > 0 and self.socket.poll(left * 1000):
            head_bytes, body = self.socket.recv_multipart()
            head = envelope_pb2.ResponseHead.FromString(head_bytes)
            if head.id == request_id:
                if head.HasField('problem'):
                    raise Refused(head.problem)
                return body
        return None

    def call(self, method, request, response_type, key=None, tries=3):
        """Answers once. A command is sent again with the same key when nothing came: it has one effect."""
        key = key or f'py-{uuid.uuid4()}'
        for _ in range(tries):
            body = self.receive(self.send(method, request, key), timeout_s=6)
            if body is not None:
                return response_type.FromString(body)
        raise TimeoutError(f'{method}: outcome unknown; send again with key {key}')

    def follow(self, service, cursor_file, types=(), credit=100):
        """Events after the cursor that the file holds, for ever; the cursor moves when the next event is asked for, so
        an event whose handling crashed comes again."""
        while True:
            after = open(cursor_file).read().strip() if os.path.exists(cursor_file) else ''
            if not after and os.path.exists(cursor_file):
                raise ValueError(f'{cursor_file} is damaged: from where to go on is for a person to say')
            feed = self.send(f'{service}.follow', log_pb2.FollowRequest(after=after, types=types, credit=credit))
            try:
                while (body := self.receive(feed, timeout_s=3)) is not None:  # `through` comes once a second at least
                    frame = log_pb2.FollowResponse.FromString(body)
                    epoch = frame.through.split(':')[1]
                    for event in frame.events:
                        yield event
                        save(cursor_file, f'{service}:{epoch}:{event.position}')
                    save(cursor_file, frame.through)
                    self.send(f'{service}.credit', log_pb2.CreditRequest(feed=feed, credit=len(frame.events)))
            except Refused as refused:
                if refused.problem.error != envelope_pb2.ERROR_CODE_NOT_EXECUTED:
                    raise  # not ours to read, or a cursor of another epoch
                time.sleep(1)  # the replica drains, or heard nothing of us for long: on from the cursor


def save(path, text):
    with open(f'{path}.new', 'w') as file:
        file.write(text)
    os.replace(f'{path}.new', path)
