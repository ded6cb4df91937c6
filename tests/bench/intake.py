"""Intake: the limit, both doors, the whole cluster, the peer; and what group commit brings to commands of all kinds.

Rounds are interleaved: whatever is a baseline of something is measured next to it.
"""
import contextlib
import os
import re
import signal
import subprocess

import lifecycle
from rig import CONNECTIONS, HERE, UNHEARD, Database

BATCH, COMMITTERS = 64, 2
TEMPLATES_S = 3
WARM_S = 2
ONE_CLIENTS = 2 # more of them only wait for each other at the log


TABLES = ['complaint', 'complaint_act', 'clock', 'idempotency', 'event']


def _catalog(database):
    """{table: (definitions of its indexes, its bytes for a complaint, those of its indexes)}."""
    database.run('VACUUM ' + ', '.join(TABLES)) # so that both have what belongs to a table beside its rows
    complaints = database.row('SELECT count(*) FROM complaint')[0]
    return {name: (indexes, table / complaints, index / complaints) for name, indexes, table, index in database.rows(
        'SELECT relname, (SELECT array_agg(pg_get_indexdef(indexrelid) ORDER BY 1) FROM pg_index WHERE indrelid = c.oid), '
        "pg_table_size(oid), pg_indexes_size(oid) FROM pg_class c WHERE relnamespace = 'public'::regnamespace "
        'AND relname = ANY (%s) ORDER BY 1', TABLES)}


class Limit:
    """A copy of the complaints' schema, and the service's own rows as templates."""

    def __init__(self, rig):
        self.rig = rig
        rig.file_http(TEMPLATES_S)
        rig.settle()
        self._theirs = _catalog(rig.complaints) # before anything but filings is in there
        admin = Database(rig.cluster.postgres.uri())
        admin.run('DROP DATABASE IF EXISTS bench_limit')
        # A template is copied when nobody looks into it.
        with self._nobody_in():
            admin.run('CREATE DATABASE bench_limit TEMPLATE lujian_complaints')
        admin.close()
        self.database = Database(rig.cluster.postgres.uri(database='bench_limit'))
        self.database.run((HERE / 'limit.sql').read_text())
        self.database.run('TRUNCATE complaint, complaint_act, clock, idempotency, event')
        self.database.row("SELECT log_open('complaints')") # the copy is another place: its epoch is its own

    @contextlib.contextmanager
    def _nobody_in(self):
        for replica in self.rig.cluster.of('complaints'):
            replica.stop()
        self.rig.complaints.close()
        try:
            yield
        finally:
            self.rig.complaints = Database(self.rig.cluster.database('complaints'))
            for replica in self.rig.cluster.of('complaints'):
                replica.start()
            self.rig.cluster.wait_ready()

    def batches(self, seconds):
        """Complaints a second in batches of 64 by two connections."""
        return self._run(seconds, BATCH, COMMITTERS)

    def one_at_a_time(self, seconds):
        """Complaints a second, a commit each."""
        return self._run(seconds, 1, ONE_CLIENTS)

    def _run(self, seconds, batch, clients):
        before = self.database.row('SELECT count(*) FROM complaint')[0]
        found = {}
        with self.rig.accounted(found, lambda: found['transactions'] * batch):
            found |= self.rig.pgbench(self.database.uri, f'SELECT bench.store({batch});\n', seconds, clients)
        stored = self.database.row('SELECT count(*) FROM complaint')[0] - before
        if stored != found['transactions'] * batch:
            raise RuntimeError(f'{found["transactions"]} batches of {batch}, but {stored} rows')
        return found | {'rate': found['rate'] * batch}

    def comparison(self):
        """For each table its indexes, and bytes a complaint of it and of them: here, and where the service filed. A limit with
        other indexes would be another thing's limit."""
        mine = _catalog(self.database)
        for table, (indexes, _, _) in mine.items():
            if indexes != self._theirs[table][0]:
                raise RuntimeError(f'{table}: the limit has {indexes}, the service {self._theirs[table][0]}')
        return [{'table': table, 'indexes': mine[table][0],
                 'bytes_a_complaint': [round(of[table][1]) for of in (mine, self._theirs)],
                 'index_bytes_a_complaint': [round(of[table][2]) for of in (mine, self._theirs)]} for table in mine]


