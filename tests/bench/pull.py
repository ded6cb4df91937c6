"""Filtered pulls over a log of ten million events, by turns with the same over one of ten thousand.

A pull looks at 10,000 positions and no more, however few of them its reader may see: so its time must not grow with the log.
Each log has a cluster of its own, and what is in it is copied within the database from events that the service wrote.
"""
import contextlib
import http.client
import json
import random
import statistics
import time
from urllib.parse import urlsplit

import spread
from rig import Database

from cluster import Cluster

EVENTS, BASE_EVENTS = 10_000_000, 10_000
SLICE = 10_000 # positions that one pull looks at, at most
LIMIT = 1000 # events of an answer, the most that there may be
TEMPLATE_S = 2
CHUNK = 500_000
PULLS_MAX = 200 # of a scope and log in a round
RARE_EVERY = 100_000
# Nobody files into these two counties; the first one is given an event in RARE_EVERY.
RARE, NONE = '371724', '371725'
SCOPES = {'none': NONE, 'rare': RARE, 'county': '370102', 'city': '3701', 'province': '37'}


class Log:
    """A cluster whose stream of complaints is so long."""

    def __init__(self, rig, name, events):
        self.rig, self.events = rig, events
        self._stack = contextlib.ExitStack()
        self.cluster = self._stack.enter_context(Cluster(rig.home / name, 1))
        self._stack.callback(self.cluster.purge)
        self._stack.callback(self.cluster.stop)
        try:
            spread.load_cast(self.cluster)
            self._fill()
        except BaseException:
            self._stack.close()
            raise
        self.link = http.client.HTTPConnection(urlsplit(self.cluster.gateway).netloc, timeout=60)

    def close(self):
        """Ends the cluster and takes its data away."""
        self.link.close()
        self._stack.close()

    def _fill(self):
        """The service's own events, over and over, up to the number; nobody else writes or follows meanwhile."""
        _, counties, towns = spread.divisions()
        filings = self.rig.home / 'filings'
        spread.write_filings(self.cluster, filings, [code for code in counties + spread.take(towns, 50)
                                                     if not code.startswith((RARE, NONE))])
        self.rig.wrk('file.lua', self.cluster.gateway, TEMPLATE_S, FILINGS=filings)
        for service in ('supervision', 'complaints'):
            for replica in self.cluster.of(service):
                replica.stop()
        self.database = Database(self.cluster.database('complaints'))
        self.epoch = self.database.row('SELECT epoch FROM log_stream')[0]
        self._copy()
        for replica in self.cluster.of('complaints'):
            replica.start()
            replica.wait_ready()

    def _copy(self):
        row = self.database.row
        self.database.run(f'DELETE FROM event WHERE position > {self.events}')
        head = row('SELECT max(position) FROM event')[0]
        self.database.run('CREATE UNLOGGED TABLE bench_event AS SELECT position - 1 AS n, event.* FROM event; '
                          'ALTER TABLE bench_event ADD PRIMARY KEY (n)')
        for first in range(head + 1, self.events + 1, CHUNK):
            self.database.run(
                f'INSERT INTO event SELECT p, b.time, gen_random_uuid(), b.about_enforcement, b.type, b.subject, '
                f'b.division, b.audience, b.correlation, b.traceparent, b.data FROM bench_event b '
                f'JOIN generate_series({first}, {min(first + CHUNK - 1, self.events)}) p ON b.n = p % {head} ORDER BY p')
        self.database.run(f"UPDATE event SET division = '{RARE}' WHERE position % {RARE_EVERY} = {BASE_EVENTS // 2}")
        self.database.run('DROP TABLE bench_event')
        self.database.run('VACUUM ANALYZE event')
        if (there := row('SELECT count(*), max(position) FROM event')) != (self.events, self.events):
            raise RuntimeError(f'wanted {self.events} contiguous positions, got {there}')
        size = row("SELECT pg_total_relation_size('event')")[0]
        self.rig.say(f'a log of {self.events:,} events, {size / 2**30:.1f} GiB')

    def pull(self, scope, after):
        """(milliseconds, positions looked at, events got), of the supervisor of that division."""
        token = spread.credentials(self.cluster, f'supervisor_{scope}')['token']
        began = time.monotonic()
        self.link.request('GET', f'/v1/events?stream=complaints&limit={LIMIT}&after=complaints:{self.epoch}:{after}',
                          headers={'Authorization': f'Bearer {token}'})
        answer = self.link.getresponse()
        body = answer.read()
        took_ms = (time.monotonic() - began) * 1000
        if answer.status != 200:
            raise RuntimeError(f'pull: {answer.status} {body[:200]!r}')
        told = json.loads(body)
        return took_ms, int(told['through'].rpartition(':')[2]) - after, [event['id'] for event in told['events']]

    def check(self, scope, after, looked, ids):
        """That the answer is what the database says, event for event."""
        wanted = [row[0] for row in self.database.rows(
            'SELECT event_id::text FROM event WHERE position > %s AND position <= %s AND division LIKE %s ORDER BY position',
            after, after + looked, scope + '%')]
        if ids != wanted:
            raise RuntimeError(f'a pull of {scope} after {after} got {len(ids)} events, not the {len(wanted)} of {looked}')


def _told(pulls):
    times = statistics.quantiles([took for took, _, _ in pulls], n=100, method='inclusive')
    return {'p50_ms': times[49], 'p99_ms': times[98], 'max_ms': max(took for took, _, _ in pulls), 'pulls': len(pulls),
            'looked_max': max(looked for _, looked, _ in pulls),
            'events': statistics.mean(len(ids) for _, _, ids in pulls)}


def _round(logs, scope, seconds):
    """Pulls over both logs by turns from cursors anywhere in them: what was found of each log."""
    found, until = [[] for _ in logs], time.monotonic() + seconds
    while len(found[0]) < PULLS_MAX and (time.monotonic() < until or len(found[0]) < 2):
        for log, pulls in zip(logs, found, strict=True):
            after = random.randint(0, log.events - SLICE)
            pulls.append(log.pull(scope, after))
            if len(pulls) == 1:
                log.check(scope, after, *pulls[0][1:])
    return [_told(pulls) for pulls in found]


def measure(rig, samples, rounds, seconds, events=EVENTS):
    """Fills samples with `pull_SCOPE`, one a round: over the long log, and as `base` over the short one."""
    random.seed(events)
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(contextlib.closing(Log(rig, name, count)))
                for name, count in (('short', BASE_EVENTS), ('long', events))]
        for number in range(rounds):
            for name, scope in SCOPES.items():
                base, found = _round(logs, scope, seconds)
                samples.setdefault(f'pull_{name}', []).append(found | {'base': base, 'log': events})
                rig.say(f'round {number + 1}: pull {name} p50 {found["p50_ms"]:.1f} ms, p99 {found["p99_ms"]:.1f} ms over '
                        f'{events:,} events, {base["p50_ms"]:.1f} and {base["p99_ms"]:.1f} ms over {BASE_EVENTS:,}')
