"""Cards and orders as they are acted on, explained, hidden, and as they climb: every trigger, every level."""
import csv
import io
from datetime import date, datetime, timedelta

import pytest
from conftest import Api, heard
from test_ladder import advance_to, cards, orders, reply_clock, to_first_orders, working_days_from_now
from test_registry_cli import Cli, becomes, folder

from cluster import principals
from cluster.keys import new_credentials
from model.calendar import Calendar, midnight

CALENDAR = Calendar()
HALF_A_DAY = timedelta(hours=12)


@pytest.fixture(scope='module')
def newcomers(world, tmp_path_factory):
    """Units of the city and of the province, and a centre that files for the province: by their tokens."""
    rows, apis = io.StringIO(), {}
    table = csv.DictWriter(rows, principals.COLUMNS)
    table.writeheader()
    for name, role, jurisdiction, sources in (('unit_it_3701', 'unit', '3701', ()), ('unit_it_37', 'unit', '37', ()),
                                              ('hotline_it_37', 'hotline', '37', ('province-it',))):
        owned = new_credentials(name)
        apis[name] = Api(world.url, owned['token'])
        table.writerow(principals.row(principals.Principal(name, name, (role,), jurisdiction, sources), owned))
    Cli(world.cluster, 'operator').run('load', folder(tmp_path_factory.mktemp('newcomers'), principals=rows.getvalue()))
    for api in apis.values():
        becomes(lambda api=api: api.get('/v1/me').status == 200)
    # The gateway knows them, but a request may go to any replica: the last of the three is known when all are.
    for replica in world.cluster.of('complaints') + world.cluster.of('supervision'):
        becomes(lambda replica=replica: heard(replica, owned))
    return apis


def twice_unsatisfied(centre, unit, c):
    """Two visits find it unsolved."""
    unit.act(c, 'sign').expect(200)
    for visit in range(2):
        if visit:
            centre.act(c, 'redo', {'reason': '未解决'}).expect(200)
        unit.act(c, 'reply', {'text': '已处理'}).expect(200)
        centre.act(c, 'visit', {'reached': True, 'solved': False, 'satisfied': False}).expect(200)
    return c


def unsatisfied(world, c):
    return [o for o in orders(world, c) if o['trigger'] == 'unsatisfied']


def shape(issued):
    """What a ladder has come to: level and state of each order, and what is said of the last."""
    return [(o['level'], o['state']) for o in issued], issued[-1]['cannot_escalate'], issued[-1]['reported']


def test_the_centres_closing_stops_no_order_the_units_reply_does(world):
    closed = twice_unsatisfied(world.hotline_3701, world.unit_370102, world.filed())
    answered = twice_unsatisfied(world.hotline_3701, world.unit_370102, world.filed())
    assert shape(unsatisfied(world, closed)) == ([('county', 'issued')], False, False)
    assert world.hotline_3701.act(closed, 'close', {'note': '办结'}).expect(200)['state'] == 'closed'
    world.hotline_3701.act(answered, 'redo', {'reason': '仍不满意'}).expect(200)
    world.unit_370102.act(answered, 'reply', {'text': '重新办理'}).expect(200)
    advance_to(world, working_days_from_now(world, 6))
    assert shape(unsatisfied(world, closed)) == ([('county', 'escalated'), ('city', 'issued')], False, False)
    assert shape(unsatisfied(world, answered)) == ([('county', 'issued')], False, False)
    city = unsatisfied(world, closed)[-1]
    assert city['body'] == '3701-justice'
    world.supervisor_3701.post(f'/v1/orders/{city["id"]}:close', {'verdict': '责令整改'}).expect(200)
    advance_to(world, working_days_from_now(world, 6))
    assert shape(unsatisfied(world, closed))[0] == [('county', 'escalated'), ('city', 'closed')]


def test_a_further_failed_visit_begins_the_ladder_anew(world):
    c = twice_unsatisfied(world.hotline_3701, world.unit_370102, world.filed())
    world.hotline_3701.act(c, 'redo', {'reason': '仍不满意'}).expect(200)
    world.unit_370102.act(c, 'reply', {'text': '重新办理'}).expect(200)
    first, = unsatisfied(world, c)
    world.hotline_3701.act(c, 'visit', {'reached': True, 'solved': False, 'satisfied': False}).expect(200)
    assert [o['state'] for o in unsatisfied(world, c)] == ['closed', 'issued']
    told = [e for e in world.supervisor_37.events('supervision')[0] if e['subject'] == first['id']]
    assert [e['type'] for e in told] == ['order.issued.v1', 'order.closed.v1']
    assert told[-1]['data']['reason'] == 'superseded' and told[-1]['data']['state'] == 'closed'


