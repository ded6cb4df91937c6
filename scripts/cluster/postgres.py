"""A private PostgreSQL 15: its own data directory, TCP on one address, scram passwords, everything durable.

Invariants:
 - PostgreSQL refuses root, so under root the data belong to the user postgres, in a directory that he can reach. Where
   the checkout is not such a place they live under /var/tmp, and RUN/pg is a link that says where.
 - Nothing that makes a commit less durable is ever set here: what the tests prove, they prove with fsync.
 - The server's log shows no data of a row: details of errors are left out.
"""
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg2
from psycopg2 import sql

from . import identity, keys
from .errors import ClusterError, failure
from .paths import write_whole
from .processes import Spec

BIN = Path('/usr/lib/postgresql/15/bin')
VERSION = '15'
FALLBACK = Path('/var/tmp')
START_S = 60.0
POLL_S = 0.05
SHARED_BUFFERS_MIB = 256


class Postgres:
    """A server of one run directory; the one that every cluster has is named `postgres`."""

    def __init__(self, run_dir, supervisor, host, port, connections_max, name='postgres'):
        self.name = name
        self.run_dir = run_dir
        self.host = host
        self.port = port
        self.user = 'postgres' if os.geteuid() == 0 else ''
        self.log = run_dir / 'log' / f'{name}.log'
        self._supervisor = supervisor
        self._connections_max = connections_max
        self._password = keys.password(run_dir / 'secrets' / 'postgres')

    @property
    def data(self):
        """The data directory, or the link to it."""
        return self.run_dir / self.name.replace('postgres', 'pg')

    @property
    def address(self):
        """host:port."""
        return f'{self.host}:{self.port}'

    def uri(self, user='postgres', password=None, database='postgres', hosts=None, **options):
        """A libpq URI; of the superuser where no user is given, of this server where no hosts are."""
        options = {'gssencmode': 'disable', 'sslmode': 'disable', **options}
        query = '&'.join(f'{key}={value}' for key, value in options.items() if value)
        secret = password or self._password
        return f'postgresql://{user}:{secret}@{hosts or self.address}/{database}?{query}'

    # ------------------------------------------------------------------ life

    def start(self, source=None):
        """Make the data directory if there is none, run the server, return when it answers. With a source, a server that
        is running, the data are a copy of its data and this one is its standby."""
        if not (BIN / 'postgres').exists():
            raise ClusterError('PostgreSQL 15 is not installed: run scripts/setup')
        self._place()
        if source:
            self._copy(source)
        elif not self._is_initialised():
            self._initdb()
        self._configure()
        argv = (str(BIN / 'postgres'), '-D', str(self.place()))
        # SIGINT is PostgreSQL's fast shutdown: open transactions roll back, everything is written.
        self._supervisor.start(Spec(self.name, argv, self.log, user=self.user, stop_signal=signal.SIGINT,
                                    orphan_signal=signal.SIGINT, grace_s=60.0))
        self.wait_ready()

    def wait_ready(self, timeout_s=START_S):
        """Return when the server takes connections. Its start is told by nothing but an answer."""
        child = self._supervisor.child(self.name)
        deadline = time.monotonic() + timeout_s
        deaths = child.deaths
        while True:
            try:
                psycopg2.connect(self.uri(), connect_timeout=2).close()
                return
            except psycopg2.OperationalError as error:
                if time.monotonic() > deadline or child.deaths >= deaths + 5:
                    raise failure(f'PostgreSQL does not answer: {error}', self.log) from error
            time.sleep(POLL_S)

    def pids(self):
        """The postmaster and all its processes, which are in groups of their own."""
        postmaster = self._supervisor.child(self.name).pid
        return [postmaster, *identity.descendants(postmaster)]

    def signal_all(self, number):
        """Signal the postmaster and then every process of the server, as a frozen machine would be frozen."""
        for pid in self.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def sigstop(self):
        """Freeze the whole server: connections stay open and nothing answers."""
        # The postmaster first: stopped, it starts no more processes.
        self._supervisor.signal(self.name, signal.SIGSTOP)
        identity.wait_stopped(self.pids()[:1])
        self.signal_all(signal.SIGSTOP)
        identity.wait_stopped(self.pids())

    def sigcont(self):
        """Let a frozen server go on."""
        self.signal_all(signal.SIGCONT)

    def kill(self):
        """SIGKILL for all its processes, and it stays down."""
        rest = self.pids()[1:]
        self._supervisor.stop(self.name, number=signal.SIGKILL)
        for pid in rest:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def crash(self, timeout_s=START_S):
        """Kill the postmaster and all its processes with SIGKILL; returns when it has recovered and answers."""
        self._again(lambda: self.signal_all(signal.SIGKILL), timeout_s)

    def restart(self, timeout_s=START_S):
        """A fast shutdown, which breaks every connection, and a start; returns when it answers."""
        self._again(lambda: self._supervisor.signal(self.name, signal.SIGINT), timeout_s)

    def _again(self, end, timeout_s):
        child = self._supervisor.child(self.name)
        life = child.starts
        end()
        self._supervisor.wait(lambda: child.starts > life, timeout_s, 'the restart of PostgreSQL')
        self.wait_ready(timeout_s)

    # ------------------------------------------------------------------ data directory

    def _place(self):
        """Make the data directory where its user can reach it."""
        if self.data.exists():
            return
        if self.data.is_symlink():
            raise ClusterError(f'{self.data} points to {os.readlink(self.data)}, which is gone: '
                               'scripts/down --purge starts afresh')
        if self.user and not _can_search(self.user, self.run_dir):
            place = fallback_place(self.data if self.name != 'postgres' else self.run_dir)
            _reclaim(place, self.user)
            place.mkdir(mode=0o700)
            self.data.symlink_to(place)
        else:
            self.data.mkdir(mode=0o700)
        if self.user:
            shutil.chown(self.data, self.user, self.user)

    def place(self):
        """Where the data really are."""
        return self.data.resolve()

    def _is_initialised(self):
        version = self.data / 'PG_VERSION'
        if not version.exists():
            return False
        found = version.read_text().strip()
        if found != VERSION:
            raise ClusterError(f'{self.data} is of PostgreSQL {found}, this runs {VERSION}')
        return True

    def _as_user(self, *argv, **env):
        prefix = ('setpriv', f'--reuid={self.user}', f'--regid={self.user}', '--init-groups', '--') if self.user else ()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open('ab') as log:
            done = subprocess.run([*prefix, *argv], cwd='/', stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  env=os.environ | env, timeout=300, check=False)
        if done.returncode != 0:
            raise failure(f'{argv[0]} failed', self.log)

    def _initdb(self):
        secret = self.place().parent / f'.{self.place().name}.{os.getpid()}.pw'
        try:
            write_whole(secret, self._password + '\n')
            if self.user:
                shutil.chown(secret, self.user, self.user)
            self._as_user(str(BIN / 'initdb'), '-D', str(self.place()), '-U', 'postgres', '--data-checksums',
                          '--auth=scram-sha-256', f'--pwfile={secret}', '--encoding=UTF8', '--locale=C.UTF-8',
                          '--no-instructions')
        finally:
            secret.unlink(missing_ok=True)

    def _copy(self, source):
        """Take the data of a running server in place of what is here."""
        for old in self.place().iterdir():
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old)
            else:
                old.unlink()
        self._as_user(str(BIN / 'pg_basebackup'), '-D', str(self.place()), '-R', '-c', 'fast', '-X', 'stream',
                      '-d', f'host={source.host} port={source.port} user=postgres sslmode=disable gssencmode=disable',
                      PGPASSWORD=source._password)

    def _configure(self):
        self._write('postgresql.conf', CONFIGURATION.format(
            host=self.host, port=self.port, connections_max=self._connections_max,
            shared_buffers_mib=SHARED_BUFFERS_MIB,
            # A standby calls itself by this name; for a server alone it is what ps shows.
            cluster_name='lujian' if self.name == 'postgres' else self.name))
        network = '127.0.0.1/32' if self.host.startswith('127.') else 'samenet'
        self._write('pg_hba.conf', f'host all all {network} scram-sha-256\n'
                                   f'host replication postgres {network} scram-sha-256\n')

    def _write(self, name, text):
        write_whole(self.data / name, text)
        if self.user:
            shutil.chown(self.data / name, self.user, self.user)

    # ------------------------------------------------------------------ databases

    def create(self, service, hosts=None):
        """The database and role of a service, made where there are none; returns the service's URI."""
        name = f'lujian_{service}'
        secret = keys.password(self.run_dir / 'secrets' / name)
        connection = psycopg2.connect(self.uri())
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                _create_role(cursor, name, secret)
                _create_database(cursor, name)
        finally:
            connection.close()
        # Services disable gssencmode by themselves, and a line of their configuration is short.
        return self.uri(name, secret, name, hosts, gssencmode='', target_session_attrs='primary')


