"""From the commit to a subscriber's hand: 200 subscribers of all levels, while 500 events a second are written.

Invariant: what each subscriber got is, position for position and in order, what the database says that he may see; otherwise
nothing is reported.
"""
import array
import contextlib
import json
import os
import statistics
import subprocess
import time

import spread
from rig import CONNECTIONS, Database

from cluster.paths import build_dir

EVENTS_S = 500
SCOPES = {'province': 10, 'city': 40, 'county': 100, 'town': 50} # subscribers
EVENTS_A_FILING = 2 # filed, dispatched
WARM_S = 3
QUIET_S = 1
ROW = 4 # numbers of a delivery, see bench_follow.c


def _subscribers(cities, counties, towns):
    """[(principal, the division that he narrows to or '', his scope)]; a town's is watched by its county's supervisor."""
    return ([('supervisor_37', '', '37')] * SCOPES['province']
            + [(f'supervisor_{code}', '', code) for code in spread.take(cities, SCOPES['city'])]
            + [(f'supervisor_{code}', '', code) for code in spread.take(counties, SCOPES['county'])]
            + [(f'supervisor_{code[:spread.COUNTY]}', code, code) for code in spread.take(towns, SCOPES['town'])])


class Followers:
    """bench_follow with all subscribers, from the head of the log on."""

    def __init__(self, rig, subscribers):
        self.rig, self.scopes = rig, [scope for _, _, scope in subscribers]
        self.path = rig.home / 'deliveries'
        self.position = rig.head()
        listed = rig.home / 'subscribers'
        with listed.open('w') as out:
            for principal, division, _ in subscribers:
                keys = spread.credentials(rig.cluster, principal)
                out.write(f'{keys["curve_public"]} {keys["curve_secret"]} {division or "-"}\n')
        epoch = rig.complaints.row('SELECT epoch FROM log_stream')[0]
        self.process = subprocess.Popen(
            [str(build_dir() / 'tests/bench/bench_follow'), str(listed), f'complaints:{epoch}:{self.position}'],
            env=os.environ | {'DOORS': ' '.join(f'{one.rpc} {one.public_key}' for one in rig.cluster.of('complaints'))},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def close(self):
        """Ends it."""
        self.process.stdin.close()
        self.process.wait(60)

    def take(self):
        """What came since the last time, up to the head: [(instants of each event, in hand at)], checked."""
        before, self.position = self.position, self.rig.head()
        self.process.stdin.write(f'{self.position} {self.path}\n')
        self.process.stdin.flush()
        if not self.process.stdout.readline():
            raise RuntimeError('bench_follow has ended')
        numbers = array.array('q', self.path.read_bytes())
        got = [[] for _ in self.scopes]
        for at in range(0, len(numbers), ROW):
            got[numbers[at]].append((numbers[at + 1], numbers[at + 3]))
        events = self._events(before)
        for subscriber, scope in enumerate(self.scopes):
            wanted = [position for position, (division, _, _) in events.items() if division.startswith(scope)]
            if [position for position, _ in got[subscriber]] != wanted:
                raise RuntimeError(f'subscriber {subscriber} of {scope} got {len(got[subscriber])} events that are not the '
                                   f'{len(wanted)} of his scope')
        return events, [delivery for of in got for delivery in of]

    def _events(self, before):
        """{position: (division, civil time, time of the commit record)} in order, in microseconds."""
        return {position: tuple(rest) for position, *rest in self.rig.complaints.rows(
            "SELECT position, division, time * 1000, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint "
            "FROM event WHERE position > %s AND position <= %s ORDER BY position", before, self.position)}


@contextlib.contextmanager
def _commits_timed(rig):
    """PostgreSQL notes when each commit record was made. Its start is needed for that."""
    def turn(statement):
        rig.complaints.run(statement)
        rig.complaints.close()
        rig.supervision.close()
        rig.cluster.postgres.restart()
        rig.complaints, rig.supervision = (Database(rig.cluster.database(name)) for name in ('complaints', 'supervision'))
        rig.cluster.wait_ready()
        rig.catch_up()
    turn('ALTER SYSTEM SET track_commit_timestamp = on')
    try:
        yield
    finally:
        turn('ALTER SYSTEM RESET track_commit_timestamp')


def _load(rig, filings, seconds, pause_ms):
    """Filings at a pace; returns when nothing is written any more."""
    found = rig.wrk('file.lua', rig.cluster.gateway, seconds, FILINGS=filings, DELAY_MS=pause_ms)
    head, since = rig.head(), time.monotonic()
    while time.monotonic() < since + QUIET_S:
        time.sleep(0.05)
        if rig.head() != head:
            head, since = rig.head(), time.monotonic()
    return found


def _percentiles(delays_us, name):
    cuts = statistics.quantiles(delays_us, n=1000, method='inclusive')
    return {f'{name}p50_ms': cuts[499] / 1000, f'{name}p99_ms': cuts[989] / 1000, f'{name}max_ms': max(delays_us) / 1000}


def _round(rig, followers, filings, seconds):
    """One measurement, behind a little of the same load, from which it is learnt how long an answer takes."""
    rig.settle()
    turn_ms = CONNECTIONS / EVENTS_S * EVENTS_A_FILING * 1000 # of a connection: an answer and a pause
    warm = _load(rig, filings, WARM_S, round(turn_ms))
    followers.take()
    found = {}
    with rig.accounted(found, lambda: found['requests']):
        found |= _load(rig, filings, seconds, round(turn_ms - warm['p50_ms']))
    events, deliveries = followers.take()
    rate = len(events) / found['seconds']
    found |= {'rate': rate, 'pace': rate / EVENTS_S, 'deliveries': len(deliveries), 'subscribers': len(followers.scopes)}
    found |= _percentiles([in_hand - events[position][2] for position, in_hand in deliveries], '')
    found |= _percentiles([in_hand - events[position][1] for position, in_hand in deliveries], 'civil_')
    return found


def measure(rig, samples, rounds, seconds):
    """Fills samples with `delivery`, one a round."""
    cities, counties, towns = spread.divisions()
    spread.load_cast(rig.cluster)
    watched = _subscribers(cities, counties, towns)
    filings = rig.home / 'filings'
    spread.write_filings(rig.cluster, filings, [*counties, *spread.take(towns, SCOPES['town'])])
    with _commits_timed(rig):
        followers = Followers(rig, watched)
        try:
            for number in range(rounds):
                found = _round(rig, followers, filings, seconds)
                samples.setdefault('delivery', []).append(found)
                rig.say(f'round {number + 1}: delivery p99 {found["p99_ms"]:.1f} ms at {found["rate"]:.0f} events/s, '
                        f'{found["deliveries"]} deliveries')
        finally:
            followers.close()
