"""A peer of another version: runs with the generated code that stands first in PYTHONPATH, whichever it is.

Reads {play, door, after, ...} as JSON, plays one of the parts below at that door, and tells as JSON what it read. Fields from
900 on, where its code has any, are of a version to come, and are filled.
"""
import collections
import json
import sys

from lujian.bus.v1 import envelope_pb2, log_pb2
from lujian.complaints.v1 import complaint_pb2
from lujian.supervision.v1 import events_pb2
from lujian_client import Door

TO_COME = 900
DIVISION = '370102'


def fill(message):
    """Fills what is to come; how many fields that were."""
    count = 0
    for field in message.DESCRIPTOR.fields:
        if field.number >= TO_COME:
            setattr(message, field.name, '新' if field.type == field.TYPE_STRING else 7)
            count += 1
    for _, value in message.ListFields():
        if hasattr(value, 'DESCRIPTOR'):
            count += fill(value)
    return count


class Peer:
    """A connection. What comes is kept under its id: a feed's messages come between answers."""

    def __init__(self, door):
        self.door = Door(*door)
        self.filled = {}        # {method: fields}
        self.kept = collections.defaultdict(collections.deque)

    def send(self, method, request, key=''):
        """The id under which answers come."""
        head = envelope_pb2.RequestHead(id=next(self.door.ids), method=method, key=key, budget_ms=20000)
        self.filled[method] = fill(head) + fill(request)
        self.door.socket.send_multipart([head.SerializeToString(), request.SerializeToString()])
        return head.id

    def receive(self, number):
        """(head, body) of the next answer under an id."""
        while not self.kept[number]:
            if not self.door.socket.poll(60000):
                raise TimeoutError(number)
            head, body = self.door.socket.recv_multipart()
            head = envelope_pb2.ResponseHead.FromString(head)
            self.kept[head.id].append((head, body))
        return self.kept[number].popleft()

    def ask(self, method, request, key=''):
        """(head, body) of the one answer."""
        return self.receive(self.send(method, request, key))

    def file(self, told):
        """(head, body) of the answer to a filing."""
        return self.ask('complaints.file', complaint_pb2.FileRequest(
            source='test-sdk', external_id=told['number'], channel=complaint_pb2.CHANNEL_PHONE,
            type=complaint_pb2.COMPLAINT_TYPE_COMPLAINT, title='占道', text='路口有摊贩', division=DIVISION,
            caller=complaint_pb2.Caller(name='测试市民', phone='19900001234')), told['key'])

    def pull(self, service, after):
        """A page of events."""
        _, body = self.ask(f'{service}.pull', log_pb2.PullRequest(after=after, division=DIVISION))
        return log_pb2.PullResponse.FromString(body)


def file(peer, told):
    """Files a complaint, gets it and pulls its events."""
    head, body = peer.file(told)
    complaint = complaint_pb2.Complaint.FromString(body)
    _, got = peer.ask('complaints.get', complaint_pb2.GetRequest(id=complaint.id))
    pulled = peer.pull('complaints', told['after'])
    return {
        'problem': head.problem.code, 'replayed': head.replayed, 'id': complaint.id,
        'number': complaint_pb2.Complaint.FromString(got).external_id,
        'known': sorted(field.name for field, _ in complaint.ListFields()), 'unknown': unknown(complaint),
        'events': [event.type for event in pulled.events if event.subject == complaint.id],
        'events_unknown': sum(map(unknown, pulled.events)),
    }


def follow(peer, told):
    """Opens a feed for one event, files a complaint, gives credit for what else there is, and ends the feed."""
    feed = peer.send('complaints.follow', log_pb2.FollowRequest(after=told['after'], division=DIVISION, credit=1))
    _, body = peer.file(told)
    first = events_of(peer, feed, 1)
    _, pause = peer.receive(feed)       # within a second: how far it has looked
    assert not log_pb2.FollowResponse.FromString(pause).events, 'more than there was credit for'
    head, _ = peer.ask('complaints.credit', log_pb2.CreditRequest(feed=feed, credit=10))
    rest = events_of(peer, feed, 1)
    end, _ = peer.ask('complaints.unfollow', log_pb2.UnfollowRequest(feed=feed))
    return {
        'problems': [head.problem.code, end.problem.code], 'id': complaint_pb2.Complaint.FromString(body).id,
        'first': [(event.type, event.subject) for event in first], 'rest': [(event.type, event.subject) for event in rest],
        'places': [event.position for event in first + rest], 'unknown': sum(map(unknown, first + rest)),
    }


def events_of(peer, feed, count):
    """Events of a feed, of which so many have to come."""
    found = []
    while len(found) < count:
        head, body = peer.receive(feed)
        assert not head.HasField('problem'), head.problem
        found += log_pb2.FollowResponse.FromString(body).events
    return found


def orders(peer, told):
    """Pulls what supervision has told, and reads the orders that were issued."""
    pulled = peer.pull('supervision', told['after'])
    issued = [events_pb2.OrderIssued.FromString(event.data) for event in pulled.events if event.type == 'order.issued.v1']
    return {'issued': [(order.subject, order.division, order.unit) for order in issued],
            'unknown': sum(map(unknown, issued)), 'events_unknown': sum(map(unknown, pulled.events))}


def unknown(message):
    """Bytes that were not understood."""
    copy = type(message)()
    copy.CopyFrom(message)
    copy.DiscardUnknownFields()
    return message.ByteSize() - copy.ByteSize()


def main():
    """One part, once through."""
    told = json.load(sys.stdin)
    peer = Peer(told['door'])
    json.dump({'file': file, 'follow': follow, 'orders': orders}[told['play']](peer, told) | {'filled': peer.filled},
              sys.stdout)


if __name__ == '__main__':
    main()
