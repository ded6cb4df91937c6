"""The contract says what the HTTP and ZeroMQ surfaces promise: names, values, limits, who may what."""
import pytest

ENUMS = {
    'ComplaintType': 'consultation help complaint report suggestion praise other',
    'Channel': 'phone web letter sms app wechat weibo visit superior open311 media',
    'Urgency': 'normal urgent critical',
    'ComplaintState': 'received answered refused transferred dispatched signed returned handling replied visited '
                      'closed pending',
    'ClockKind': 'dispatch sign return contact reply visit order',
    'ClockState': 'running met late cancelled',
    'CardColor': 'yellow red',
    'CardState': 'open acknowledged closed',
    'Level': 'county city province',
    'OrderState': 'issued signed replied closed escalated',
    'Trigger': 'overdue recurring social serious unsatisfied refused',
}

ROUTES = {
    ('post', '/v1/complaints'), ('get', '/v1/complaints'), ('get', '/v1/complaints/{id}'),
    ('get', '/v1/complaints/{id}/clocks'), ('get', '/v1/complaints/{id}/clocks/{clock_id}:explain'),
    *(('post', '/v1/complaints/{id}:' + action) for action in
      'sign contact reply extend return dispatch visit redo close reopen'.split()),
    ('get', '/v1/cards'), ('post', '/v1/cards/{id}:acknowledge'), ('get', '/v1/orders'),
    *(('post', '/v1/orders/{id}:' + action) for action in 'sign reply close'.split()),
    ('get', '/v1/events'), ('get', '/v1/events:stream'), ('get', '/v1/me'), ('post', '/v1/time:advance'),
    ('get', '/openapi.json'),
}

FIELDS = {
    'Complaint': 'id order_no source external_id state division unit version clocks channel received_at type category '
                 'title text place urgency about_enforcement caller',
    'Clock': 'id kind term started_at due_at due_on provisional state',
    'ExplainedDay': 'date counted reason basis',
    'Card': 'id color subject clock_kind division level raised_at state',
    'Order': 'id level trigger subject division due_at state',
    'ListResponse': 'complaints next_page_token',
    'ListCardsResponse': 'cards next_page_token',
    'ListOrdersResponse': 'orders next_page_token',
    'ExplainResponse': 'days',
    'ClocksResponse': 'clocks',
    'EventsPage': 'events through',
    'ProblemDetails': 'type title status code detail_zh detail_en basis_zh basis_en state allowed field',
}

REQUESTS = {
    'FileRequest': ('source external_id channel type title text division',
                    'received_at category place urgency about_enforcement caller'),
    'SignRequest': ('', ''),
    'ContactRequest': ('', 'reached note'),
    'ReplyRequest': ('text', 'basis'),
    'ExtendRequest': ('working_days reason', ''),
    'ReturnRequest': ('reason', ''),
    'DispatchRequest': ('', 'unit'),
    'VisitRequest': ('', 'reached solved satisfied note'),
    'RedoRequest': ('reason', ''),
    'CloseRequest': ('', 'note'),
    'ReopenRequest': ('reason', ''),
    'ReplyOrderRequest': ('text', ''),
    'CloseOrderRequest': ('verdict', ''),
}

EVENTS = '''complaint.filed complaint.dispatched complaint.signed complaint.contacted complaint.replied
    complaint.extended complaint.returned complaint.visited complaint.redone complaint.closed complaint.reopened
    complaint.moved_out clock.rung_reached clock.recomputed card.raised card.acknowledged card.closed order.issued
    order.signed order.replied order.closed order.escalated order.cannot_escalate order.reported
    order.readdressed order.moved_out
    reference.changed'''.split()


@pytest.mark.parametrize('name', ENUMS)
def test_enum_values(openapi, name):
    assert openapi['components']['schemas'][name]['enum'] == ['unspecified', *ENUMS[name].split()]


def test_routes(openapi):
    found = {(verb, path) for path, verbs in openapi['paths'].items() for verb in verbs}
    assert ROUTES <= found
    assert found - ROUTES == {('get', '/v1/cards/{id}'), ('get', '/v1/orders/{id}'), ('get', '/v1/orders/{id}/clocks'),
                              ('get', '/v1/orders/{id}/clocks/{clock_id}:explain'),
                              ('post', '/v1/registry:load'), ('get', '/v1/registry/{kind}')}


