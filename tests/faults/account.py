"""What the clients were told, and the checks of the cluster against it once it has settled."""
import time
from datetime import datetime, timedelta

import psycopg2
from integration.conftest import World
from model.reconcile import Event, Reconciliation

SERVICES = ('complaints', 'supervision')
PROMPT = timedelta(minutes=1)
CUT = timedelta(minutes=5)  # within which lost rungs are reached again
LAW_DAYS = 12               # past the reply's due date, and the red card's
EXAMPLES = 5


class Account:
    """`acknowledged`: {external id: id}; `replied`: ids. Both over all tests of the session."""

    def __init__(self, cluster):
        self.cluster, self.world = cluster, World(cluster)
        self.acknowledged, self.replied = {}, set()
        self.gone, self.stale = set(), 0    # ids that a lost end of the log has taken with it; how far supervision knew it
        self.logs = {service: [] for service in SERVICES}
        self.cursors = dict.fromkeys(SERVICES, '')
        self.prompt, self.lag, self.cut = PROMPT, timedelta(0), timedelta(0)
        self.model, self.read = None, dict.fromkeys(SERVICES, 0)   # the model, and how far it has read
        self._begin()

    def time_moved_in_storm(self, span):
        """From here on nobody promises that a rung was found due before the acts that followed it."""
        self.prompt, self.lag = None, max(self.lag, span)
        self._begin()

    def _begin(self):
        """A model that has read nothing yet."""
        self.model = Reconciliation(importers=('test-',), prompt=self.prompt, lag=self.lag, cut=self.cut, gone=self.gone,
                                    stale=self.stale)
        self.read = dict.fromkeys(SERVICES, 0)

    def log_was_cut(self, gone=(), undone=(), stale=0):
        """The complaints' log lost its end and is of another epoch: everything is read from the start, and rungs that were
        lost are reached again. With it went these external ids, and the replies to these ids; what supervision had made of it
        is in its log up to position `stale`."""
        self.gone.update(self.acknowledged.pop(one) for one in gone)
        self.replied -= self.gone | set(undone)
        self.cut, self.stale = CUT, stale
        self.logs, self.cursors = {service: [] for service in SERVICES}, dict.fromkeys(SERVICES, '')
        self.time_moved_in_storm(timedelta(0))

    def settle(self):
        """Return when every consumer stands at its head and no rung is due; the civil time then."""
        return datetime.fromisoformat(self.world.now())

    def order_by_visits(self):
        """A complaint that failed two visits: its order has a clock of its own, which supervision runs."""
        unit, centre = self.world.unit_370102, self.world.hotline_3701
        made = self.world.filed(source='test-storm')
        unit.act(made, 'sign').expect(200)
        for _ in range(2):
            unit.act(made, 'reply', {'text': '已处理'}).expect(200)
            centre.act(made, 'visit', {'reached': True, 'solved': False, 'satisfied': False}).expect(200)
            centre.act(made, 'redo', {'reason': '未解决'}).expect(200)

    def wait_consumed(self):
        """Until supervision has read all that complaints have, whichever replica it is that does."""
        def consumed():
            (head,), = self.sql('complaints', 'SELECT max(position) FROM event')
            (read,), = self.sql('supervision', "SELECT position FROM consumer_cursor WHERE stream = 'complaints'")
            return read >= head
        self.wait_for(consumed, 'supervision to read on')

    @staticmethod
    def wait_for(condition, what, timeout_s=20.0):
        """For what is told by nothing but looking."""
        until = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < until, f'waited {timeout_s:g} s for {what}'
            time.sleep(0.02)

    def check(self, days=LAW_DAYS):
        """All of it: as the storm left it, and again after so many days, in which the law takes its course."""
        self.settle()
        self._check_stored()
        if days:
            self.world.advance(days=days)
        now = self.settle()
        for service in SERVICES:
            self._check_positions(service)
            self._read(service)
        self._check_model(now)
        self._check_no_red_card_for_a_reply_in_time(days >= LAW_DAYS)

    def sql(self, service, statement, *values):
        """The rows that a superuser finds."""
        return self.ask(self.cluster.database(service), statement, *values)

    @staticmethod
    def ask(uri, statement, *values):
        """The rows of any database."""
        connection = psycopg2.connect(uri)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall()
        finally:
            connection.close()

    # ------------------------------------------------------------------ checks

    def _check_stored(self):
        """Every acknowledged complaint is there once, under the id that was told, with one event of its filing."""
        stored = self.sql('complaints', 'SELECT external_id, id::text FROM complaint')
        assert len(dict(stored)) == len(stored), 'a complaint is there twice'
        wrong = {number: told for number, told in self.acknowledged.items() if dict(stored).get(number) != told}
        assert not wrong, f'{len(wrong)} acknowledged, not there or under another id: {list(wrong.items())[:EXAMPLES]}'
        filed = self.sql('complaints', "SELECT subject FROM event WHERE type = 'complaint.filed.v1'")
        assert sorted(subject for subject, in filed) == sorted(dict(stored).values())
        told = set(self.acknowledged.values())
        for act in ('sign', 'reply'):
            done = [one for one, in self.sql(
                'complaints', 'SELECT complaint_id::text FROM complaint_act WHERE action = %s', act) if one in told]
            assert len(set(done)) == len(done) and self.replied <= set(done), f'{act}: lost or done twice'

    def _check_positions(self, service):
        (count, first, last), = self.sql(service, 'SELECT count(*), min(position), max(position) FROM event')
        assert count == 0 or (first, last) == (1, count), f'{service}: {count} events from {first} to {last}'
        (ids,), = self.sql(service, 'SELECT count(DISTINCT event_id) FROM event')
        assert ids == count, f'{service}: an event is in the log twice'
        assert not self.sql(service, 'SELECT stream, position, type FROM dead_letter'), f'{service}: dead letters'

    def _read(self, service):
        fresh, self.cursors[service] = self.world.operator.events(service, self.cursors[service])
        self.logs[service] += [Event.from_cloudevent(told) for told in fresh]
        (count,), = self.sql(service, 'SELECT count(*) FROM event')
        assert count == len(self.logs[service]), f'{service}: {count} events, {len(self.logs[service])} told'

    def _check_model(self, now):
        """Both logs, event by event; and the tables hold as many cards and orders as the model calls for."""
        fresh = [self.logs[service][self.read[service]:] for service in SERVICES]
        self.read = {service: len(log) for service, log in self.logs.items()}
        faults = self.model.read(*fresh, now)
        assert not faults, f'{len(faults)} faults:\n' + '\n'.join(faults[:EXAMPLES])
        counts = self.model.counts()
        cards, orders = (self._about_what_is_there(table) for table in ('card', 'supervision_order'))
        assert cards == counts['yellow cards'] + counts['red cards'] + len(self.model.stale_cards)
        assert orders == sum(counts[f'orders, {level}'] for level in ('county', 'city', 'province'))

    def _about_what_is_there(self, table):
        """How many rows of supervision's are not about a complaint that is gone."""
        (count,), = self.sql('supervision', f'SELECT count(*) FROM {table} WHERE subject::text <> ALL (%s)', list(self.gone))
        return count

    def _check_no_red_card_for_a_reply_in_time(self, must_be_red):
        """Asked of the logs themselves, without the model."""
        due, in_time = {}, set()
        for event in self.logs['complaints']:
            due[event.subject] = event.data.get('reply_due_at') or due.get(event.subject)
            if event.type == 'complaint.replied.v1' and event.time < due[event.subject]:
                in_time.add(event.subject)
        red = {event.data['subject'] for event in self.logs['supervision'] if event.type == 'card.raised.v1'
               and event.data['color'] == 'red' and event.data['clock_kind'] == 'reply'}
        wrong = red & in_time & self.replied
        assert not wrong, f'red cards for {sorted(wrong)[:EXAMPLES]}, replied to in time'
        assert self.prompt is None or self.replied <= in_time
        assert red or not must_be_red, 'nobody was given a red card: the check above says nothing'

    def received_by(self, jurisdiction):
        """The events of complaints that a supervisor there is to be told, as the model says."""
        return self.model.received_by(self.logs['complaints'], jurisdiction)
