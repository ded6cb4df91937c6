"""Events: pulled, streamed and followed; cursors; CloudEvents."""
import http.client
import json
import socket
import threading
import urllib.parse

import psycopg2
from lujian.complaints.v1 import complaint_pb2, events_pb2
from lujian_client import Refused

WAIT_S = 30
PERSONAL = ('19900001234', '测试市民', '夜间占道', '路口每晚')


def test_cloudevents(world):
    c = world.filed()
    events, _ = world.supervisor_3701.events('complaints')
    mine = [e for e in events if e['subject'] == c['id']]
    assert [e['type'] for e in mine] == ['complaint.filed.v1', 'complaint.dispatched.v1']
    first = mine[0]
    assert first['specversion'] == '1.0' and first['source'] == '/37/complaints' and first['time'] == c['filed_at']
    assert isinstance(first['position'], str) and first['data']['division'] == '370102'
    assert first['data']['complaint_id'] == c['id'] and first['data']['category'] == 'urban_enforcement'
    assert int(mine[1]['position']) == int(first['position']) + 1
    text = json.dumps(events, ensure_ascii=False)
    assert not [word for word in PERSONAL if word in text]


def test_positions_are_contiguous_and_the_operator_sees_them(world):
    world.filed()
    events, head = world.operator.events('complaints')
    with psycopg2.connect(world.cluster.database('complaints')) as connection, connection.cursor() as cursor:
        cursor.execute('SELECT position, type FROM event WHERE position <= %s ORDER BY position', [head.split(':')[2]])
        rows = cursor.fetchall()
    assert [position for position, _ in rows] == list(range(1, len(rows) + 1)) and len(rows) == int(head.split(':')[2])
    # who sees a move under its new division is not told again under the old one
    told = [position for position, event_type in rows if event_type != 'complaint.moved_out.v1']
    assert [int(e['position']) for e in events] == told


def test_pull_filters_and_cursors(world):
    _, head = world.supervisor_3701.events('complaints')
    a, b = world.filed(), world.filed(division='370103')
    world.unit_370102.act(a, 'sign').expect(200)
    after, _ = world.supervisor_3701.events('complaints', head)
    assert [(e['subject'], e['type'].split('.')[1]) for e in after] == [
        (a['id'], 'filed'), (a['id'], 'dispatched'), (b['id'], 'filed'), (b['id'], 'dispatched'), (a['id'], 'signed')]
    county, _ = world.supervisor_3701.events('complaints', head, division='370103')
    assert {e['subject'] for e in county} == {b['id']}
    signed, _ = world.supervisor_3701.events('complaints', head, type='complaint.signed.v1')
    assert [e['subject'] for e in signed] == [a['id']]
    page = world.supervisor_3701.get('/v1/events', stream='complaints', after=head, limit=2).expect(200)
    assert len(page['events']) == 2


def test_bad_cursors_and_parameters(world):
    _, head = world.supervisor_3701.events('complaints')
    stream, epoch, position = head.split(':')
    get = lambda **query: world.supervisor_3701.get('/v1/events', **query)
    get(stream='complaints', after=f'complaints:{int(epoch) + 1}:1').expect(409, 'cursor_mismatch')
    get(stream='complaints', after=f'complaints:{epoch}:99999999').expect(409, 'cursor_mismatch')
    for after in ('x', 'complaints', f'supervision:{epoch}:1', f'complaints:{epoch}:-1', '1'):
        get(stream='complaints', after=after).expect(400)
    get(stream='weather').expect(400)
    get().expect(400)
    for limit in (0, 1001, 'x', -1):
        get(stream='complaints', limit=limit).expect(400)
    get(stream='complaints', unknown=1).expect(400)
    get(stream='complaints', type='*').expect(400)
    world.nobody.get('/v1/events', stream='complaints').expect(401)


