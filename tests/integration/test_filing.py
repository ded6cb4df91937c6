"""Filing: stored once, numbered, routed, dispatched, on its clocks; and every way in which it is refused."""
import re
from concurrent.futures import ThreadPoolExecutor

import pytest


def clocks_of(complaint):
    return {clock['kind']: clock for clock in complaint['clocks']}


def test_a_filed_complaint_is_dispatched_and_on_its_clocks(world):
    body = world.complaint()
    answer = world.hotline_3701.post('/v1/complaints', body)
    c = answer.expect(201)
    assert answer.headers['Location'] == f'/v1/complaints/{c["id"]}' and answer.headers['ETag'] == '"1"'
    assert c['state'] == 'dispatched' and c['version'] == '1' and c['division'] == '370102'
    assert c['unit'].startswith('370102-') and c['category'] == 'urban_enforcement' and c['urgency'] == 'normal'
    assert re.fullmatch(r'370102\d{8}\d{8}', c['order_no'])
    assert set(clocks_of(c)) == {'sign', 'return', 'reply'}
    for clock in c['clocks']:
        assert clock['state'] == 'running' and clock['term'] == 1
        assert clock['due_at'].endswith('T00:00:00+08:00') and clock['due_on'] < clock['due_at'][:10]
    assert c['received_at'] == c['filed_at'] and c['received_at'].endswith('+08:00')
    assert world.hotline_3701.get(f'/v1/complaints/{c["id"]}').expect(200) == c


def test_absent_fields_have_their_defaults(world):
    c = world.filed(category=None, caller=None)
    assert c['category'] == 'other' and c['unit'] == '370102-default' and c['place'] == ''
    assert c['caller'] == {'name': '', 'phone': '', 'confidential': False, 'wants_reply': False}
    assert c['reply'] is None and c['visit'] is None and c['about_enforcement'] is False


def test_padded_divisions_are_the_same(world):
    assert world.filed(division='370100')['division'] == '3701'
    assert world.filed(division='370102000')['division'] == '370102'


def test_a_replaced_division_leads_to_its_successor(world):
    assert world.filed(division='371202')['division'] == '370116'


def test_the_importers_clocks_start_when_it_was_received(world):
    from datetime import datetime, timedelta
    received = (datetime.fromisoformat(world.now()) - timedelta(days=1)).isoformat(timespec='seconds')
    mine = clocks_of(world.filed(received_at=received))
    assert {clock['started_at'] for clock in mine.values()} == {received}
    body = world.complaint(source='qingdao-12345', division='370202', received_at=received)
    c = world.hotline_3702.post('/v1/complaints', body).expect(201)
    assert c['received_at'] == received and clocks_of(c)['reply']['started_at'] == c['filed_at']


def test_the_same_again_is_the_same_complaint(world):
    body = world.complaint()
    first = world.hotline_3701.post('/v1/complaints', body, Idempotency_Key='k-' + body['external_id']).expect(201)
    for headers in ({'Idempotency_Key': 'k-' + body['external_id']}, {'Idempotency_Key': 'x-' + body['external_id']}, {}):
        again = world.hotline_3701.post('/v1/complaints', body, **headers)
        assert again.expect(200)['id'] == first['id']
        assert again.headers['Idempotency-Replayed'] == 'true'
    other = dict(body, text='另一段内容。')
    world.hotline_3701.post('/v1/complaints', other).expect(422, 'conflicting_payload')
    world.hotline_3701.post('/v1/complaints', world.complaint(), Idempotency_Key='k-' + body['external_id']).expect(
        422, 'conflicting_payload')


def test_a_replay_shows_the_complaint_as_it_is_now(world):
    body = world.complaint()
    first = world.hotline_3701.post('/v1/complaints', body).expect(201)
    world.unit_370102.act(first, 'sign').expect(200)
    again = world.hotline_3701.post('/v1/complaints', body).expect(200)
    assert again['state'] == 'signed' and again['version'] == '2'


def test_anothers_key_is_another_key(world):
    key = 'shared-' + world.run
    a = world.hotline_3701.post('/v1/complaints', world.complaint(), Idempotency_Key=key).expect(201)
    body = world.complaint(source='qingdao-12345', division='370202')
    b = world.hotline_3702.post('/v1/complaints', body, Idempotency_Key=key).expect(201)
    assert a['id'] != b['id']


def test_many_at_once_with_one_key_make_one(world):
    body = world.complaint()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: world.hotline_3701.post('/v1/complaints', body), range(64)))
    assert {a.status for a in answers} <= {200, 201, 409}
    assert sum(a.status == 201 for a in answers) == 1
    assert len({a.json['id'] for a in answers if a.status < 300}) == 1


