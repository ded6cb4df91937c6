"""Two PostgreSQL servers, one streaming to the other, for the services whose database is to outlive a server.

Services reach both by one DSN (`target_session_attrs=primary`), so whichever is the primary is theirs. Who is promoted
and when is decided by the caller, as Patroni would decide it. A pair is made anew, never started again.
"""
import time

import psycopg2

from .errors import ClusterError
from .postgres import Postgres

WAIT_S = 60.0
POLL_S = 0.05


class Pair:
    """`primary` and `standby`, which change their parts at a failover."""

    def __init__(self, run_dir, supervisor, host, ports, connections_max):
        self.primary, self.standby = (
            Postgres(run_dir, supervisor, host, port, connections_max, name)
            for port, name in zip(ports, ('postgres-a', 'postgres-b')))
        self._hosts = f'{self.primary.address},{self.standby.address}'
        self._synchronous = False

    def start(self, synchronous=True):
        """Both of them; returns when the standby follows."""
        if self.primary.data.exists():
            raise ClusterError(f'{self.primary.data} is of an earlier pair: take another run directory')
        self.primary.start()
        self.rejoin()
        self.set_synchronous(synchronous)

    def create(self, service):
        """The database and role of a service; its URI names both servers."""
        return self.primary.create(service, self._hosts)

    def set_synchronous(self, synchronous):
        """Whether the primary, whichever it is, acknowledges nothing that its standby has not flushed: strictly, so with
        no standby it acknowledges nothing. Returns when it does so."""
        self._synchronous = synchronous
        names = f'"{self.primary.name}", "{self.standby.name}"' if synchronous else ''
        for server in (self.primary, self.standby):
            self.ask(server, f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
            self.ask(server, 'SELECT pg_reload_conf()')
        self._wait_following()

    def ask(self, server, statement):
        """What a server answers its superuser; None where that is no row."""
        connection = psycopg2.connect(server.uri(), connect_timeout=5)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                row = cursor.fetchone() if cursor.description else None
                return row and row[0]
        finally:
            connection.close()

    def cut(self):
        """The standby hears no more of the primary; what is committed from here on it will not have."""
        self.ask(self.standby, "ALTER SYSTEM SET primary_conninfo = ''")
        self.ask(self.standby, 'SELECT pg_reload_conf()')
        self._wait('SELECT count(*) = 0 FROM pg_stat_wal_receiver', self.standby, 'the standby to hear no more')
        self._wait('SELECT count(*) = 0 FROM pg_stat_replication', self.primary, 'the primary to send no more')

    def fail_over(self):
        """The primary is killed and stays down, the standby becomes the primary; returns when it is."""
        self.primary.kill()
        self.promote()

    def promote(self):
        """The standby becomes the primary, and the other one's place is that of the standby, once it rejoins."""
        if not self.ask(self.standby, f'SELECT pg_promote(true, {WAIT_S:.0f})'):
            raise ClusterError(f'{self.standby.name} was not promoted in {WAIT_S:.0f} s')
        self.primary, self.standby = self.standby, self.primary

    def rejoin(self):
        """The server that is down comes back as the standby, with a copy of the primary's data; returns when it follows."""
        self.standby.start(self.primary)
        self._wait_following()

    def _wait_following(self):
        state = "sync_state IN ('sync', 'quorum')" if self._synchronous else "sync_state = 'async'"
        self._wait(f"SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming' AND {state}"
                   f" AND application_name = '{self.standby.name}'", self.primary, 'the standby to follow')

    def _wait(self, condition, server, what):
        deadline = time.monotonic() + WAIT_S
        while not self.ask(server, condition):
            if time.monotonic() > deadline:
                raise ClusterError(f'waited {WAIT_S:.0f} s for {what}')
            time.sleep(POLL_S)
