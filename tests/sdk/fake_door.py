"""A door that answers as a test says, for what no replica does when it is asked to."""
import threading

import zmq
from lujian.bus.v1 import envelope_pb2, node_pb2


class FakeDoor:
    """Answers as `answer(head, body)` says, with bytes; None = not at all."""

    def __init__(self, answer):
        self.answer = answer
        self.public, secret = zmq.curve_keypair()
        self.socket = zmq.Context.instance().socket(zmq.ROUTER)
        self.socket.linger = 0
        self.socket.curve_server = True
        self.socket.curve_secretkey = secret
        port = self.socket.bind_to_random_port('tcp://127.0.0.1')
        self.doors = f'tcp://127.0.0.1:{port} {self.public.decode()}'
        self.who = None
        self.leave = threading.Event()
        self.thread = threading.Thread(target=self._serve)

    def _serve(self):
        while not self.leave.is_set():
            if not self.socket.poll(20):
                continue
            self.who, head, body = self.socket.recv_multipart()
            head = envelope_pb2.RequestHead.FromString(head)
            answer = self.answer(head, body)
            if head.method.endswith('.ping'):
                answer = answered(head.id, node_pb2.PingResponse())
            if answer:
                self.socket.send_multipart([self.who, *answer])

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.leave.set()
        self.thread.join()
        self.socket.close()


def answered(number, message, **fields):
    """The bytes of an answer."""
    return [envelope_pb2.ResponseHead(id=number, **fields).SerializeToString(), message.SerializeToString()]
