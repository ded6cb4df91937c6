"""From a running clock to the province: cards, orders, their ladder, and what stops it. Civil time is moved."""
import json
from datetime import date, datetime

from test_registry_cli import Cli

from model.calendar import Calendar, local, midnight

CALENDAR = Calendar()


def reply_clock(world, complaint):
    clocks = world.hotline_3701.get(f'/v1/complaints/{complaint["id"]}/clocks').expect(200)['clocks']
    return next(c for c in clocks if c['kind'] == 'reply')


def advance_to(world, instant):
    now = datetime.fromisoformat(world.now())
    if instant > now:
        world.advance(seconds=(instant - now).total_seconds() + 1)


def cards(world, complaint, kind='reply'):
    world.now()  # answers once supervision has caught up
    listed = world.supervisor_370102.get('/v1/cards', subject=complaint['id'], page_size=200).expect(200)['cards']
    return sorted((c['color'], c['state']) for c in listed if c['clock_kind'] == kind)


def orders(world, complaint):
    world.now()
    listed = world.supervisor_37.get('/v1/orders', subject=complaint['id'], page_size=200).expect(200)['orders']
    return sorted(listed, key=lambda o: o['issued_at'])


def working_days_from_now(world, count):
    today = local(datetime.fromisoformat(world.now())).date()
    return midnight(CALENDAR.add_working_days(today, count + 1))


def test_cards_orders_and_the_climb_to_the_province(world):
    ignored, answered = world.filed(), world.filed()
    clock = reply_clock(world, ignored)
    due, due_on = datetime.fromisoformat(clock['due_at']), date.fromisoformat(clock['due_on'])
    advance_to(world, midnight(CALENDAR.add_working_days(due_on, -1)))
    assert cards(world, ignored) == [('yellow', 'open')]
    world.unit_370102.act(answered, 'sign').expect(200)
    world.unit_370102.act(answered, 'reply', {'text': '已处理'}).expect(200)
    assert cards(world, answered) == [('yellow', 'closed')]
    card = world.supervisor_370102.get('/v1/cards', subject=ignored['id'], color='yellow').expect(200)['cards'][0]
    assert card['level'] == 'county' and card['subject'] == ignored['id'] and card['division'] == '370102'
    seen = world.supervisor_370102.post(f'/v1/cards/{card["id"]}:acknowledge').expect(200)
    assert seen['state'] == 'acknowledged' and seen['acknowledged_by'] == 'supervisor_370102'
    world.unit_370102.post(f'/v1/cards/{card["id"]}:acknowledge').expect(403)

    advance_to(world, due)
    assert reply_clock(world, ignored)['state'] == 'late'
    advance_to(world, midnight(CALENDAR.add_working_days(due_on, 1)))
    assert cards(world, ignored) == [('red', 'open'), ('yellow', 'acknowledged')]
    assert cards(world, answered) == [('yellow', 'closed')] and not orders(world, ignored)

    for days, levels in ((3, ['county']), (5, ['county', 'city']), (5, ['county', 'city', 'province'])):
        advance_to(world, working_days_from_now(world, days))
        issued = orders(world, ignored)
        assert [o['level'] for o in issued] == levels
        assert [o['state'] for o in issued] == ['escalated'] * (len(levels) - 1) + ['issued']
        assert {o['trigger'] for o in issued} == {'overdue'} and {o['division'] for o in issued} == {'370102'}
    assert not orders(world, answered)
    advance_to(world, working_days_from_now(world, 10))
    assert [o['level'] for o in orders(world, ignored)] == ['county', 'city', 'province']
    assert orders(world, ignored)[-1]['reported'] is True


def to_first_orders(world, count, **changes):
    """That many complaints nobody answered, each with its first order, in step."""
    ignored = [world.filed(**changes) for _ in range(count)]
    due_on = date.fromisoformat(reply_clock(world, ignored[-1])['due_on'])
    advance_to(world, midnight(CALENDAR.add_working_days(due_on, 1)))
    assert all(('red', 'open') in cards(world, c) for c in ignored)
    advance_to(world, working_days_from_now(world, 3))
    issued = [orders(world, c) for c in ignored]
    assert [len(each) for each in issued] == [1] * count
    return [(c, each[0]) for c, each in zip(ignored, issued)]


def test_one_jump_opens_one_step(world):
    c = world.filed()
    world.advance(days=60)
    assert ('red', 'open') in cards(world, c) and not orders(world, c)
    world.advance(days=60)
    assert [o['level'] for o in orders(world, c)] == ['county']


def test_a_reply_to_the_order_stops_nothing_a_reply_to_the_complaint_does(world):
    (c, order), (d, other) = to_first_orders(world, 2)
    for o in (order, other):
        world.unit_370102.post(f'/v1/orders/{o["id"]}:sign').expect(200)
        world.unit_370102.post(f'/v1/orders/{o["id"]}:reply', {'text': '正在办理'}).expect(200)
    world.unit_370102.act(d, 'sign').expect(200)
    world.unit_370102.act(d, 'reply', {'text': '已处理'}).expect(200)
    advance_to(world, working_days_from_now(world, 6))
    assert [o['level'] for o in orders(world, c)] == ['county', 'city']
    assert [o['level'] for o in orders(world, d)] == ['county'] and cards(world, d)[0][1] == 'closed'


