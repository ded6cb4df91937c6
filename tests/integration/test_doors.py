"""One corpus of bad requests at both doors: the same code from HTTP and from ZeroMQ. And what each transport alone can bring."""
import contextlib
import http.client
import json
import struct
import urllib.parse

import pytest
import zmq
from google.protobuf import json_format
from lujian.bus.v1 import envelope_pb2
from lujian.complaints.v1 import complaint_pb2
from lujian_client import Refused

from test_filing import REFUSED

GOOD_ID = '018f3a3e-7c2b-7def-8a11-0123456789ab'


def as_message(body):
    """The request as protobuf, where protobuf can say it at all."""
    text = dict(body)
    if isinstance(text.get('channel'), int) or 'T' not in text.get('received_at', 'T'):
        raise ValueError('a matter of JSON alone')
    prefixes = {'channel': 'CHANNEL_', 'type': 'COMPLAINT_TYPE_', 'urgency': 'URGENCY_'}
    for name, prefix in prefixes.items():
        if isinstance(text.get(name), str):
            text[name] = prefix + text[name].upper()
    if 'received_at' in text:
        from datetime import datetime
        text['received_at'] = int(datetime.fromisoformat(text['received_at']).timestamp() * 1000)
    return json_format.ParseDict(text, complaint_pb2.FileRequest())


@pytest.mark.parametrize('changes, status, code', REFUSED)
def test_both_doors_say_the_same(world, changes, status, code):
    body = world.complaint(**changes)
    try:
        message = as_message(body)
    except (json_format.ParseError, ValueError, TypeError):
        pytest.skip('protobuf cannot say this')
    over_http = world.hotline_3701.post('/v1/complaints', body).expect(status, code)
    with pytest.raises(Refused) as refused:
        world.door('hotline_3701').call('complaints.file', message, complaint_pb2.Complaint)
    problem = refused.value.problem
    assert problem.code == over_http['code'] and problem.field == over_http.get('field', '')


# Who may not call a method learns that before anything about the shape of what he sent.
NOT_HIS = [
    ('supervisor_3701', 'file', complaint_pb2.FileRequest(), '/v1/complaints', {}),
    ('supervisor_3701', 'file', complaint_pb2.FileRequest(text='x'), '/v1/complaints', {'nonsense': 1}),
    ('hotline_3701', 'reply', complaint_pb2.ReplyRequest(), f'/v1/complaints/{GOOD_ID}:reply', {}),
    ('unit_370102', 'redo', complaint_pb2.RedoRequest(), '/v1/complaints/not-an-id:redo', {'reason': 5}),
]


@pytest.mark.parametrize('who, verb, message, path, body', NOT_HIS)
def test_a_role_comes_before_a_shape_at_both_doors(world, who, verb, message, path, body):
    getattr(world, who).post(path, body).expect(403, 'permission_denied')
    with pytest.raises(Refused) as refused:
        world.door(who).call(f'complaints.{verb}', message, complaint_pb2.Complaint)
    assert refused.value.problem.code == 'permission_denied'


def raw(world, principal='hotline_3701', **keys):
    """A DEALER of our own making: for what a well-behaved client cannot send."""
    me, there = world.credentials[principal], world.cluster.endpoints['services']['complaints'][0]
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.linger = 0
    if keys.get('curve', True):
        socket.curve_serverkey = keys.get('server', there['curve_server_key']).encode()
        socket.curve_publickey = keys.get('public', me['curve_public']).encode()
        socket.curve_secretkey = keys.get('secret', me['curve_secret']).encode()
    if 'identity' in keys:
        socket.identity = keys['identity']
    socket.connect(there['rpc'])
    return socket


def head(method='complaints.get', **fields):
    return envelope_pb2.RequestHead(id=7, method=method, **fields).SerializeToString()


def answer(socket, timeout_ms=5000):
    if not socket.poll(timeout_ms):
        return None
    return envelope_pb2.ResponseHead.FromString(socket.recv_multipart()[0]).problem.code


def still_serves(world):
    assert world.door('hotline_3701').receive is not None
    socket = raw(world)
    socket.send_multipart([head(), complaint_pb2.GetRequest(id=GOOD_ID).SerializeToString()])
    assert answer(socket) == 'not_found'


MALFORMED = [
    ([head(), b'\xff\xff\xff'], 'invalid_argument'),
    ([head(), b''], 'invalid_argument'),
    ([head('complaints.dance'), b''], 'unknown_method'),
    ([head('supervision.list_cards'), b''], 'unknown_method'),
    ([head('complaints.sign', key='k'), complaint_pb2.SignRequest(id=GOOD_ID).SerializeToString()], 'permission_denied'),
    ([head('complaints.file'), b''], 'required'),  # the key
    ([head('complaints.file', key='k'), b''], 'invalid_argument'),
    ([b'\xff' * 40, b''], 'invalid_argument'),
    ([head('complaints.get', on_behalf='supervisor_37'), complaint_pb2.GetRequest(id=GOOD_ID).SerializeToString()],
     'on_behalf'),
    ([head(), b'\x0a\x05ab\x00cd'], 'invalid_argument'),
    ([head(), b'\x0a\x02\xc3\x28'], 'invalid_argument'),
]


