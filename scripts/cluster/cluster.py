"""The cluster itself: one PostgreSQL, one Redis, replicas of every service, and cluster.json that tells of them.

Invariants:
 - One cluster to a run directory: its lock is held for as long as the cluster lives.
 - Ports and keys of a replica stay the same over its restarts; cluster.json changes only in pids, whole each time.
"""
import fcntl
import json
import os
import subprocess
import threading
from pathlib import Path

from . import identity, instances, keys, leftovers, ports, principals, readiness
from .errors import ClusterError, failure
from .instances import Placement
from .paths import RUN_DIR, build_dir, write_whole
from .pair import Pair
from .postgres import Postgres
from .processes import Backoff, Spec, Supervisor, clean_environment
from .redis import Redis
from .replica import Replica
from .seeding import Seeding

__all__ = ['Cluster', 'Placement', 'replica_counts']

READY_S = 90.0
MIGRATE_S = 120.0


def replica_counts(replicas):
    """{service: number}: a number means that many of all but the gateway, whose one URL is told to everyone."""
    if isinstance(replicas, int):
        replicas = {service: replicas for service in instances.REPLICATED}
    unknown = set(replicas) - set(instances.SERVICES)
    if unknown:
        raise ClusterError(f'no such service: {", ".join(sorted(unknown))}')
    counts = {service: replicas.get(service, 1) for service in instances.SERVICES}
    if min(counts.values()) < 1:
        raise ClusterError('every service needs a replica at least')
    return counts


def _development(instance):
    """Off loopback the services want to be told twice that this is development, also when they migrate."""
    return {} if instance.host.startswith('127.') else {'LUJIAN_DEV': '1'}


