"""Where the play happens: a cluster of its own that ends with it (--once), or the one of .run/ that stays.

Both have two replicas of complaints and of supervision, and the demo's cast among the principals.
"""
import fcntl
import json
import threading
import urllib.parse

from cluster import Cluster, ClusterError, leftovers, principals
from cluster.control import bring_up
from cluster.paths import RUN_DIR, build_dir
from cluster.seeding import Seeding

from cast import cast
from doors import Doors

REPLICAS = {'complaints': 2, 'supervision': 2}
ONCE_DIR = RUN_DIR / 'once'
LINES_SHOWN, LINE_CHARS_MAX = 3, 300


class Stage:
    """A running cluster as the play needs it."""

    def __init__(self, run_dir, build):
        self.run_dir, self.build = run_dir, build
        self._owned = {}
        self._lives = {}
        self._lock = threading.Lock()

    def told(self):
        """What cluster.json says now."""
        return json.loads((self.run_dir / 'cluster.json').read_text())

    @property
    def gateway(self):
        """The URL of the API."""
        return self.told()['gateway']

    def credentials(self, principal):
        """Token and CURVE keys of anybody in the cast."""
        with self._lock:
            if principal not in self._owned:
                self._owned[principal] = principals.credentials(self.run_dir, principal)
            return self._owned[principal]

    def token(self, principal):
        """The bearer token of anybody in the cast."""
        return self.credentials(principal)['token']

    def doors(self):
        """The services' own doors, for those who come by ZeroMQ."""
        return Doors(self.build, self.told)

    @property
    def logs(self):
        """Every log file of the run."""
        return sorted(path for path in (self.run_dir / 'log').iterdir() if path.is_file())

    def databases(self):
        """Superuser's URIs of the services' databases."""
        uri = urllib.parse.urlsplit(self.told()['postgres'])
        return {service: uri._replace(path=f'/lujian_{service}').geturl() for service in self.told()['services']}

    def numbers(self):
        """registry 1, complaints 2, ..."""
        return '，'.join(f'{service} {len(replicas)}' for service, replicas in self.told()['services'].items())

    def _pids(self):
        return {f'{service}-{number}': replica['pid'] for service, replicas in self.told()['services'].items()
                for number, replica in enumerate(replicas, 1)}

    def remember_lives(self):
        """From here on no replica should end."""
        self._lives = self._pids()

    def deaths(self):
        """Replicas that ended unasked since, each with what its log complains of."""
        now = self._pids()
        return {name: _complaints(self.run_dir / 'log' / f'{name}.log') for name, pid in self._lives.items()
                if now.get(name) != pid}


def _complaints(log):
    """The last lines of a log that are more than news."""
    lines = [line for line in log.read_text(encoding='utf-8', errors='replace').splitlines()
             if '"level":"info"' not in line and 'DEVELOPMENT-MODE' not in line]
    return '\n'.join(f'      {line[:LINE_CHARS_MAX]}' for line in lines[-LINES_SHOWN:]) or '      （日志没有说明）'


class OnceStage(Stage):
    """A cluster of its own in .run/once, which ends with the play; its data are kept only when something failed."""

    def __init__(self, say, run_dir=None):
        super().__init__(run_dir or ONCE_DIR, build_dir())
        self._say = say
        self._cluster = None
        self.keep = True

    def __enter__(self):
        if self.run_dir.exists():
            self._clear()
        self._cluster = Cluster(self.run_dir, REPLICAS, build=self.build, cast=cast(), say=self._say)
        self._cluster.start()
        return self

    def _clear(self):
        """What an earlier run that failed had left to be looked at; refused while another one is being played."""
        with (self.run_dir / 'lock').open('w') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ClusterError(f'another demo --once is being played in {self.run_dir}') from None
            leftovers.sweep(self.run_dir)
            leftovers.purge(self.run_dir)

    def __exit__(self, kind, *_):
        self._cluster.stop()
        if not self.keep or kind is KeyboardInterrupt:
            self._cluster.purge()


class StandingStage(Stage):
    """The cluster of .run/: started where it is not up, and left running."""

    def __init__(self, say, run_dir=None):
        super().__init__(run_dir or RUN_DIR, build_dir())
        self._say = say

    def __enter__(self):
        bring_up(self.run_dir, REPLICAS, build=self.build, cast='demo', say=self._say)
        told = self.told()['services']
        few = [service for service, number in REPLICAS.items() if len(told[service]) < number]
        if few:
            raise ClusterError(f'the cluster in {self.run_dir} is up with one replica of {", ".join(few)}: '
                               'scripts/down first, or scripts/demo --once, which plays on a cluster of its own')
        if Seeding(self.run_dir, self.build).load_principals(cast()):
            self._say('loaded the centres of the demo')
        return self

    def __exit__(self, *_):
        pass

