"""What the clients were told, and the checks of the cluster against it once it has settled."""
from datetime import datetime, timedelta

import psycopg2
from integration.conftest import World
from model.reconcile import Event, Reconciliation

SERVICES = ('complaints', 'supervision')
PROMPT = timedelta(minutes=1)
LAW_DAYS = 12               # past the reply's due date, and the red card's
EXAMPLES = 5


class Account:
    """`acknowledged`: {external id: id}; `replied`: ids. Both over all tests of the session."""

    def __init__(self, cluster):
        self.cluster, self.world = cluster, World(cluster)
        self.acknowledged, self.replied = {}, set()
        self.logs = {service: [] for service in SERVICES}
        self.cursors = dict.fromkeys(SERVICES, '')
        self.prompt, self.lag = PROMPT, timedelta(0)

    def time_moved_in_storm(self, span):
        """From here on nobody promises that a rung was found due before the acts that followed it."""
        self.prompt, self.lag = None, max(self.lag, span)

    def settle(self):
        """Return when every consumer stands at its head and no rung is due; the civil time then."""
        return datetime.fromisoformat(self.world.now())

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
        self._check_no_red_card_for_a_reply_in_time()

    def sql(self, service, statement, *values):
        """The rows that a superuser finds."""
        connection = psycopg2.connect(self.cluster.database(service))
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
        for act in ('sign', 'reply'):
            done = [one for one, in self.sql(
                'complaints', 'SELECT complaint_id::text FROM complaint_act WHERE action = %s', act)]
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
        model = Reconciliation(importers=('test-',), prompt=self.prompt, lag=self.lag)
        faults = model.read(*self.logs.values(), now)
        assert not faults, f'{len(faults)} faults:\n' + '\n'.join(faults[:EXAMPLES])
        counts = model.counts()
        (cards,), = self.sql('supervision', 'SELECT count(*) FROM card')
        (orders,), = self.sql('supervision', 'SELECT count(*) FROM supervision_order')
        assert cards == counts['yellow cards'] + counts['red cards']
        assert orders == sum(counts[f'orders, {level}'] for level in ('county', 'city', 'province'))
        self.counts = counts

    def _check_no_red_card_for_a_reply_in_time(self):
        """Asked of the log itself, without the model: every reply of a storm came within a day of its filing."""
        red = {event.data['subject'] for event in self.logs['supervision'] if event.type == 'card.raised.v1'
               and event.data['color'] == 'red' and event.data['clock_kind'] == 'reply'}
        wrong = red & self.replied
        assert not wrong, f'red cards for {sorted(wrong)[:EXAMPLES]}, replied to in time'
        unanswered = set(self.acknowledged.values()) - self.replied
        assert not unanswered or red, 'nobody was given a red card: the check above says nothing'