@pytest.mark.parametrize('name', FIELDS)
def test_answers_have_their_fields(openapi, name):
    schema = openapi['components']['schemas'][name]
    assert set(FIELDS[name].split()) <= set(schema['properties'])
    if name not in ('ProblemDetails', 'EventsPage'):
        assert schema['required'] == list(schema['properties'])


@pytest.mark.parametrize('name', REQUESTS)
def test_requests_have_their_fields(openapi, name):
    schema = openapi['components']['schemas'][name]
    required, optional = (set(part.split()) for part in REQUESTS[name])
    assert set(schema.get('required', [])) == required
    assert set(schema['properties']) == required | optional
    assert schema['additionalProperties'] is False


def test_limits(openapi):
    text = openapi['components']['schemas']['FileRequest']['properties']['text']
    assert text['x-bytes-max'] == 65536
    days = openapi['components']['schemas']['ExtendRequest']['properties']['working_days']
    assert (days['minimum'], days['maximum']) == (1, 10)
    for path in ('/v1/complaints', '/v1/cards', '/v1/orders'):
        size = next(p for p in openapi['paths'][path]['get']['parameters'] if p['name'] == 'page_size')
        assert (size['schema']['minimum'], size['schema']['maximum']) == (1, 200)


def test_query_parameters(openapi):
    def names(path):
        return {p['name'] for p in openapi['paths'][path]['get']['parameters']}
    assert names('/v1/complaints') == {'division', 'state', 'source', 'external_id', 'page_size', 'page_token'}
    assert names('/v1/cards') >= {'division', 'color', 'state', 'page_size', 'page_token'}
    assert names('/v1/orders') >= {'division', 'state', 'page_size', 'page_token'}
    assert names('/v1/events') == {'stream', 'after', 'division', 'type', 'limit'}
    assert names('/v1/events:stream') == {'stream', 'after', 'division', 'type', 'Last-Event-ID'}


def test_wide_numbers_and_instants(openapi):
    complaint = openapi['components']['schemas']['Complaint']['properties']
    assert complaint['version']['type'] == 'string' and complaint['version']['format'] == 'int64'
    assert complaint['redo_count']['type'] == 'integer'
    assert complaint['received_at'] == {'type': ['string', 'null'], 'format': 'date-time'}
    assert complaint['caller']['oneOf'][1] == {'type': 'null'}


def test_events(generated):
    directory = (generated / 'lujian/contract.lj.c').read_text(encoding='utf-8')
    tables = ''.join(path.read_text(encoding='utf-8') for path in (generated / 'lujian').rglob('*.lj.c'))
    found = set()
    for line in tables.splitlines():
        if line.strip().startswith('.type = "'):
            found.add(line.split('"')[1])
    assert found == {name + '.v1' for name in EVENTS}
    assert directory.count('_event,\n') == len(EVENTS)


def test_every_service_has_the_generic_methods(generated):
    tables = ''.join(path.read_text(encoding='utf-8') for path in (generated / 'lujian').rglob('*.lj.c'))
    for service in ('registry', 'complaints', 'supervision'):
        for method in ('ping', 'pull', 'follow', 'credit', 'unfollow', 'status', 'list_dead_letters', 'replay',
                       'rebase', 'time'):
            assert f'.name = "{service}.{method}"' in tables


def test_python_modules_stand_alone(pb2):
    request = pb2('complaints.v1.complaint').FileRequest(source='jinan-12345', channel='CHANNEL_PHONE')
    again = pb2('complaints.v1.complaint').FileRequest.FromString(request.SerializeToString())
    assert again.source == 'jinan-12345' and again.channel == 1
    assert pb2('registry.v1.reference').Principal(roles=['ROLE_UNIT']).roles == [2]
    head = pb2('bus.v1.envelope').RequestHead(id=1, method='complaints.file', key='k')
    assert head.SerializeToString().hex() == '0801120f636f6d706c61696e74732e66696c6522016b'


def test_descriptor_set_has_no_options_of_ours(generated):
    for name in ('lujian.binpb', 'messages.binpb'):
        data = (generated / name).read_bytes()
        assert b'google/protobuf/descriptor.proto' not in data
        assert b'FieldRule' not in data
        assert b'PATTERN_UUID' not in data
    assert b'ComplaintService' in (generated / 'lujian.binpb').read_bytes()
