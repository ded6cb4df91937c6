"""A private Redis for caches: one address, nothing written to disk, bounded memory, the oldest entries make room."""
import os
import signal
import socket
import time

from .errors import ClusterError, failure
from .paths import write_whole
from .processes import Spec

BIN = '/usr/bin/redis-server'
START_S = 20.0
POLL_S = 0.02
MEMORY_MIB = 64


class Redis:
    """The server of one run directory."""

    def __init__(self, run_dir, supervisor, host, port):
        self.run_dir = run_dir
        self.host = host
        self.port = port
        self.log = run_dir / 'log' / 'redis.log'
        self._supervisor = supervisor

    @property
    def url(self):
        """As clients name it."""
        return f'redis://{self.host}:{self.port}'

    def start(self):
        """Run the server, return when it answers."""
        if not os.access(BIN, os.X_OK):
            raise ClusterError('Redis is not installed: run scripts/setup')
        folder = self.run_dir / 'redis'
        folder.mkdir(mode=0o700, exist_ok=True)
        write_whole(folder / 'redis.conf', CONFIGURATION.format(
            host=self.host, port=self.port, folder=folder, memory_mib=MEMORY_MIB,
            protected='yes' if self.host.startswith('127.') else 'no'))
        self._supervisor.start(Spec('redis', (BIN, str(folder / 'redis.conf')), self.log))
        self.wait_ready()

    def wait_ready(self, timeout_s=START_S):
        """Return when the server answers a PING."""
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            if time.monotonic() > deadline:
                raise failure('Redis does not answer', self.log)
            time.sleep(POLL_S)

    def _answers(self):
        try:
            return self._ask(b'PING') == b'+PONG'
        except OSError:
            return False

    def _ask(self, command):
        with socket.create_connection((self.host, self.port), timeout=1) as connection:
            connection.sendall(command + b'\r\n')
            return connection.recv(64).rstrip()

    def flush(self):
        """Forget everything."""
        answer = self._ask(b'FLUSHALL')
        if answer != b'+OK':
            raise ClusterError(f'Redis answers FLUSHALL with {answer!r}')

    def kill(self):
        """SIGKILL; the supervisor starts it again."""
        self._supervisor.signal('redis', signal.SIGKILL)

    def sigstop(self):
        """Freeze it: connections stay open and nothing answers."""
        self._supervisor.signal('redis', signal.SIGSTOP)

    def sigcont(self):
        """Let it go on."""
        self._supervisor.signal('redis', signal.SIGCONT)


CONFIGURATION = """\
# Written at each start by scripts/cluster/redis.py.
bind {host}
port {port}
protected-mode {protected}
daemonize no
dir "{folder}"
save ""
appendonly no
maxmemory {memory_mib}mb
maxmemory-policy allkeys-lru
"""