def test_open_orders_go_where_the_matter_goes(world):
    """Closed, reopened, returned and given to the neighbours: the order is theirs, and climbs by the clock it had."""
    c = twice_unsatisfied(world.hotline_3701, world.unit_370102, world.filed(category='other'))
    order, = unsatisfied(world, c)
    assert order['unit'] == '370102-default' and order['division'] == '370102'
    world.hotline_3701.act(c, 'close').expect(200)
    world.hotline_3701.act(c, 'reopen', {'reason': '再次出现'}).expect(200)
    world.hotline_3701.act(c, 'dispatch', {}).expect(200)
    world.unit_370102.act(c, 'return', {'reason': '属地有误'}).expect(200)
    assert unsatisfied(world, c)[0]['state'] == 'issued' and unsatisfied(world, c)[0]['due_at'] == order['due_at']
    world.hotline_3701.act(c, 'dispatch', {'unit': '370103-default'}).expect(200)
    moved, = unsatisfied(world, c)
    assert moved['id'] == order['id'] and moved['state'] == 'issued' and moved['due_at'] == order['due_at']
    assert (moved['division'], moved['unit'], moved['body']) == ('370103', '370103-default', '370103-justice')
    world.unit_370102.get(f'/v1/orders/{order["id"]}').expect(404)
    seen = {name: [e['type'] for e in getattr(world, name).events('supervision')[0] if e['subject'] == order['id']]
            for name in ('supervisor_370102', 'supervisor_3701')}
    assert seen == {'supervisor_370102': ['order.issued.v1', 'order.moved_out.v1'],
                    'supervisor_3701': ['order.issued.v1', 'order.readdressed.v1']}
    advance_to(world, datetime.fromisoformat(order['due_at']))
    issued = unsatisfied(world, c)
    assert shape(issued) == ([('county', 'escalated'), ('city', 'issued')], False, False)
    assert (issued[-1]['division'], issued[-1]['unit']) == ('370103', '370103-default')


def test_every_ladder_has_the_same_steps(world, newcomers):
    """Matters of a county, a city and the province, nobody answers or the citizen is not content: l1, five working days,
    five, ten; and what a level lacks above it is told once."""
    def filed(division):
        centre = newcomers['hotline_it_37'] if division == '37' else world.hotline_3701
        body = world.complaint(division=division, **({'source': 'province-it'} if division == '37' else {}))
        return centre, centre.post('/v1/complaints', body).expect(201)

    units = {'370102': world.unit_370102, '3701': newcomers['unit_it_3701'], '37': newcomers['unit_it_37']}
    overdue = {division: filed(division)[1] for division in units}
    due_on = date.fromisoformat(reply_clock(world, overdue['3701'])['due_on'])
    advance_to(world, midnight(CALENDAR.add_working_days(due_on, 1)))
    world.now()
    advance_to(world, working_days_from_now(world, 3))
    # All stand at l1 now: the orders of those that nobody answered are there, the others' come with the visit.
    discontent = {division: twice_unsatisfied(centre, units[division], c)
                  for division in units for centre, c in [filed(division)]}

    def state_of(matters):
        return {division: shape(orders(world, c)) for division, c in matters.items()}

    issued, escalated = 'issued', 'escalated'
    steps = [
        (0, {'370102': ([('county', issued)], False, False), '3701': ([('city', issued)], False, False),
             '37': ([('province', issued)], False, False)}),
        (5, {'370102': ([('county', escalated), ('city', issued)], False, False),
             '3701': ([('city', escalated), ('province', issued)], False, False),
             '37': ([('province', issued)], True, False)}),
        (5, {'370102': ([('county', escalated), ('city', escalated), ('province', issued)], False, False),
             '3701': ([('city', escalated), ('province', issued)], True, False),
             '37': ([('province', issued)], True, False)}),
        (10, {'370102': ([('county', escalated), ('city', escalated), ('province', issued)], False, True),
              '3701': ([('city', escalated), ('province', issued)], True, True),
              '37': ([('province', issued)], True, True)}),
    ]
    for days, expected in steps:
        if days:
            before = state_of(overdue), state_of(discontent)
            until = CALENDAR.due(datetime.fromisoformat(world.now()), days, 'working_days').at
            advance_to(world, until - HALF_A_DAY)
            assert (state_of(overdue), state_of(discontent)) == before  # not a day too early
            advance_to(world, until)
        assert state_of(overdue) == expected
        assert state_of(discontent) == expected
    told = [e['subject'] for e in world.operator.events('supervision')[0] if e['type'] == 'order.cannot_escalate.v1']
    assert len(told) == len(set(told))
    for division in ('3701', '37'):
        for matters in (overdue, discontent):
            last = orders(world, matters[division])[-1]
            assert last['id'] in told
            world.supervisor_37.post(f'/v1/orders/{last["id"]}:close', {'verdict': '已督办'}).expect(200)