def _create_role(cursor, name, secret):
    cursor.execute('SELECT 1 FROM pg_roles WHERE rolname = %s', (name,))
    verb = sql.SQL('ALTER' if cursor.fetchone() else 'CREATE')
    cursor.execute(sql.SQL('{} ROLE {} LOGIN PASSWORD {}').format(verb, sql.Identifier(name), sql.Literal(secret)))


def _create_database(cursor, name):
    cursor.execute('SELECT 1 FROM pg_database WHERE datname = %s', (name,))
    if not cursor.fetchone():
        cursor.execute(sql.SQL('CREATE DATABASE {} OWNER {}').format(sql.Identifier(name), sql.Identifier(name)))
    # The superuser comes in all the same; no other service does.
    cursor.execute(sql.SQL('REVOKE ALL ON DATABASE {} FROM PUBLIC').format(sql.Identifier(name)))


def fallback_place(path):
    """The directory under /var/tmp that stands in for RUN/pg (path is RUN), or for another server's data."""
    return FALLBACK / f'lujian-pg-{hashlib.sha256(str(path).encode()).hexdigest()[:12]}'


def _reclaim(place, user):
    """Remove what a run directory that is gone left there: its passwords are gone too, nobody can use it."""
    if not place.is_symlink() and not place.exists():
        return
    if place.is_symlink() or place.stat().st_uid != pwd.getpwnam(user).pw_uid:
        raise ClusterError(f'{place} is not a directory of {user}: remove it')
    lock = place / 'postmaster.pid'
    if lock.exists():
        pid = lock.read_text().split('\n', 1)[0]
        if os.path.realpath(f'/proc/{pid}/cwd') == str(place):
            raise ClusterError(f'{place} is in use by process {pid}, whose run directory is gone: end it first')
    shutil.rmtree(place)


