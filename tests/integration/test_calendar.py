"""The calendar as law, over HTTP: days explained, days that nobody has announced yet, and an announced year corrected.

A cluster of its own: the calendar that these tests load and the years that they let pass are nobody else's.
"""
import csv
import io
import json
from datetime import date, datetime, timedelta

import pytest

from conftest import new_world
from model.calendar import ONE_DAY, Calendar, local, midnight
from test_registry_cli import Cli, becomes, folder

REPLY_DAYS = 5


@pytest.fixture(scope='module')
def world():
    with new_world({'complaints': 2}) as made:
        yield made


@pytest.fixture(scope='module')
def operator(world):
    return Cli(world.cluster, 'operator')


class Announced:
    """What the cluster has been told of the calendar so far, and how to tell it more."""

    def __init__(self, operator):
        self.operator, self.model = operator, Calendar()

    def load(self, path, year, marks, number='一'):
        """Loads the notice of a year: {day: 'off' or 'work'}; one that was loaded before is thereby corrected. Each
        replica of complaints knows it when this returns."""
        notices, days = io.StringIO(), io.StringIO()
        csv.writer(notices).writerows([('year', 'notice', 'title'),
                                       (year, f'测试通知〔{year}〕{number}号', f'{year}年放假安排')])
        csv.writer(days).writerows([('day', 'kind', 'festival', 'year'),
                                    *((day, kind, '测试节', year) for day, kind in marks.items())])
        path.mkdir()
        before = max(int(status['mirror_position']) for status in statuses(self.operator))
        done = self.operator.run('load', folder(path, calendar_notices=notices.getvalue(),
                                                calendar_days=days.getvalue()))
        assert '1 rows: 1 changed' in done.stdout, done.stdout
        becomes(lambda: all(int(status['mirror_position']) > before for status in statuses(self.operator)))
        model = Calendar()
        model.marked = {day: works for day, works in self.model.marked.items() if day.year != year}
        model.marked.update((day, kind == 'work') for day, kind in marks.items())
        model.announced = self.model.announced | {year}
        self.model = model


@pytest.fixture(scope='module')
def announced(operator):
    return Announced(operator)


def now(world):
    return datetime.fromisoformat(world.now())


def advance_to(world, instant):
    seconds = (instant - now(world)).total_seconds()
    assert seconds >= 0, f'{instant} has passed'
    world.advance(seconds=int(seconds) + 1)


def at_ten(day):
    return midnight(day) + timedelta(hours=10)


def clock(world, complaint, kind):
    clocks = world.hotline_3701.get(f'/v1/complaints/{complaint["id"]}/clocks').expect(200)['clocks']
    return next(c for c in clocks if c['kind'] == kind)


def explain(world, complaint, clock):
    path = f'/v1/complaints/{complaint["id"]}/clocks/{clock["id"]}:explain'
    return world.hotline_3701.get(path).expect(200)['days']


def statuses(operator, service='complaints'):
    replicas = json.loads(operator.run('status', '--json').stdout)['replicas']
    return [r['status'] for r in replicas if r['instance'].startswith(service)]


def alarms(operator):
    return {alarm['code'] for status in statuses(operator) for alarm in status['alarms']}


def recomputed(world, clock):
    events, _ = world.operator.events('complaints', type='clock.recomputed.v1')
    return [e['data'] for e in events if e['data']['clock_id'] == clock['id']]


def check_days(days, clock, counted):
    """From the start day to due_on, no day left out, and as many counted as the term has."""
    first, last = local(datetime.fromisoformat(clock['started_at'])).date(), date.fromisoformat(clock['due_on'])
    assert [d['date'] for d in days] == [str(first + i * ONE_DAY) for i in range((last - first).days + 1)]
    assert sum(d['counted'] for d in days) == counted
    assert not days[0]['counted'] and days[-1]['counted']
    for day in days:
        assert isinstance(day['counted'], bool) and day['reason'] and day['basis'], day


def test_every_day_is_explained(world):
    c = world.filed()
    reply = clock(world, c, 'reply')
    check_days(explain(world, c, reply), reply, REPLY_DAYS)
    sign = clock(world, c, 'sign')
    check_days(explain(world, c, sign), sign, 1)


def test_an_extended_clock_is_explained_whole(world):
    c = world.filed()
    before = clock(world, c, 'reply')
    world.unit_370102.act(c, 'extend', {'working_days': 4, 'reason': '需会同住建部门现场核查'}).expect(200)
    after = clock(world, c, 'reply')
    assert after['term'] == before['term'] + 1 and after['started_at'] == before['started_at']
    assert after['due_on'] > before['due_on']
    check_days(explain(world, c, after), after, REPLY_DAYS + 4)