REFUSED = [
    ({'division': '999999'}, 422, 'unknown_division'),
    ({'division': '370202'}, 403, 'division_not_yours'),
    ({'division': '37'}, 403, 'division_not_yours'),
    ({'division': '37010'}, 400, None),
    ({'division': ''}, 400, None),
    ({'source': 'qingdao-12345'}, 403, 'source_not_yours'),
    ({'source': 'jinan-12345x'}, 403, 'source_not_yours'),
    ({'category': '没有这个类别'}, 422, 'unknown_category'),
    ({'category': 'no_such'}, 422, 'unknown_category'),
    ({'channel': 'pigeon'}, 400, None),
    ({'channel': 'unspecified'}, 400, None),
    ({'channel': 1}, 400, None),
    ({'type': None}, 400, None),
    ({'title': None}, 400, None),
    ({'title': ''}, 400, None),
    ({'title': '长' * 400}, 400, None),
    ({'title': '两\n行'}, 400, None),
    ({'text': 'x' * 65537}, 400, None),
    ({'external_id': 'has space'}, 400, None),
    ({'external_id': None}, 400, None),
    ({'received_at': '2026-02-30T00:00:00+08:00'}, 400, None),
    ({'received_at': '2026-01-01'}, 400, None),
    ({'received_at': '2099-01-01T00:00:00+08:00'}, 422, 'received_in_future'),
    ({'urgency': 'very'}, 400, None),
    ({'unknown': 1}, 400, None),
    ({'id': 'x'}, 400, None),
    ({'caller': 'me'}, 400, None),
    ({'caller': {'name': 'n', 'shoe_size': 42}}, 400, None),
    ({'about_enforcement': 'yes'}, 400, None),
    ({'text': 'nul\x00inside'}, 400, None),
]


@pytest.mark.parametrize('changes, status, code', REFUSED)
def test_bad_filings_are_refused(world, changes, status, code):
    problem = world.hotline_3701.post('/v1/complaints', world.complaint(**changes)).expect(status, code)
    assert problem['detail']


def test_only_centres_file(world):
    for principal in (world.unit_370102, world.supervisor_3701, world.operator):
        principal.post('/v1/complaints', world.complaint()).expect(403)
    world.nobody.post('/v1/complaints', world.complaint()).expect(401)


def test_lists_page_through_everything_once(world):
    mine = [world.filed(external_id=f'page-{world.run}-{i}')['id'] for i in range(7)]
    seen, token = [], ''
    while True:
        query = {'page_size': 3, **({'page_token': token} if token else {})}
        page = world.hotline_3701.get('/v1/complaints', division='370102', **query).expect(200)
        seen += [c['id'] for c in page['complaints']]
        token = page['next_page_token']
        if not token:
            break
    assert len(seen) == len(set(seen)) and set(mine) <= set(seen)
    found = world.hotline_3701.get('/v1/complaints', source='test-it', external_id=f'page-{world.run}-3').expect(200)
    assert [c['id'] for c in found['complaints']] == [mine[3]]


def test_a_page_of_long_texts_ends_early(world):
    """A page's answer must fit a frame of the bus, whatever its texts."""
    mine = {world.filed(text='长' * 21000, source='test-long')['id'] for _ in range(12)}
    seen, token, pages = set(), None, 0
    while token != '':
        query = {'page_token': token} if token else {}
        page = world.hotline_3701.get('/v1/complaints', source='test-long', page_size=200, **query).expect(200)
        seen |= {c['id'] for c in page['complaints']}
        token, pages = page['next_page_token'], pages + 1
    assert seen == mine and pages == 2


def test_page_tokens_are_bound_to_principal_and_filter(world):
    for i in range(3):
        world.filed()
    token = world.hotline_3701.get('/v1/complaints', page_size=1).expect(200)['next_page_token']
    world.hotline_3701.get('/v1/complaints', page_size=1, page_token=token).expect(200)
    for api, query in ((world.supervisor_3701, {}), (world.hotline_3701, {'division': '370102'}),
                       (world.hotline_3701, {'state': 'closed'})):
        api.get('/v1/complaints', page_size=1, page_token=token, **query).expect(400)
    world.hotline_3701.get('/v1/complaints', page_token=token[:-2] + 'AA').expect(400)
    world.hotline_3701.get('/v1/complaints', page_token='x').expect(400)


@pytest.mark.parametrize('size', ['0', '-1', '201', 'ten', '', '1e2', '99999999999999999999'])
def test_impossible_page_sizes(world, size):
    world.hotline_3701.get('/v1/complaints', page_size=size).expect(400)
