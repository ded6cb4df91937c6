"""The machine under measurement: a cluster, its database, and the instruments that load it and read it off.

Everything stays as durable as in production: what PostgreSQL answers about fsync, synchronous_commit and full_page_writes is
checked before anything is measured, and told in the report.
"""
import contextlib
import json
import os
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import psycopg2

from cluster import Cluster
from cluster.paths import build_dir
from cluster.postgres import BIN

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DURABLE = {'fsync': 'on', 'synchronous_commit': 'on', 'full_page_writes': 'on'}
TICKS = os.sysconf('SC_CLK_TCK')
CONNECTIONS = 64
# wrk does not count what it has sent and not heard of when its time is up: the last of its own, and of the run before.
UNHEARD = 2 * CONNECTIONS
CAUGHT_UP_S = 300


def complaint(external_id):
    """A complaint of ordinary size, about 1.2 KB; everybody in it is made up."""
    return {
        'source': 'jinan-12345', 'external_id': external_id, 'channel': 'phone', 'type': 'complaint', 'category': '城管执法',
        'title': '夜间占道经营', 'text': '路口每晚有摊贩占道经营，油烟和噪声影响附近居民休息。' * 13, 'division': '370102',
        'caller': {'name': '测试市民', 'phone': '19900001234', 'confidential': False, 'wants_reply': True},
    }


def cpu_seconds(pids):
    """Processor seconds, user and system, of these processes and the children they have buried."""
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
            total += sum(int(fields[i]) for i in (11, 12, 13, 14))
    return total / TICKS


def machine_ticks():
    """{what the processors did: ticks so far}, all of them together."""
    names = ('user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal')
    first = Path('/proc/stat').read_text().splitlines()[0].split()[1:]
    return dict(zip(names, map(int, first[:len(names)]), strict=True))


