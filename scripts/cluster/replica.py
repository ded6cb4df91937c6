"""One replica as a test holds it: its pid and endpoints, and the ways to hurt it."""
import signal

from . import identity, instances, readiness
from .errors import log_tail

RESTART_S = 30.0


class Replica:
    """A running (or stopped) replica of a service."""

    def __init__(self, cluster, instance):
        self._cluster = cluster
        self._supervisor = cluster.supervisor
        self.instance = instance
        self.name = instance.name
        self.service = instance.service
        self.index = instance.index
        self.rpc = instance.rpc
        self.pulse = instance.pulse
        self.admin = instance.admin
        self.public_key = instance.public_key
        self.log = cluster.run_dir / 'log' / f'{instance.name}.log'

    @property
    def child(self):
        """The supervised process: its state, deaths and exits."""
        return self._supervisor.child(self.name)

    @property
    def pid(self):
        """The pid of its latest life."""
        return self.child.pid

    def log_tail(self, lines=25):
        """The end of its log."""
        return log_tail(self.log, lines)

    def readiness(self):
        """(ready, reason)."""
        return readiness.ask(self.instance.host, self.instance.admin_port)

    def wait_ready(self, timeout_s=RESTART_S):
        """Return when it is ready."""
        readiness.wait([self], timeout_s)

    def signal(self, number):
        """Send any signal; whether a process was there."""
        return self._supervisor.signal(self.name, number)

    def kill(self):
        """SIGKILL. The supervisor starts it again, see wait_restarted()."""
        return self.signal(signal.SIGKILL)

    def terminate(self):
        """SIGTERM: it drains, ends, and is started again."""
        return self.signal(signal.SIGTERM)

    def sigstop(self):
        """Freeze it; returns when it stands still."""
        sent = self.signal(signal.SIGSTOP)
        if sent:
            identity.wait_stopped([self.pid])
        return sent

    def sigcont(self):
        """Let it go on."""
        return self.signal(signal.SIGCONT)

    def wait_ended(self, starts, timeout_s=RESTART_S):
        """Return when the life that began with this many starts has ended; its Exit."""
        self._supervisor.wait(lambda: self.child.starts > starts or self.child.state != 'running', timeout_s,
                              f'{self.name} to end')
        return self.child.exits[-1]

    def wait_restarted(self, starts, timeout_s=RESTART_S):
        """Return when it has been started more often than `starts` and is ready."""
        self._supervisor.wait(lambda: self.child.starts > starts, timeout_s, f'{self.name} to be started again')
        self.wait_ready(timeout_s)

    def stop(self):
        """SIGTERM, and stay down until start()."""
        self._supervisor.stop(self.name)

    def start(self, extra=None, env=None):
        """Start it after stop(), with other configuration keys or environment where given."""
        if extra is not None:
            self.instance.extra = dict(extra)
        if env is not None:
            self.instance.env = dict(env)
        self._cluster.launch(self.instance)

    def restart(self, extra=None, env=None, timeout_s=RESTART_S):
        """Drain, start again, return when ready."""
        self.stop()
        self.start(extra, env)
        self.wait_ready(timeout_s)

    def as_json(self):
        """Its entry in cluster.json."""
        if self.service == 'gateway':
            return {'admin': self.admin, 'pid': self.pid}
        return {'rpc': self.rpc, 'pulse': self.pulse, 'admin': self.admin, 'pid': self.pid,
                'curve_server_key': self.public_key}

    def config(self):
        """The path of its configuration file."""
        return instances.config_path(self._cluster.run_dir, self.instance)