def test_a_clock_is_explained_with_its_own_complaint_only(world):
    one, other = world.filed(), world.filed()
    path = f'/v1/complaints/{one["id"]}/clocks/'
    world.hotline_3701.get(f'{path}{clock(world, other, "reply")["id"]}:explain').expect(404, 'not_found')
    world.hotline_3701.get(f'{path}00000000-0000-5000-8000-000000000000:explain').expect(404, 'not_found')
    world.hotline_3701.get(f'{path}nonsense:explain').expect(400)
    own = clock(world, one, 'reply')['id']
    world.hotline_3702.get(f'{path}{own}:explain').expect(404, 'not_found')  # another city's centre


def test_holidays_and_make_up_days_name_their_notice(world):
    """Over the Spring Festival of 2025: off from 28 January to 4 February, worked on the Sunday before."""
    c = world.filed(received_at='2025-01-24T10:00:00+08:00')
    reply = clock(world, c, 'reply')
    assert reply['started_at'] == '2025-01-24T10:00:00+08:00' and reply['due_on'] == '2025-02-07'
    days = explain(world, c, reply)
    check_days(days, reply, REPLY_DAYS)
    of = {d['date']: d for d in days}
    notice = '国办发明电〔2024〕12号'
    assert of['2025-01-26']['counted'] and notice in of['2025-01-26']['basis']
    for day in ('2025-01-28', '2025-01-31', '2025-02-04'):
        assert not of[day]['counted'] and notice in of[day]['basis'], of[day]
    assert of['2025-01-27']['counted'] and not of['2025-01-25']['counted']
    assert of['2025-01-25']['basis'] != of['2025-01-28']['basis']  # a Saturday is one by another law


def eve_of_the_unknown(world, announced, tmp_path):
    """Late in the last announced year; that year and the next. A year that began unannounced is announced first."""
    today = local(now(world)).date()
    year = max(today.year, *announced.model.announced)
    if date(year, 12, 24) < today:
        year += 1
    if year not in announced.model.announced:
        announced.load(tmp_path / 'this', year, {date(year, 1, 1): 'off'})
    day = announced.model.add_working_days(date(year, 12, 24), 2)
    advance_to(world, at_ten(day))
    return year, year + 1


def test_a_year_that_nobody_has_announced(world, operator, announced, tmp_path):
    _, unknown = eve_of_the_unknown(world, announced, tmp_path)
    c = world.filed()
    before = clock(world, c, 'reply')
    due = announced.model.due(datetime.fromisoformat(before['started_at']), REPLY_DAYS, 'working_days')
    assert due.provisional and due.on.year == unknown
    assert before['provisional'] and before['due_on'] == str(due.on)
    assert not clock(world, c, 'sign')['provisional']
    becomes(lambda: 'clocks_provisional' in alarms(operator))

    announced.load(tmp_path / 'next', unknown, {date(unknown, 1, day): 'off' for day in range(1, 6)})
    becomes(lambda: not clock(world, c, 'reply')['provisional'])
    after = clock(world, c, 'reply')
    due = announced.model.due(datetime.fromisoformat(before['started_at']), REPLY_DAYS, 'working_days')
    assert not due.provisional and after['due_on'] == str(due.on) > before['due_on']
    assert datetime.fromisoformat(after['due_at']) == due.at
    assert (after['term'], after['started_at']) == (before['term'], before['started_at'])
    told, = recomputed(world, after)
    assert (told['old_due_at'], told['new_due_at']) == (before['due_at'], after['due_at'])
    assert told['reason'] == 'calendar_notice' and not told['provisional']
    check_days(explain(world, c, after), after, REPLY_DAYS)
    becomes(lambda: 'clocks_provisional' not in alarms(operator))


def dry_run(operator, service='complaints'):
    return json.loads(operator.run('clocks', 'recompute', service, '--json').stdout)


def next_monday(world, announced, tmp_path):
    """A Monday of an announced year, with three ordinary weeks behind it; time stands at ten on that day."""
    day = local(now(world)).date() + timedelta(days=1)
    day = max(day, date(day.year, 3, 1)) if day < date(day.year, 11, 1) else date(day.year + 1, 3, 1)
    day += timedelta(days=-day.weekday() % 7)
    marks = {date(day.year, 1, 1): 'off'}
    announced.load(tmp_path / 'plain', day.year, marks)
    advance_to(world, at_ten(day))
    return day, marks