def _can_search(user, folder):
    """Whether user can enter folder and make his way through it, as the kernel decides."""
    try:
        pwd.getpwnam(user)
    except KeyError:
        raise ClusterError(f'there is no user {user}: run scripts/setup') from None
    argv = ['setpriv', f'--reuid={user}', f'--regid={user}', '--init-groups', '--', 'test', '-x', str(folder)]
    return subprocess.run(argv, cwd='/', check=False, stderr=subprocess.DEVNULL).returncode == 0


CONFIGURATION = """\
# Written at each start by scripts/cluster/postgres.py; what is not here has PostgreSQL's default.
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
max_connections = {connections_max}
superuser_reserved_connections = 5
password_encryption = 'scram-sha-256'
shared_buffers = {shared_buffers_mib}MB
max_wal_size = 2GB
checkpoint_timeout = 15min
# A recovery first syncs thousands of files; one by one that takes longer than the recovery.
recovery_init_sync_method = syncfs
jit = off
cluster_name = '{cluster_name}'
# Details of an error quote the row that caused it, and rows hold what people wrote.
log_error_verbosity = terse
log_line_prefix = '%m [%p] %q%u@%d '
log_timezone = 'UTC'
timezone = 'UTC'
lc_messages = 'C'
default_text_search_config = 'pg_catalog.simple'
"""
