"""Who sees what: subtrees, audiences, masks."""
import pytest


def sees(api, complaint):
    listed = api.get('/v1/complaints', source=complaint['source'], external_id=complaint['external_id']).expect(200)
    found = api.get(f'/v1/complaints/{complaint["id"]}')
    assert found.status == (200 if listed['complaints'] else 404)
    return found.status == 200


def test_subtrees(world):
    county, town, city = world.filed(), world.filed(division='370102001'), world.filed(division='3701')
    elsewhere = world.hotline_3702.post(
        '/v1/complaints', world.complaint(source='qingdao-12345', division='370202')).expect(201)
    views = {
        'hotline_3701': (1, 1, 1, 0), 'hotline_3702': (0, 0, 0, 1), 'unit_370102': (1, 1, 0, 0),
        'supervisor_370102': (1, 1, 0, 0), 'supervisor_3701': (1, 1, 1, 0), 'supervisor_37': (1, 1, 1, 1),
    }
    for name, expected in views.items():
        api = getattr(world, name)
        assert tuple(int(sees(api, c)) for c in (county, town, city, elsewhere)) == expected, name


def test_a_filter_outside_the_jurisdiction(world):
    world.supervisor_3701.get('/v1/complaints', division='370202').expect(403, 'division_not_yours')
    world.supervisor_3701.get('/v1/complaints', division='999999').expect(422, 'unknown_division')
    world.supervisor_3701.get('/v1/cards', division='3702').expect(403)
    world.supervisor_3701.get('/v1/orders', division='3702').expect(403)
    world.supervisor_3701.get('/v1/events', stream='complaints', division='3702').expect(403)
    # Not even one that contains the caller's.
    for path, query in (('/v1/complaints', {}), ('/v1/cards', {}), ('/v1/orders', {}), ('/v1/events', {'stream': 'complaints'}),
                        ('/v1/events:stream', {'stream': 'complaints'})):
        world.supervisor_370102.get(path, division='3701', **query).expect(403, 'division_not_yours')


def test_an_empty_filter_is_none(world):
    c = world.filed()
    empty = {name: '' for name in ('division', 'state', 'source', 'external_id', 'page_token')}
    assert world.supervisor_370102.get('/v1/complaints', **empty).expect(200)['complaints'][0]['id'] == c['id']
    world.supervisor_370102.get('/v1/cards', division='', color='', state='').expect(200)
    world.supervisor_370102.get('/v1/orders', division='', state='').expect(200)
    assert world.supervisor_370102.get('/v1/events', stream='complaints', after='', division='', type='').expect(200)['events']
    world.supervisor_370102.get('/v1/complaints', page_size='').expect(400)


def test_a_matter_about_an_organ_is_its_superiors(world):
    c = world.filed(about_enforcement=True)
    assert c['unit'] == '3701-default' and c['division'] == '370102'
    assert not sees(world.unit_370102, c)
    assert sees(world.supervisor_3701, c) and sees(world.supervisor_37, c) and sees(world.hotline_3701, c)
    world.unit_370102.act(c, 'sign').expect(404)
    seen, _ = world.unit_370102.events('complaints')
    assert c['id'] not in {e['subject'] for e in seen}
    seen, _ = world.supervisor_3701.events('complaints')
    assert c['id'] in {e['subject'] for e in seen}


def test_a_phone_is_not_cut_within_a_character(world):
    phones = {'0531-88812345转801': '****', '19900001234转接': '****', '转接19900001234': '****', '0531-99900001转801,802': '053****,802'}
    for phone, masked in phones.items():
        c = world.filed(caller={'name': '测试市民', 'phone': phone})
        assert world.hotline_3701.get(f'/v1/complaints/{c["id"]}').expect(200)['caller']['phone'] == phone
        assert world.supervisor_370102.get(f'/v1/complaints/{c["id"]}').expect(200)['caller']['phone'] == masked
    assert len(world.supervisor_370102.get('/v1/complaints').expect(200)['complaints']) >= len(phones)


@pytest.mark.parametrize('confidential', [False, True])
def test_callers_are_masked_by_role(world, confidential):
    c = world.filed(caller={'name': '张三丰', 'phone': '19900005678', 'confidential': confidential, 'wants_reply': True})
    full = {'name': '张三丰', 'phone': '19900005678'}
    masked = {'name': '*', 'phone': '****'} if confidential else {'name': '张*', 'phone': '199****5678'}
    views = {'hotline_3701': full, 'unit_370102': masked if confidential else full, 'supervisor_370102': masked,
             'supervisor_3701': masked, 'operator': masked}
    for name, expected in views.items():
        caller = getattr(world, name).get(f'/v1/complaints/{c["id"]}').expect(200)['caller']
        assert {k: caller[k] for k in expected} == expected, name


def test_me(world):
    me = world.unit_370102.get('/v1/me').expect(200)
    assert me['roles'] == ['unit'] and me['jurisdiction'] == '370102' and me['jurisdiction_name'] == '历下区'
    assert 'complaints.sign' in me['methods'] and 'complaints.file' not in me['methods']
    assert world.hotline_3701.get('/v1/me').expect(200)['sources'] == ['jinan-12345', 'test-*']
    world.nobody.get('/v1/me').expect(401)


def test_a_moved_matter(world):
    """Dispatched to a unit of a sibling division: seen there from then on, and those who lose it are told."""
    c = world.filed(category='other')
    world.unit_370102.act(c, 'return', {'reason': '属地有误'}).expect(200)
    moved = world.hotline_3701.act(c, 'dispatch', {'unit': '370103-default'}).expect(200)
    assert moved['division'] == '370103' and not sees(world.unit_370102, c)
    types = [e['type'] for e in world.supervisor_370102.events('complaints')[0] if e['subject'] == c['id']]
    assert types[-1] == 'complaint.moved_out.v1'
    types = [e['type'] for e in world.supervisor_3701.events('complaints')[0] if e['subject'] == c['id']]
    assert types[-1] == 'complaint.dispatched.v1' and 'complaint.moved_out.v1' not in types