@pytest.mark.parametrize('frames, code', MALFORMED)
def test_malformed_messages_are_answered(world, frames, code):
    socket = raw(world)
    socket.send_multipart(frames)
    assert answer(socket) == code


@pytest.mark.parametrize('frames', [[b''], [b'x'], [head()], [head(), b'', b''], [b'x'] * 500])
def test_what_cannot_be_answered_is_dropped(world, frames):
    socket = raw(world)
    socket.send_multipart(frames)
    assert answer(socket, 300) is None
    still_serves(world)


def test_giant_frames_cut_the_link(world):
    socket = raw(world)
    socket.send_multipart([head(), b'x' * (4 << 20)])
    assert answer(socket, 1000) is None
    still_serves(world)


def test_strangers_get_nothing(world):
    public, secret = (key.decode() for key in zmq.curve_keypair())
    for keys in ({'curve': False}, {'public': public, 'secret': secret}, {'server': public}, {'identity': b'me'}):
        socket = raw(world, **keys)
        # Who has been turned away before he sends has nobody left to send to, and would wait for ever.
        with contextlib.suppress(*(() if 'identity' in keys else (zmq.Again,))):
            socket.send_multipart([head(), complaint_pb2.GetRequest(id=GOOD_ID).SerializeToString()], zmq.DONTWAIT)
        assert answer(socket, 700) is None, keys
    still_serves(world)


# -- what only HTTP can bring --

def bytes_of(body):
    return json.dumps(body, ensure_ascii=False).encode()


def nested(depth):
    return b'{"caller":' * depth + b'{}' + b'}' * depth


RAW_BODIES = [
    (lambda b: b[:-5], 400), (lambda b: b + b'x', 400), (lambda b: b'', 400), (lambda b: b'[]', 400),
    (lambda b: b'null', 400), (lambda b: b.replace('夜'.encode(), b'\xff\xfe'), 400),
    (lambda b: b[:-1] + b',"title":"again"}', 400), (lambda b: nested(2000), 400),
    (lambda b: b.replace(b'"phone"', b'"ph\\u0000one"', 1), 400),
    (lambda b: b.replace(b'"phone"', b'"\\ud800"', 1), 400),
    (lambda b: b'\xef\xbb\xbf' + b, 400), (lambda b: b + b' ' * (1 << 20), 413),
]


@pytest.mark.parametrize('number', range(len(RAW_BODIES)))
def test_bad_bodies(world, number):
    spoil, status = RAW_BODIES[number]
    world.hotline_3701.request('POST', '/v1/complaints', raw=spoil(bytes_of(world.complaint()))).expect(status)


def test_media_types_methods_and_paths(world):
    body = bytes_of(world.complaint())
    for media in ('text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', None):
        world.hotline_3701.request('POST', '/v1/complaints', raw=body, headers={'Content-Type': media}).expect(415)
    wrong = world.hotline_3701.request('DELETE', '/v1/complaints')
    assert wrong.status == 405 and 'POST' in wrong.headers['Allow']
    assert world.hotline_3701.request('POST', '/openapi.json').status == 405
    for path in ('/v1/me', '/v1/complaints', '/v1/events?stream=complaints', '/openapi.json'):
        assert world.hotline_3701.request('HEAD', path).status == 200, path
    for path in ('/', '/v1', '/v1/complaints/', '/v1/nothing', '/v1/complaints/a/b/c', '/V1/complaints'):
        assert world.hotline_3701.request('GET', path).status in (400, 404), path
    world.hotline_3701.request('GET', '/v1/complaints?x=%00').expect(400)
    world.hotline_3701.request('GET', '/v1/complaints?division=%ff').expect(400)
    world.hotline_3701.request('GET', '/v1/complaints?state=closed&state=signed').expect(400)
    world.hotline_3701.request('GET', '/v1/events?stream=complaints&stream=registry').expect(400)
    types = 'type=complaint.filed.v1&type=complaint.signed.v1'
    assert world.hotline_3701.request('GET', f'/v1/events?stream=complaints&{types}').status == 200


def test_bad_credentials(world):
    for value in ('', 'Bearer', 'Bearer ', 'Bearer x', 'Basic abc', 'Bearer ' + 'x' * 5000):
        answered = world.nobody.request('GET', '/v1/me', headers={'Authorization': value})
        assert answered.status in (401, 431), value
    assert world.nobody.get('/v1/me').headers['WWW-Authenticate'] == 'Bearer'


@pytest.mark.parametrize('key', ['', 'has space', 'x' * 129, '中文'.encode().decode('latin-1')])
def test_bad_keys(world, key):
    world.hotline_3701.post('/v1/complaints', world.complaint(), Idempotency_Key=key).expect(400)


def test_half_a_request_costs_nothing(world):
    host = urllib.parse.urlsplit(world.url)
    connection = http.client.HTTPConnection(host.netloc, timeout=10)
    connection.putrequest('POST', '/v1/complaints')
    connection.putheader('Content-Length', '1000')
    connection.endheaders()
    connection.send(b'{"source":')
    connection.sock.setsockopt(1, 13, struct.pack('ii', 1, 0))  # SO_LINGER: reset
    connection.close()
    world.filed()