def test_an_announced_year_is_corrected(world, operator, announced, tmp_path):
    monday, marks = next_monday(world, announced, tmp_path)
    tuesday = monday + ONE_DAY
    known = int(dry_run(operator)['calendar_position'])
    c = world.filed()
    kinds = ('reply', 'return', 'sign')
    before = {kind: clock(world, c, kind) for kind in kinds}
    assert not any(b['provisional'] for b in before.values())
    assert before['sign']['due_on'] == str(tuesday)
    advance_to(world, at_ten(monday + 2 * ONE_DAY))
    assert clock(world, c, 'sign')['state'] == 'late'

    # On Wednesday it is found that Tuesday had been a day off.
    announced.load(tmp_path / 'corrected', monday.year, {**marks, tuesday: 'off'}, number='二')
    told = dry_run(operator)
    assert int(told['calendar_position']) > known
    mine = {x['kind']: x for x in told['changes'] if x['subject'] == c['id']}
    assert {kind: mine[kind]['note'] for kind in mine} == {'reply': '', 'return': '', 'sign': 'breached'}
    expected = announced.model.due(datetime.fromisoformat(before['reply']['started_at']), REPLY_DAYS, 'working_days')
    assert mine['reply']['clock_id'] == before['reply']['id'] and mine['reply']['division'] == '370102'
    assert mine['reply']['old_due_at'] == before['reply']['due_at']
    assert datetime.fromisoformat(mine['reply']['new_due_at']) == expected.at
    assert int(told['moving']) >= 2 and int(told['breached']) >= 1 and int(told['older']) >= 3

    # It was a dry run: nothing moved, and an apply of anything else than what was shown is refused.
    position = told['calendar_position']
    table = operator.run('clocks', 'recompute', 'complaints').stdout
    assert 'NEW DUE' in table and before['reply']['id'] in table and f'--apply {position}' in table
    refused = operator.run('clocks', 'recompute', 'complaints', '--apply', known, code=1).stderr
    assert 'calendar_moved' in refused and '日历' in refused
    for kind in ('reply', 'return'):
        assert clock(world, c, kind) == before[kind] and not recomputed(world, before[kind])

    done = operator.run('clocks', 'recompute', 'complaints', '--apply', position).stdout
    assert f'calendar position {position}: decided by operator' in done
    becomes(lambda: clock(world, c, 'reply')['due_on'] != before['reply']['due_on'])
    after = clock(world, c, 'reply')
    old = date.fromisoformat(before['reply']['due_on'])
    assert after['due_on'] == str(announced.model.add_working_days(old, 1)) == str(expected.on)
    assert (after['term'], after['started_at'], after['provisional']) == (
        before['reply']['term'], before['reply']['started_at'], False)
    becomes(lambda: clock(world, c, 'return')['due_on'] == str(monday + 3 * ONE_DAY))
    sign = clock(world, c, 'sign')
    assert (sign['due_at'], sign['state']) == (before['sign']['due_at'], 'late')

    # Once and for all, and told once.
    becomes(lambda: dry_run(operator)['last']['settled_at'])
    assert int(dry_run(operator)['older']) == 0
    operator.run('clocks', 'recompute', 'complaints', '--apply', position)
    world.now()
    event, = recomputed(world, after)
    assert event['reason'] == 'calendar_decision' and event['new_due_at'] == after['due_at']
    assert not recomputed(world, sign)
    days = {d['date']: d for d in explain(world, c, after)}
    check_days(list(days.values()), after, REPLY_DAYS)
    assert not days[str(tuesday)]['counted'] and f'测试通知〔{monday.year}〕二号' in days[str(tuesday)]['basis']


def test_recomputing_is_for_operators_and_owners_of_clocks(world, operator):
    told = Cli(world.cluster, 'unit_370102').run('clocks', 'recompute', 'complaints', code=1).stderr
    assert 'permission_denied' in told
    assert 'permission_denied' in Cli(world.cluster, 'supervisor_37').run(
        'clocks', 'recompute', 'complaints', '--apply', '1', code=1).stderr
    assert 'no_clocks' in operator.run('clocks', 'recompute', 'registry', code=1).stderr
    assert int(dry_run(operator, 'supervision')['moving']) == 0
    operator.run('clocks', 'recompute', 'weather', code=2)
    operator.run('clocks', 'recompute', 'complaints', '--apply', 'now', code=2)
    operator.run('clocks', 'recompute', code=2)
    assert operator.run('clocks', '--help').stdout.startswith('lujian clocks recompute')
