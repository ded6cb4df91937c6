"""Intake: the limit, both doors, the whole cluster, the peer; and what group commit brings to commands of all kinds.

Rounds are interleaved: whatever is a baseline of something is measured next to it.
"""
import contextlib
import os
import re
import signal
import subprocess

import lifecycle
from rig import CONNECTIONS, HERE, UNHEARD, Database, cpu_seconds

BATCH, COMMITTERS = 64, 2
TEMPLATES_S = 3
WARM_S = 2
ONE_CLIENTS = 2 # more of them only wait for each other at the log


class Limit:
    """A copy of the complaints' schema, and the service's own rows as templates."""

    def __init__(self, rig):
        self.rig = rig
        rig.file_http(TEMPLATES_S)
        rig.settle()
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
        cpu = cpu_seconds(self.rig.cluster.postgres.pids())
        found = self.rig.pgbench(self.database.uri, f'SELECT bench.store({batch});\n', seconds, clients)
        stored = self.database.row('SELECT count(*) FROM complaint')[0] - before
        if stored != found['transactions'] * batch:
            raise RuntimeError(f'{found["transactions"]} batches of {batch}, but {stored} rows')
        spent = cpu_seconds(self.rig.cluster.postgres.pids()) - cpu
        return {'rate': found['rate'] * batch, 'cpu_s_per_1000': {'postgres': round(spent * 1000 / stored, 4)}}

    def comparison(self):
        """[(table, its indexes, bytes a complaint here, and in the service's own database)], from the catalogs."""
        query = ("SELECT c.relname, (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid), "
                 "pg_table_size(c.oid), pg_indexes_size(c.oid) FROM pg_class c "
                 "WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%s) ORDER BY 1")
        tables = ['complaint', 'complaint_act', 'clock', 'idempotency', 'event']
        mine, theirs = ([(name, indexes, table, index, database.row('SELECT count(*) FROM complaint')[0])
                         for name, indexes, table, index in database.rows(query, tables)]
                        for database in (self.database, self.rig.complaints))
        return [{'table': a[0], 'indexes': [a[1], b[1]], 'bytes_a_complaint': [round(x[2] / x[4]) for x in (a, b)],
                 'index_bytes_a_complaint': [round(x[3] / x[4]) for x in (a, b)]}
                for a, b in zip(mine, theirs, strict=True)]


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
        cpu = [cpu_seconds([self.process.pid]), cpu_seconds(self.rig.cluster.postgres.pids())]
        found = self.rig.wrk('file.lua', self.url, seconds, **options)
        stored = self.database.row('SELECT count(*) FROM complaint')[0] - before
        if not found['requests'] <= stored <= found['requests'] + UNHEARD:
            raise RuntimeError(f'the peer answered {found["requests"]} and stored {stored}')
        spent = [cpu_seconds([self.process.pid]) - cpu[0], cpu_seconds(self.rig.cluster.postgres.pids()) - cpu[1]]
        return found | {'cpu_s_per_1000': {part: round(s * 1000 / stored, 4)
                                           for part, s in zip(('node', 'postgres'), spent, strict=True)}}

    def close(self):
        """Ends the server."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.database.close()


def half_load_ms(rate):
    """The mean pause of a connection at which so many of them ask half of this rate a second."""
    return round(CONNECTIONS / (rate / 2) * 1000)


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
    limit = Limit(rig)
    peer = Peer(rig)
    try:
        for number in range(rounds):
            for name, run in (
                    ('limit', limit.batches),
                    ('bus', rig.file_bus),
                    ('http', rig.file_http),
                    ('peer', peer.run),
                    ('one_at_a_time', limit.one_at_a_time),
                    ('mixed', lambda length: lifecycle.mixed(rig, length)),
                    ('http_half', lambda length: rig.file_http(
                        length, DELAY_MS=half_load_ms(samples['http'][-1]['rate'])))):
                found = sample(rig, samples, name, run, seconds)
                rig.say(f'round {number + 1}: {name} {found["rate"]:.0f}/s')
        compared = limit.comparison()
    finally:
        peer.close()
    whole(rig, samples, rounds, seconds)
    return compared


def whole(rig, samples, rounds, seconds):
    """Intake with supervision following; it has to be at the end, soon after the load is."""
    rig.start_consumers()
    for number in range(rounds):
        found = sample(rig, samples, 'http_whole', rig.file_http, seconds)
        found['lag_events'] = rig.lag()
        found['caught_up_s'] = rig.catch_up()
        rig.say(f'round {number + 1}: http_whole {found["rate"]:.0f}/s, {found["lag_events"]} events behind')