class Cluster:
    """See the package; start() and stop(), or a with statement."""

    def __init__(self, run_dir=RUN_DIR, replicas=1, *, build=None, host='127.0.0.1', placements=None, extra=None,
                 env=None, backoff=Backoff(), cast=principals.STANDING, say=lambda text: None,
                 owner_file=None, paired=()):
        """extra and env: {service or instance: {key: value}}, for configuration keys and the environment. paired: services
        whose databases are on two servers of their own, see Pair."""
        self.run_dir = Path(run_dir).absolute()
        self.counts = replica_counts(replicas)
        self.build = Path(build or build_dir()).absolute()
        self.host = host
        self._placements = placements or {}
        self._extra = extra or {}
        self._env = env or {}
        self._backoff = backoff
        self._cast = cast
        self._say = say
        self._owner_file = owner_file
        self._paired = paired
        self._writing = threading.Lock()
        self._told = False
        self._lock = None
        self._ports = None
        self._databases = {}
        self.replicas = []
        self.supervisor = self.postgres = self.redis = self.pair = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    # ------------------------------------------------------------------ start

    def start(self):
        """Start everything; returns when every replica is ready. What was started is stopped when something fails."""
        self._check_binaries()
        self._take_lock()
        try:
            self._start_servers()
            self._lay_out()
            self._start_services()
        except BaseException:
            self.stop()
            raise
        return self

    def _check_binaries(self):
        wanted = [*(f'lujian-{service}' for service in self.counts), 'lujian']
        missing = [name for name in wanted if not instances.binary(self.build, name).exists()]
        if missing:
            raise ClusterError(f'{self.build}/services has no {", ".join(missing)}: run scripts/build')

    def _take_lock(self):
        # 0711: PostgreSQL's user must come through to his directory, and sees nothing else.
        self.run_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.run_dir.chmod(0o711)
        (self.run_dir / 'log').mkdir(exist_ok=True)
        self._lock = (self.run_dir / 'lock').open('w')
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None
            raise ClusterError(f'a cluster is running in {self.run_dir} already') from None
        leftovers.sweep(self.run_dir)
        if self._owner_file:
            write_whole(self.run_dir / self._owner_file, json.dumps(identity.remember(os.getpid())))

    def _start_servers(self):
        self._ports = ports.Ports(self.host)
        self.supervisor = Supervisor(self._backoff, self._started)
        self.postgres = Postgres(self.run_dir, self.supervisor, self.host, self._ports.take(),
                                 instances.connections_max(self.counts))
        self.redis = Redis(self.run_dir, self.supervisor, self.host, self._ports.take())
        self.postgres.start()
        self.redis.start()
        self._say(f'PostgreSQL on {self.host}:{self.postgres.port}, its data in {self.postgres.place()}')
        if self._paired:
            self.pair = Pair(self.run_dir, self.supervisor, self.host, (self._ports.take(), self._ports.take()),
                             instances.connections_max(self.counts))
            self.pair.start()
        self._databases = {service: (self.pair if service in self._paired else self.postgres).create(service)
                           for service in self.counts}

    def _lay_out(self):
        laid = instances.lay_out(self.run_dir, self.counts, self._ports, self._placements)
        for instance in laid:
            for chosen in (instance.service, instance.name):
                instance.extra |= self._extra.get(chosen, {})
                instance.env |= self._env.get(chosen, {})
        instances.prepare_shared(self.run_dir, self.counts)
        keys.bootstrap(self.run_dir / 'bootstrap.ini', principals.credentials(self.run_dir, 'operator'))
        instances.write_peers(self.run_dir, laid)
        for instance in laid:
            self._write_config(instance)
        self.replicas = [Replica(self, instance) for instance in laid]

    def _start_services(self):
        for service in self.counts:
            self._migrate(service)
        self._say(f'migrated {", ".join(self.counts)}')
        registry = self.of('registry')
        self._launch_all(registry)
        seeding = Seeding(self.run_dir, self.build)
        if seeding.load_seed():
            self._say('loaded the seed')
        if seeding.load_principals(self._cast):
            self._say(f'loaded {len(self._cast)} principals')
        self._launch_all([replica for replica in self.replicas if replica not in registry])
        with self._writing:
            self._told = True
            self._write_json()

    def _launch_all(self, replicas):
        for replica in replicas:
            self.launch(replica.instance)
        readiness.wait(replicas, READY_S)

    def launch(self, instance):
        """Start one replica with the configuration that its instance has now."""
        path = self._write_config(instance)
        argv = (str(instances.binary(self.build, f'lujian-{instance.service}')), f'--config={path}')
        self.supervisor.start(Spec(instance.name, argv, self.run_dir / 'log' / f'{instance.name}.log',
                                   env=_development(instance) | instance.env, wrap=instance.wrap))

    def _write_config(self, instance):
        return instances.write_config(self.run_dir, instance, self._databases[instance.service], self.redis.url)

    def _migrate(self, service):
        first = self.replica(service, 1)
        config = first.config()
        log_path = self.run_dir / 'log' / f'{service}-migrate.log'
        with log_path.open('ab') as log:
            try:
                code = subprocess.run(
                    [str(instances.binary(self.build, f'lujian-{service}')), f'--config={config}', '--migrate'],
                    env=clean_environment(_development(first.instance)), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    timeout=MIGRATE_S, check=False).returncode
            except subprocess.TimeoutExpired:
                raise failure(f'the migration of {service} was not done after {MIGRATE_S:g} s', log_path) from None
        if code != 0:
            raise failure(f'the migration of {service} ended with {code}', log_path)

    # ------------------------------------------------------------------ while it runs

    def of(self, service):
        """The replicas of a service."""
        return [replica for replica in self.replicas if replica.service == service]

    def replica(self, service, index=1):
        """One replica; the first has index 1."""
        return self.of(service)[index - 1]

    def wait_ready(self, timeout_s=READY_S):
        """Return when every replica that is not stopped is ready."""
        readiness.wait([replica for replica in self.replicas if replica.child.state != 'stopped'], timeout_s)

    @property
    def gateway(self):
        """The URL of the API."""
        return self.of('gateway')[0].instance.http

    @property
    def peers(self):
        """The path of the peers file."""
        return instances.peers_path(self.run_dir)

    @property
    def credentials(self):
        """{principal: {token, curve_public, curve_secret}} of the standing principals."""
        owned = {one.id: principals.credentials(self.run_dir, one.id) for one in principals.STANDING}
        return {name: {key: kept[key] for key in ('token', 'curve_public', 'curve_secret')}
                for name, kept in owned.items()}

    def database(self, service):
        """A superuser's URI of a service's database, for a look inside."""
        server = self.pair.primary if service in self._paired else self.postgres
        return server.uri(database=f'lujian_{service}')

    @property
    def endpoints(self):
        """What cluster.json says."""
        return {
            'gateway': self.gateway,
            'services': {service: [replica.as_json() for replica in self.of(service)] for service in self.counts},
            'postgres': self.postgres.uri(),
            'redis': self.redis.url,
            'credentials': self.credentials,
        }

    def _write_json(self):
        write_whole(self.run_dir / 'cluster.json', json.dumps(self.endpoints, indent=2) + '\n')

    def _started(self, _child):
        """A child was started, perhaps again: tell of its pid. In the supervisor's thread."""
        remembered = {child.name: identity.remember(child.pid) for child in self.supervisor.children()
                      if child.state == 'running'}
        write_whole(self.run_dir / 'children.json', json.dumps(remembered, indent=1))
        with self._writing:
            if self._told:
                self._write_json()

    # ------------------------------------------------------------------ stop

    def stop(self):
        """Stop everything, the edge first and the database last. Data are kept."""
        if self.supervisor:
            with self._writing:
                self._told = False
                (self.run_dir / 'cluster.json').unlink(missing_ok=True)
            known = [child.name for child in self.supervisor.children()]
            for service in reversed(instances.SERVICES):
                self.supervisor.stop(*(name for name in known if name.rpartition('-')[0] == service))
            self.supervisor.close()
            (self.run_dir / 'children.json').unlink(missing_ok=True)
        if self._ports:
            self._ports.close()
        if self._lock:
            if self._owner_file:
                (self.run_dir / self._owner_file).unlink(missing_ok=True)
            self._lock.close()
        self.supervisor = self._ports = self._lock = None

    def purge(self):
        """After stop(): remove the run directory and the data with it."""
        leftovers.purge(self.run_dir)