def test_the_body_of_the_level_closes_and_the_rest_is_dropped(world):
    (c, order), = to_first_orders(world, 1)
    path = f'/v1/orders/{order["id"]}:close'
    world.supervisor_3701.post(path, {'verdict': '责令限期答复'}).expect(403)
    world.supervisor_37.post(path, {'verdict': '责令限期答复'}).expect(403)
    world.unit_370102.post(path, {'verdict': '责令限期答复'}).expect(403)
    world.supervisor_370102.post(path, {}).expect(400)
    closed = world.supervisor_370102.post(path, {'verdict': '责令限期答复'}).expect(200)
    assert closed['state'] == 'closed' and closed['verdict'] == '责令限期答复'
    world.supervisor_370102.post(path, {'verdict': '再次'}).expect(409, 'state_forbids')
    advance_to(world, working_days_from_now(world, 6))
    assert [o['state'] for o in orders(world, c)] == ['closed']


def test_the_second_failed_visit_issues_an_order_with_a_clock_of_its_own(world):
    c = world.filed()
    world.unit_370102.act(c, 'sign').expect(200)
    for _ in range(2):
        world.unit_370102.act(c, 'reply', {'text': '已处理'}).expect(200)
        world.hotline_3701.act(c, 'visit', {'reached': True, 'solved': False, 'satisfied': False}).expect(200)
        assert world.hotline_3701.act(c, 'redo', {'reason': '未解决'}).expect(200)
    order, = orders(world, c)
    assert order['trigger'] == 'unsatisfied' and order['level'] == 'county' and order['basis_zh']
    clock, = world.supervisor_37.get(f'/v1/orders/{order["id"]}/clocks').expect(200)['clocks']
    assert clock['kind'] == 'order' and clock['due_at'] == order['due_at']
    advance_to(world, datetime.fromisoformat(order['due_at']))
    assert [(o['level'], o['state']) for o in orders(world, c) if o['trigger'] == 'unsatisfied'] == [
        ('county', 'escalated'), ('city', 'issued')]


def stuck(world):
    """Orders that nobody can take further; each replica's operator sees as many, and the alarm while there are any."""
    listed = world.supervisor_37.get('/v1/orders', cannot_escalate='true', page_size=200).expect(200)['orders']
    told = json.loads(Cli(world.cluster, 'operator').run('status', '--json').stdout)['replicas']
    seen = [(int(each['status']['cannot_escalate']), [a['code'] for a in each['status']['alarms']])
            for each in told if each['instance'].startswith('supervision-')]
    assert len(seen) == 2
    for count, alarms in seen:
        assert count == len(listed) and ('cannot_escalate' in alarms) == (count > 0)
    return {o['id'] for o in listed}


def test_nobody_above_the_province(world):
    """A city's matter climbs city, province; then it is listed, with an alarm that stands until the order is closed."""
    c = world.filed(division='3701')
    for _ in range(3):
        world.advance(days=40)
    assert [o['level'] for o in orders(world, c)] == ['city', 'province']
    last = orders(world, c)[-1]
    assert last['cannot_escalate'] is False and last['id'] not in stuck(world)
    world.advance(days=40)
    assert [o['level'] for o in orders(world, c)] == ['city', 'province']
    last = orders(world, c)[-1]
    assert last['cannot_escalate'] is True and last['reported'] is False and last['id'] in stuck(world)
    world.advance(days=40)
    assert orders(world, c)[-1]['reported'] is True and last['id'] in stuck(world)
    told = [e['type'] for e in world.supervisor_37.events('supervision')[0] if e['subject'] == last['id']]
    assert told == ['order.issued.v1', 'order.cannot_escalate.v1', 'order.reported.v1']
    for order in stuck(world):  # whoever filed it
        world.supervisor_37.post(f'/v1/orders/{order}:close', {'verdict': '已约谈'}).expect(200)
    assert stuck(world) == set()


def test_a_red_card_of_a_term_in_hours(world):
    """Late from due_at on, hours after the start; the red card comes with the next working day, and no yellow before."""
    c = world.filed()
    world.unit_370102.act(c, 'sign').expect(200)
    clocks = world.hotline_3701.get(f'/v1/complaints/{c["id"]}/clocks').expect(200)['clocks']
    contact = next(clock for clock in clocks if clock['kind'] == 'contact')
    due = datetime.fromisoformat(contact['due_at'])
    red = midnight(CALENDAR.add_working_days(date.fromisoformat(contact['due_on']), 1))
    world.advance(seconds=(due - datetime.fromisoformat(world.now())).total_seconds())
    assert due < red and cards(world, c, 'contact') == []
    advance_to(world, red)
    assert cards(world, c, 'contact') == [('red', 'open')]
    world.unit_370102.act(c, 'contact', {'reached': True}).expect(200)
    assert cards(world, c, 'contact') == [('red', 'closed')]


def test_a_late_reply_is_late_for_good(world):
    c = world.filed()
    world.advance(days=20)
    world.unit_370102.act(c, 'sign').expect(200)
    after = world.unit_370102.act(c, 'reply', {'text': '已处理'}).expect(200)
    states = {clock['kind']: clock['state'] for clock in after['clocks']}
    assert states['reply'] == 'late' and states['sign'] == 'late' and states['return'] == 'cancelled'
    world.unit_370102.act(world.filed(), 'return', {'reason': 'x'}).expect(200)
