"""Doors that answer as a test says, for what no replica does when it is asked to."""
import queue
import threading

import zmq
from lujian.bus.v1 import envelope_pb2, log_pb2, node_pb2


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
        self.unasked = queue.SimpleQueue()  # what goes without a request
        self.leave = threading.Event()
        self.thread = threading.Thread(target=self._serve)

    def _serve(self):
        while not self.leave.is_set():
            while not self.unasked.empty():
                self.socket.send_multipart(self.unasked.get())
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


def refused(number, error, code, detail=''):
    """The bytes of a problem."""
    problem = envelope_pb2.Problem(error=error, code=code, detail_en=detail)
    return [envelope_pb2.ResponseHead(id=number, problem=problem).SerializeToString(), b'']


class FeedDoor(FakeDoor):
    """Opens a feed with `count` events from the first; more come when the test tells them."""

    def __init__(self, count=0, refusals=0):
        super().__init__(self._open)
        self.count, self.refusals, self.asked, self.feed = count, refusals, [], None

    def _open(self, head, body):
        if not head.method.endswith('.follow'):
            return answered(head.id, log_pb2.CreditResponse())
        self.asked.append(log_pb2.FollowRequest.FromString(body))
        if len(self.asked) <= self.refusals:
            return refused(head.id, envelope_pb2.ERROR_CODE_NOT_EXECUTED, 'busy')
        self.feed = self.who, head.id
        return self._frame(1, self.count)

    def _frame(self, first, last):
        events = [log_pb2.Event(position=position, id=f'event-{position}', type='note.made.v1')
                  for position in range(first, last + 1)]
        return answered(self.feed[1], log_pb2.FollowResponse(events=events, through=f'supervision:1:{last}'))

    def tell(self):
        """One event more."""
        self.count += 1
        self.unasked.put([self.feed[0], *self._frame(self.count, self.count)])