def test_an_orders_clock_explains_itself(world):
    c, d = (twice_unsatisfied(world.hotline_3701, world.unit_370102, world.filed()) for _ in range(2))
    (order,), (other,) = unsatisfied(world, c), unsatisfied(world, d)
    path = f'/v1/orders/{order["id"]}/clocks'
    clock, = world.supervisor_370102.get(path).expect(200)['clocks']
    days = world.supervisor_370102.get(f'{path}/{clock["id"]}:explain').expect(200)['days']
    assert [d['date'] for d in days] == sorted(d['date'] for d in days)
    assert days[0]['date'] == clock['started_at'][:10] and days[-1]['date'] == clock['due_on']
    assert len(days) == (date.fromisoformat(days[-1]['date']) - date.fromisoformat(days[0]['date'])).days + 1
    assert sum(d['counted'] for d in days) == 5 and days[0]['counted'] is False and days[-1]['counted'] is True
    assert all(d['reason'] and d['reason_en'] for d in days)
    foreign, = world.supervisor_370102.get(f'/v1/orders/{other["id"]}/clocks').expect(200)['clocks']
    world.supervisor_370102.get(f'{path}/{foreign["id"]}:explain').expect(404)
    world.supervisor_370102.get(f'{path}/not-an-id:explain').expect(400)
    world.hotline_3702.get(f'{path}/{clock["id"]}:explain').expect(403)
    advance_to(world, datetime.fromisoformat(order['due_at']))
    above = unsatisfied(world, c)[-1]  # its clock began with the second step: as many days, of its own
    clock, = world.supervisor_37.get(f'/v1/orders/{above["id"]}/clocks').expect(200)['clocks']
    assert clock['due_at'] == above['due_at'] and clock['rule'] == 'order_city'
    days = world.supervisor_37.get(f'/v1/orders/{above["id"]}/clocks/{clock["id"]}:explain').expect(200)['days']
    assert sum(d['counted'] for d in days) == 5


def test_acts_on_an_order(world):
    (c, order), = to_first_orders(world, 1)
    path = f'/v1/orders/{order["id"]}'
    assert order['state'] == 'issued' and order['version'] == '1' and order['replied_at'] is None
    world.unit_370102.post(f'{path}:sign', None, If_Match='"7"').expect(412)
    first = world.unit_370102.post(f'{path}:sign', None, If_Match='"1"', Idempotency_Key=f's-{order["id"]}')
    signed = first.expect(200)
    assert signed['state'] == 'signed' and signed['version'] == '2' and first.headers['ETag'] == '"2"'
    again = world.unit_370102.post(f'{path}:sign', None, If_Match='"1"', Idempotency_Key=f's-{order["id"]}')
    assert again.expect(200) == signed and again.headers['Idempotency-Replayed'] == 'true'
    assert world.unit_370102.get(path).expect(200) == signed
    assert world.unit_370102.post(f'{path}:sign').expect(409, 'state_forbids')['allowed'] == ['reply', 'close']
    world.supervisor_370102.post(f'{path}:reply', {'text': '代答'}).expect(403)
    world.unit_370102.post(f'{path}:reply', {}).expect(400)
    before = world.now()
    replied = world.unit_370102.post(f'{path}:reply', {'text': '已约谈责任人，三日内清理。'}).expect(200)
    assert replied['state'] == 'replied' and replied['reply'] == '已约谈责任人，三日内清理。'
    assert before <= replied['replied_at'] <= world.now() and replied['version'] == '3'
    assert world.supervisor_370102.get(path).expect(200) == replied
    assert world.unit_370102.post(f'{path}:reply', {'text': '再答'}).expect(409, 'state_forbids')['allowed'] == ['close']
    told = [(e['type'], e['data']['state']) for e in world.supervisor_370102.events('supervision')[0]
            if e['subject'] == order['id']]
    assert told == [('order.issued.v1', 'issued'), ('order.signed.v1', 'signed'), ('order.replied.v1', 'replied')]
    assert '约谈' not in str(world.supervisor_370102.events('supervision')[0])
    assert [o['id'] for o in world.supervisor_370102.get('/v1/orders', subject=c['id'], state='replied').expect(200)['orders']] \
        == [order['id']]


