"""Acts on a complaint: what each does to state and clocks, and what is refused with what explanation."""


def clock(complaint, kind):
    return next((c for c in complaint['clocks'] if c['kind'] == kind), None)


def handled(world, **changes):
    c = world.filed(**changes)
    world.unit_370102.act(c, 'sign').expect(200)
    return world.unit_370102.act(c, 'contact', {'reached': True, 'note': '已联系'}).expect(200)


def replied(world, **changes):
    c = handled(world, **changes)
    return world.unit_370102.act(c, 'reply', {'text': '已清理并安排夜间巡查。', 'basis': '《城市道路管理条例》'}).expect(200)


def test_the_whole_way(world):
    c = world.filed()
    c = world.unit_370102.act(c, 'sign').expect(200)
    assert c['state'] == 'signed' and clock(c, 'sign')['state'] == 'met' and clock(c, 'contact')['state'] == 'running'
    c = world.unit_370102.act(c, 'contact', {'reached': True}).expect(200)
    assert c['state'] == 'handling' and clock(c, 'contact')['state'] == 'met'
    c = world.unit_370102.act(c, 'reply', {'text': '已处理'}).expect(200)
    assert c['state'] == 'replied' and clock(c, 'reply')['state'] == 'met' and clock(c, 'visit')['state'] == 'running'
    assert clock(c, 'return')['state'] == 'cancelled' and c['reply']['text'] == '已处理'
    c = world.hotline_3701.act(c, 'visit', {'reached': True, 'solved': True, 'satisfied': True}).expect(200)
    assert c['state'] == 'visited' and clock(c, 'visit')['state'] == 'met' and c['failed_visits'] == 0
    c = world.hotline_3701.act(c, 'close', {'note': '满意'}).expect(200)
    assert c['state'] == 'closed' and c['version'] == '6'
    c = world.hotline_3701.act(c, 'reopen', {'reason': '问题再次出现'}).expect(200)
    assert c['state'] == 'received' and clock(c, 'dispatch')['state'] == 'running'
    c = world.hotline_3701.act(c, 'dispatch', {}).expect(200)
    assert c['state'] == 'dispatched' and clock(c, 'reply')['term'] == 2 and clock(c, 'dispatch')['state'] == 'met'


def test_a_caller_out_of_reach_blocks_nothing(world):
    c = world.filed()
    world.unit_370102.act(c, 'sign').expect(200)
    c = world.unit_370102.act(c, 'contact', {'reached': False}).expect(200)
    assert c['state'] == 'signed' and clock(c, 'contact')['state'] == 'running'
    c = world.unit_370102.act(c, 'reply', {'text': '已处理'}).expect(200)
    c = world.hotline_3701.act(c, 'visit', {'reached': False}).expect(200)
    assert c['state'] == 'replied' and clock(c, 'visit')['state'] == 'running'
    assert world.hotline_3701.act(c, 'close').expect(200)['state'] == 'closed'


def test_a_forbidden_act_says_what_is_allowed(world):
    c = world.filed()
    problem = world.hotline_3701.act(c, 'visit', {'reached': True}).expect(409, 'state_forbids')
    assert problem['state'] == 'dispatched' and problem['allowed'] == ['sign', 'extend', 'return']
    assert '已派单' in problem['detail_zh'] and 'dispatched' in problem['detail_en']
    closed = world.hotline_3701.act(replied(world), 'close').expect(200)
    assert world.unit_370102.act(closed, 'reply', {'text': 'x'}).expect(409, 'state_forbids')['allowed'] == ['reopen']


def test_an_extension_opens_the_next_term_once(world):
    c = world.filed()
    before = clock(c, 'reply')
    c = world.unit_370102.act(c, 'extend', {'working_days': 3, 'reason': '需要检测'}).expect(200)
    after = clock(c, 'reply')
    assert after['term'] == 2 and after['started_at'] == before['started_at'] and after['due_on'] > before['due_on']
    problem = world.unit_370102.act(c, 'extend', {'working_days': 1, 'reason': '再延'}).expect(409, 'already_extended')
    assert problem['basis_zh'] and problem['basis_en']
    for days in (0, 11, -1, 1.5, '3'):
        world.unit_370102.act(world.filed(), 'extend', {'working_days': days, 'reason': 'x'}).expect(400)


