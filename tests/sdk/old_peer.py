"""A peer of another version: runs with the generated code that stands first in PYTHONPATH, whichever it is.

Reads {door, number, key, after} as JSON, files a complaint, gets it and pulls its events; tells as JSON what it read.
Fields from 900 on, where its code has any, are of a version to come, and are filled.
"""
import json
import sys

from lujian.bus.v1 import envelope_pb2, log_pb2
from lujian.complaints.v1 import complaint_pb2
from lujian_client import Door

TO_COME = 900


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


def ask(door, method, request, key=''):
    """(head, body) of the answer."""
    head = envelope_pb2.RequestHead(id=next(door.ids), method=method, key=key, budget_ms=20000)
    filled = fill(head) + fill(request)
    door.socket.send_multipart([head.SerializeToString(), request.SerializeToString()])
    while door.socket.poll(60000):
        answer, body = door.socket.recv_multipart()
        answer = envelope_pb2.ResponseHead.FromString(answer)
        if answer.id == head.id:
            return answer, body, filled
    raise TimeoutError(method)


def main():
    """Once through."""
    told = json.load(sys.stdin)
    door = Door(*told['door'])
    request = complaint_pb2.FileRequest(
        source='test-sdk', external_id=told['number'], channel=complaint_pb2.CHANNEL_PHONE,
        type=complaint_pb2.COMPLAINT_TYPE_COMPLAINT, title='占道', text='路口有摊贩', division='370102',
        caller=complaint_pb2.Caller(name='测试市民', phone='19900001234'))
    head, body, filled = ask(door, 'complaints.file', request, told['key'])
    complaint = complaint_pb2.Complaint.FromString(body)
    _, got, _ = ask(door, 'complaints.get', complaint_pb2.GetRequest(id=complaint.id))
    _, pulled, _ = ask(door, 'complaints.pull', log_pb2.PullRequest(after=told['after'], division='370102'))
    pulled = log_pb2.PullResponse.FromString(pulled)
    json.dump({
        'problem': head.problem.code, 'replayed': head.replayed, 'filled': filled, 'id': complaint.id,
        'number': complaint_pb2.Complaint.FromString(got).external_id,
        'known': sorted(field.name for field, _ in complaint.ListFields()),
        'unknown': len(body) - known_size(complaint),
        'events': [event.type for event in pulled.events if event.subject == complaint.id],
        'events_unknown': sum(event.ByteSize() - known_size(event) for event in pulled.events),
    }, sys.stdout)


def known_size(message):
    """Bytes without what was not understood."""
    copy = type(message)()
    copy.CopyFrom(message)
    copy.DiscardUnknownFields()
    return copy.ByteSize()


if __name__ == '__main__':
    main()