class Peer:
    """Node + fastify + pg, as tests/bench/peer has it, on the same PostgreSQL."""

    def __init__(self, rig):
        self.rig = rig
        admin = Database(rig.cluster.postgres.uri())
        admin.run('CREATE DATABASE bench_peer')
        admin.close()
        uri = rig.cluster.postgres.uri(database='bench_peer')
        self.database = Database(uri)
        self.database.run((HERE / 'peer/schema.sql').read_text())
        self.process = subprocess.Popen(['node', str(HERE / 'peer/server.mjs')], stdout=subprocess.PIPE, text=True,
                                        env=os.environ | {'DATABASE_URL': re.sub(r'[?].*', '', uri)})
        self.url = f'http://127.0.0.1:{int(self.process.stdout.readline())}'

    def run(self, seconds, **options):
        """Complaints a second, and that their rows are there."""
        before = self.database.row('SELECT count(*) FROM complaint')[0]
        found = {}
        with self.rig.accounted(found, lambda: found['requests'], node=[self.process.pid]):
            found |= self.rig.wrk('file.lua', self.url, seconds, **options)
        stored = self.database.row('SELECT count(*) FROM complaint')[0] - before
        if not found['requests'] <= stored <= found['requests'] + UNHEARD:
            raise RuntimeError(f'the peer answered {found["requests"]} and stored {stored}')
        return found

    def close(self):
        """Ends the server."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.database.close()


class HalfLoad:
    """Complaints over HTTP at half of a rate: connections that pause between an answer and the next request. How long an
    answer takes then is learnt from each run, so from the warm-up, and kept for the next round."""

    def __init__(self, rig):
        self.rig, self.asked, self.answer_ms = rig, 0, 0

    def of(self, rate):
        """Half of it from now on."""
        self.asked = rate / 2
        return self

    @property
    def pause_ms(self):
        """The mean pause of a connection, whose turn is an answer and a pause."""
        return max(round(2 * (CONNECTIONS / self.asked * 1000 - self.answer_ms)) / 2, 1) # wrk draws whole ones

    def run(self, seconds):
        """One run; its `pace` is 1 where the load was what it was to be."""
        pause_ms = self.pause_ms
        found = self.rig.file_http(seconds, DELAY_MS=pause_ms)
        self.answer_ms = max(CONNECTIONS / found['rate'] * 1000 - pause_ms, 0)
        return found | {'pace': found['rate'] / self.asked}


def sample(rig, samples, name, run, seconds):
    """One measurement, behind a checkpoint and a little of the same load.

    After a checkpoint the first touch of every page writes all of it into the log: of a short run that would be half the
    cost, of a day's it is nothing, so the warm-up pays it.
    """
    rig.settle()
    run(WARM_S)
    samples.setdefault(name, []).append(run(seconds))
    return samples[name][-1]


def measure(rig, samples, rounds, seconds):
    """Fills samples {series: [one a round]} and returns the comparison of the catalogs."""
    rig.stop_consumers()
    limit, peer, half = Limit(rig), Peer(rig), HalfLoad(rig)
    try:
        for number in range(rounds):
            for name, run in (
                    ('limit', limit.batches),
                    ('bus', rig.file_bus),
                    ('http', rig.file_http),
                    ('peer', peer.run),
                    ('one_at_a_time', limit.one_at_a_time),
                    ('mixed', lambda length: lifecycle.mixed(rig, length)),
                    ('http_half', lambda length: half.of(samples['http'][-1]['rate']).run(length))):
                found = sample(rig, samples, name, run, seconds)
                rig.say(f'round {number + 1}: {name} {found["rate"]:.0f}/s')
    finally:
        peer.close()
    compared = limit.comparison()
    whole(rig, samples, limit, rounds, seconds)
    return compared


def whole(rig, samples, limit, rounds, seconds):
    """Intake with supervision following, by turns with the limit; it has to be at the end, soon after the load is."""
    rig.start_consumers()
    for number in range(rounds):
        sample(rig, samples, 'limit_again', limit.batches, seconds)
        found = sample(rig, samples, 'http_whole', rig.file_http, seconds)
        found['lag_events'] = rig.lag()
        found['caught_up_s'] = rig.catch_up()
        rig.say(f'round {number + 1}: http_whole {found["rate"]:.0f}/s, {found["lag_events"]} events behind')