class Stream(threading.Thread):
    """An SSE subscriber; `wait` blocks until an event answers the condition."""

    def __init__(self, world, principal, path, headers=None):
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(world.url).netloc, timeout=60)
        self.connection.request('GET', path, headers={
            'Authorization': f'Bearer {world.credentials[principal]["token"]}', **(headers or {})})
        self.socket = self.connection.sock  # a response without a length takes it away from the connection
        self.response = self.connection.getresponse()
        self.events, self.changed = [], threading.Condition()
        if self.response.status == 200:
            self.start()

    def run(self):
        message = {}
        try:
            for line in self.response:
                line = line.decode().rstrip('\n')
                if line and not line.startswith(':'):
                    name, _, value = line.partition(': ')
                    message[name] = value
                elif not line and 'data' in message:
                    with self.changed:
                        self.events.append((message.get('id'), message.get('event'), json.loads(message['data'])))
                        self.changed.notify_all()
                    message = {}
        except (OSError, ValueError, AttributeError):
            pass  # closed by the test

    def wait(self, condition, timeout_s=15):
        with self.changed:
            assert self.changed.wait_for(lambda: any(condition(*e) for e in self.events), timeout_s), self.events[-5:]
            return next(e for e in self.events if condition(*e))

    def close(self):
        # The reader holds the response while it waits: closing alone would wait for the server's next comment.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.join(WAIT_S)
        assert not self.is_alive()
        self.response.close()


def test_a_stream_tells_as_it_happens_and_continues_where_it_was(world):
    _, head = world.supervisor_3701.events('complaints')
    quoted = urllib.parse.quote(head)
    stream = Stream(world, 'supervisor_3701', f'/v1/events:stream?stream=complaints&after={quoted}')
    assert stream.response.status == 200 and stream.response.headers['Content-Type'].startswith('text/event-stream')
    a = world.filed()
    cursor, event_type, event = stream.wait(lambda i, t, e: e.get('subject') == a['id'])
    assert event_type == event['type'] == 'complaint.filed.v1' and cursor.endswith(':' + event['position'])
    stream.close()
    b = world.filed()
    again = Stream(world, 'supervisor_3701', f'/v1/events:stream?stream=complaints&after={quoted}', {'Last-Event-ID': cursor})
    again.wait(lambda i, t, e: e.get('subject') == b['id'])
    assert [e['type'] for _, _, e in again.events if e['subject'] == a['id']] == ['complaint.dispatched.v1']
    again.close()


def test_streams_are_scoped(world):
    county = Stream(world, 'supervisor_370102', '/v1/events:stream?stream=complaints')
    city = Stream(world, 'supervisor_3701', '/v1/events:stream?stream=complaints&division=370103')
    a, b = world.filed(division='370103'), world.filed()
    county.wait(lambda i, t, e: e['subject'] == b['id'])
    city.wait(lambda i, t, e: e['subject'] == a['id'])
    assert a['id'] not in {e['subject'] for _, _, e in county.events}
    assert b['id'] not in {e['subject'] for _, _, e in city.events}
    county.close(), city.close()


def test_a_stream_is_refused_by_status(world):
    for principal, path, status in (
            ('supervisor_370102', '/v1/events:stream?stream=complaints&division=3702', 403),
            ('supervisor_3701', '/v1/events:stream?stream=complaints&after=complaints:99:1', 409),
            ('supervisor_3701', '/v1/events:stream?stream=weather', 400),
            ('supervisor_3701', '/v1/events:stream', 400)):
        assert Stream(world, principal, path).response.status == status, path


def test_the_python_client_files_and_follows(world, tmp_path):
    centre, supervisor = world.door('hotline_3701'), world.door('supervisor_3701')
    follow = supervisor.follow('complaints', str(tmp_path / 'cursor'))
    body = world.complaint()
    request = complaint_pb2.FileRequest(
        source=body['source'], external_id=body['external_id'], channel=complaint_pb2.CHANNEL_WEB,
        type=complaint_pb2.COMPLAINT_TYPE_HELP, title='路灯不亮', text='三天不亮', division='370102')
    filed = centre.call('complaints.file', request, complaint_pb2.Complaint)
    assert centre.call('complaints.file', request, complaint_pb2.Complaint).id == filed.id
    event = next(e for e in follow if e.subject == filed.id)
    assert events_pb2.ComplaintFiled.FromString(event.data).order_no == filed.order_no
    next(follow)  # asking for the next has moved the cursor
    later = world.door('supervisor_3701').follow('complaints', str(tmp_path / 'cursor'))
    second = world.filed()
    seen = []
    for event in later:
        seen.append(event)
        if event.subject == second['id']:
            break
    assert filed.id not in [e.subject for e in seen if e.type == 'complaint.filed.v1']
    try:
        centre.call('complaints.sign', complaint_pb2.SignRequest(id=filed.id), complaint_pb2.Complaint)
    except Refused as refused:
        assert refused.problem.code == 'permission_denied'
    else:
        raise AssertionError('a centre signed')