def test_returns_and_the_common_superior(world):
    c = world.filed(category='other')
    c = world.unit_370102.act(c, 'return', {'reason': '不属于我单位职责'}).expect(200)
    assert c['state'] == 'returned' and c['return_count'] == 1 and clock(c, 'dispatch')['state'] == 'running'
    assert clock(c, 'reply')['state'] == 'cancelled' and clock(c, 'return')['state'] == 'met'
    c = world.hotline_3701.act(c, 'dispatch', {'unit': '370102-urban'}).expect(200)
    assert c['unit'] == '370102-urban' and clock(c, 'reply')['term'] == 2
    c = world.unit_370102.act(c, 'return', {'reason': '也不属于我单位'}).expect(200)
    assert c['return_limit'] is True and c['unit'] == '3701-default'
    world.hotline_3701.act(c, 'dispatch', {'unit': '370102-urban'}).expect(409, 'return_limit')
    c = world.hotline_3701.act(c, 'dispatch', {}).expect(200)
    assert c['unit'] == '3701-default' and c['division'] == '370102'
    world.unit_370102.act(c, 'sign').expect(403, 'unit_not_yours')
    problem = world.unit_370102.act(c, 'return', {'reason': '仍不属于我单位'}).expect(409, 'return_limit')
    assert problem['basis_zh'] and world.unit_370102.get(f'/v1/complaints/{c["id"]}').json['version'] == c['version']


def test_failed_visits_redos_and_their_limit(world):
    c = replied(world)
    for redo in (1, 2):
        c = world.hotline_3701.act(c, 'visit', {'reached': True, 'solved': False, 'satisfied': False}).expect(200)
        assert c['failed_visits'] == redo
        c = world.hotline_3701.act(c, 'redo', {'reason': '仍未解决'}).expect(200)
        assert c['state'] == 'handling' and clock(c, 'reply')['term'] == 1 + redo and c['redo_count'] == redo
        c = world.unit_370102.act(c, 'reply', {'text': '再次处理'}).expect(200)
    c = world.hotline_3701.act(c, 'visit', {'reached': True, 'solved': False, 'satisfied': False}).expect(200)
    world.hotline_3701.act(c, 'redo', {'reason': '仍未解决'}).expect(409, 'redo_limit')
    satisfied = world.hotline_3701.act(replied(world), 'visit', {'reached': True, 'solved': True, 'satisfied': True}).expect(200)
    world.hotline_3701.act(satisfied, 'redo', {'reason': 'x'}).expect(409, 'visit_not_failed')


def test_if_match(world):
    c = world.filed()
    world.unit_370102.act(c, 'sign', None, If_Match='"7"').expect(412)
    assert world.unit_370102.act(c, 'sign', None, If_Match='"1"').expect(200)['version'] == '2'
    for none_of_ours in ('"abc"', 'W/"2"', '"7", W/"2"', '""', '"99999999999999999999"'):
        world.unit_370102.act(c, 'contact', {'reached': False}, If_Match=none_of_ours).expect(412)
    for malformed in ('5', '"2', '"2" "3"', '"2",', '', '*, "2"', '"2", "3"'):
        world.unit_370102.act(c, 'contact', {'reached': True}, If_Match=malformed).expect(400)
    world.unit_370102.act(c, 'contact', {'reached': False}, If_Match='"abc", W/"9" ,"2"').expect(200)
    world.unit_370102.act(c, 'contact', {'reached': True}, If_Match='*').expect(200)


def test_an_act_with_the_same_key_is_done_once(world):
    c = world.filed()
    first = world.unit_370102.act(c, 'sign', None, Idempotency_Key='s-' + c['id'])
    again = world.unit_370102.act(c, 'sign', None, Idempotency_Key='s-' + c['id'])
    assert first.expect(200) == again.expect(200) and again.headers['Idempotency-Replayed'] == 'true'
    other = world.filed()
    world.unit_370102.act(other, 'sign', None, Idempotency_Key='s-' + c['id']).expect(422, 'conflicting_payload')


def test_who_may_act(world):
    c = world.filed()
    world.hotline_3701.act(c, 'sign').expect(403)
    world.supervisor_370102.act(c, 'sign').expect(403)
    world.unit_370102.act(c, 'visit', {'reached': True}).expect(403)
    world.hotline_3702.act(c, 'close').expect(404)
    elsewhere = world.filed(division='370103')
    world.unit_370102.act(elsewhere, 'sign').expect(404)
    world.unit_370102.post('/v1/complaints/00000000-0000-0000-0000-000000000000:sign').expect(404)
    world.unit_370102.post('/v1/complaints/not-an-id:sign').expect(400)
    world.unit_370102.act(c, 'polish').expect(404)