def test_a_card_is_acknowledged_by_each_who_saw_it(world):
    c = world.filed()
    clock = reply_clock(world, c)
    advance_to(world, midnight(CALENDAR.add_working_days(date.fromisoformat(clock['due_on']), -1)))
    card, = (card for card in world.supervisor_370102.get('/v1/cards', subject=c['id']).expect(200)['cards']
             if card['clock_kind'] == 'reply')
    path, key = f'/v1/cards/{card["id"]}', f'a-{card["id"]}'
    world.supervisor_370102.post(f'{path}:acknowledge', None, If_Match='"9"').expect(412)
    assert world.supervisor_370102.get(path).expect(200)['state'] == 'open'
    first = world.supervisor_370102.post(f'{path}:acknowledge', None, If_Match='"1"', Idempotency_Key=key)
    seen = first.expect(200)
    assert (seen['state'], seen['acknowledged_by'], seen['version']) == ('acknowledged', 'supervisor_370102', '2')
    again = world.supervisor_370102.post(f'{path}:acknowledge', None, If_Match='"1"', Idempotency_Key=key)
    assert again.expect(200) == seen and again.headers['Idempotency-Replayed'] == 'true'
    assert world.supervisor_370102.post(f'{path}:acknowledge').expect(200) == seen  # he has seen it already
    also = world.supervisor_3701.post(f'{path}:acknowledge').expect(200)
    assert also == seen  # who saw it first stays
    told = [e['data']['acknowledged_by'] for e in world.supervisor_37.events('supervision')[0]
            if e['subject'] == card['id'] and e['type'] == 'card.acknowledged.v1']
    assert told == ['supervisor_370102', 'supervisor_3701']
    world.unit_370102.act(c, 'sign').expect(200)
    world.unit_370102.act(c, 'reply', {'text': '已处理'}).expect(200)
    assert ('yellow', 'closed') in cards(world, c)
    problem = world.supervisor_370102.post(f'{path}:acknowledge').expect(409, 'state_forbids')
    assert problem['state'] == 'closed' and problem['allowed'] == []


def test_what_is_about_an_organ_is_hidden_from_it(world):
    """Its superior's supervisors see cards, orders and events; a unit of the organ sees nothing of them."""
    (c, order), = to_first_orders(world, 1, about_enforcement=True)
    card = next(card for card in world.supervisor_370102.get('/v1/cards', subject=c['id'], color='red').expect(200)['cards'])
    assert card['division'] == order['division'] == '370102' and order['unit'] == '3701-default'
    unit = world.unit_370102
    assert unit.get('/v1/cards', subject=c['id']).expect(200)['cards'] == []
    assert unit.get('/v1/orders', subject=c['id']).expect(200)['orders'] == []
    for path in (f'/v1/cards/{card["id"]}', f'/v1/orders/{order["id"]}', f'/v1/orders/{order["id"]}/clocks'):
        unit.get(path).expect(404)
        world.supervisor_3701.get(path).expect(200)
    unit.post(f'/v1/orders/{order["id"]}:sign').expect(404)

    def told(api):
        return {e['subject'] for e in api.events('supervision')[0]
                if c['id'] in (e['data'].get('subject'), e.get('correlationid'))}
    assert told(unit) == set()
    assert {card['id'], order['id']} <= told(world.supervisor_370102) == told(world.supervisor_3701)
    other = world.filed()  # and it is not blind
    advance_to(world, midnight(CALENDAR.add_working_days(date.fromisoformat(reply_clock(world, other)['due_on']), 1)))
    mine, = (card for card in unit.get('/v1/cards', subject=other['id'], color='red').expect(200)['cards']
             if card['clock_kind'] == 'reply')
    assert mine['id'] in {e['subject'] for e in unit.events('supervision')[0]}