class Database:
    """A look into one database, and statements on it."""

    def __init__(self, uri):
        self.uri = uri
        self._connection = psycopg2.connect(uri)
        self._connection.autocommit = True

    def row(self, statement, *values):
        """The first row of an answer."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchone()

    def rows(self, statement, *values):
        """All rows of an answer."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall()

    def run(self, statement):
        """A statement without an answer."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def close(self):
        """Lets the database be dropped."""
        self._connection.close()


class Rig:
    """A cluster of one replica a service: two processors carry no more."""

    def __init__(self, say):
        self.say = say
        self._stack = contextlib.ExitStack()
        self.home = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix='lujian-bench-', dir='/var/tmp')))
        self.home.chmod(0o711)
        self.cluster = self._stack.enter_context(Cluster(self.home / 'run', 1))
        self._stack.callback(self._purge)
        self.body, self.filings = self.home / 'complaint.json', self.home / 'filing'
        self.body.write_text(json.dumps(complaint('RUN-NUMBER'), ensure_ascii=False))
        token = self.cluster.credentials['hotline_3701']['token']
        self.filings.write_text(f'{token}\t{self.body.read_text()}\n')
        self.complaints = Database(self.cluster.database('complaints'))
        self.supervision = Database(self.cluster.database('supervision'))
        self.durable = self._check_durable()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the cluster and takes its data away."""
        self._stack.close()

    def _purge(self):
        self.cluster.stop()
        self.cluster.purge()

    def _check_durable(self):
        found = {name: self.complaints.row(f'SHOW {name}')[0] for name in DURABLE}
        if found != DURABLE:
            raise RuntimeError(f'PostgreSQL is not durable: {found}')
        return found

    # ------------------------------------------------------------------ processors

    def cpu(self):
        """{part: processor seconds so far}."""
        parts = {service: cpu_seconds([replica.pid for replica in self.cluster.of(service)])
                 for service in ('gateway', 'complaints', 'supervision', 'registry')}
        return parts | {'postgres': cpu_seconds(self.cluster.postgres.pids())}

    @contextlib.contextmanager
    def accounted(self, sample, count, **others):
        """Adds to a sample what the parts used meanwhile, in seconds for a thousand of what `count()` says were done, and what
        share of the processors' time was idle, waited for the disk, or went to other guests of the host. `others`: {part:
        pids} that are not the cluster's."""
        def spent():
            parts = self.cpu() | {part: cpu_seconds(pids) for part, pids in others.items()}
            own = os.times()
            return parts | {'generator': own.children_user + own.children_system}

        ticks, before = machine_ticks(), spent()
        yield
        after, ticks_after = spent(), machine_ticks()
        thousand = max(count(), 1) / 1000
        sample['cpu_s_per_1000'] = {part: round((after[part] - before[part]) / thousand, 4) for part in after}
        passed = {name: ticks_after[name] - ticks[name] for name in ticks}
        sample['machine'] = {name: round(passed[name] / max(sum(passed.values()), 1), 4) for name in ('idle', 'iowait', 'steal')}

    # ------------------------------------------------------------------ load

    def wrk(self, script, url, seconds, **environment):
        """One run of wrk; what its script counted."""
        output = subprocess.run(
            ['wrk', '-t1', f'-c{CONNECTIONS}', f'-d{seconds}s', '--timeout', '30s', '-s', str(HERE / script), url],
            env=os.environ | {'RUN': uuid.uuid4().hex[:12], 'BODY': str(self.body), 'FILINGS': str(self.filings)}
            | {name: str(value) for name, value in environment.items()},
            stdout=subprocess.PIPE, text=True, check=True).stdout
        found = json.loads(output.strip().splitlines()[-1])
        if found['refused'] or found['broken']:
            raise RuntimeError(f'{script}: {found["refused"]} refused, {found["broken"]} broken\n{output}')
        return found | {'rate': found['requests'] / found['seconds']}

    def file_http(self, seconds, **options):
        """Complaints over HTTP, and that the rows are there."""
        before = self.count()
        found = {}
        with self.accounted(found, lambda: found['requests']):
            found |= self.wrk('file.lua', self.cluster.gateway, seconds, **options)
        stored = self.count() - before
        if not found['requests'] <= stored <= found['requests'] + UNHEARD:
            raise RuntimeError(f'{found["requests"]} answered, {stored} stored')
        return found

    def file_bus(self, seconds):
        """The same over ZeroMQ, by the SDK."""
        sample, keys = complaint(''), self.cluster.credentials['hotline_3701']
        before, found = self.count(), {}
        with self.accounted(found, lambda: found['requests']):
            output = subprocess.run(
                [str(build_dir() / 'tests/bench/bench_file'), str(seconds), str(CONNECTIONS), uuid.uuid4().hex[:12]],
                env=os.environ | {
                    'DOORS': ' '.join(f'{one.rpc} {one.public_key}' for one in self.cluster.of('complaints')),
                    'CURVE_PUBLIC': keys['curve_public'], 'CURVE_SECRET': keys['curve_secret'],
                    'SOURCE': sample['source'], 'DIVISION': sample['division'], 'TITLE': sample['title'],
                    'TEXT': sample['text']},
                stdout=subprocess.PIPE, text=True, check=True).stdout
            found |= json.loads(output)
        if (stored := self.count() - before) != found['requests']:
            raise RuntimeError(f'{found["requests"]} answered, {stored} stored')
        return found | {'rate': found['requests'] / found['seconds']}

    def pgbench(self, database_uri, statement, seconds, clients, threads=1):
        """Transactions of one statement a second."""
        script = self.home / 'statement.sql'
        script.write_text(statement)
        output = subprocess.run(
            [str(BIN / 'pgbench'), '-n', '-M', 'prepared', f'-c{clients}', f'-j{threads}', f'-T{seconds}', '-f',
             str(script), database_uri], capture_output=True, text=True, check=True).stdout
        done = next(line for line in output.splitlines() if line.startswith('number of transactions actually processed'))
        rate = next(line for line in output.splitlines() if line.startswith('tps'))
        return {'transactions': int(done.split(':')[1].split('/')[0]), 'rate': float(rate.split()[2])}

    # ------------------------------------------------------------------ what is there

    def count(self):
        """Complaints really there."""
        return self.complaints.row('SELECT count(*) FROM complaint')[0]

    def head(self):
        """The newest position of the complaints' log."""
        return self.complaints.row('SELECT coalesce(max(position), 0) FROM event')[0]

    def lag(self):
        """Events that supervision has still to look at."""
        cursor = self.supervision.row("SELECT position FROM consumer_cursor WHERE stream = 'complaints'")
        return self.head() - (cursor[0] if cursor else 0)

    def catch_up(self):
        """Waits until supervision has seen everything; the seconds that it took."""
        began = time.monotonic()
        while self.lag() > 0:
            if time.monotonic() > began + CAUGHT_UP_S:
                raise RuntimeError(f'supervision is {self.lag()} events behind')
            time.sleep(0.05)
        return time.monotonic() - began

    def stop_consumers(self):
        """No supervision: intake alone."""
        for replica in self.cluster.of('supervision'):
            replica.stop()

    def start_consumers(self):
        """Supervision again; returns when it has caught up."""
        for replica in self.cluster.of('supervision'):
            replica.start()
            replica.wait_ready()
        self.catch_up()

    def settle(self):
        """A checkpoint, so that no measurement pays for the one before."""
        self.complaints.run('CHECKPOINT')
