"""What each replica is given: its ports, its key, its configuration file, its line in the peers file."""
from dataclasses import dataclass, field
from pathlib import Path

from . import ini, keys
from .paths import write_whole

# Start order; stopped in the opposite order, so that the edge closes first.
SERVICES = ('registry', 'complaints', 'supervision', 'gateway')
REPLICATED = ('registry', 'complaints', 'supervision')

# Connections of one replica at most: workers, committers, tail, consumers, scanner. Beside them: the one-off
# migrations, superusers' reserve, and whoever looks at the databases during a test.
CONNECTIONS_PER_REPLICA = 24
CONNECTIONS_BESIDE = 40
OFFSET_BYTES = 8


@dataclass(frozen=True)
class Placement:
    """Where a replica runs when not beside the others: its address and the command that takes it there."""
    host: str
    wrap: tuple = ()


@dataclass
class Instance:
    """One replica and the endpoints it will have for the life of the cluster."""
    service: str
    index: int
    host: str
    door_port: int
    pulse_port: int
    admin_port: int
    http_port: int = 0
    public_key: str = ''
    wrap: tuple = ()
    extra: dict = field(default_factory=dict)
    env: dict = field(default_factory=dict)

    @property
    def name(self):
        """As its logs and metrics call it."""
        return f'{self.service}-{self.index}'

    @property
    def rpc(self):
        """The endpoint of its door."""
        return f'tcp://{self.host}:{self.door_port}'

    @property
    def pulse(self):
        """The endpoint of its pulse."""
        return f'tcp://{self.host}:{self.pulse_port}'

    @property
    def admin(self):
        """The URL of its admin pages."""
        return f'http://{self.host}:{self.admin_port}'

    @property
    def http(self):
        """The URL of the API, where it serves one."""
        return f'http://{self.host}:{self.http_port}' if self.http_port else ''


def connections_max(replicas):
    """max_connections for these numbers of replicas."""
    return CONNECTIONS_BESIDE + CONNECTIONS_PER_REPLICA * sum(replicas.values())


def lay_out(run_dir, replicas, ports, placements):
    """Instances for {service: number}, with ports taken and keys made."""
    laid = []
    for service in SERVICES:
        for index in range(1, replicas.get(service, 0) + 1):
            name = f'{service}-{index}'
            placed = placements.get(name, Placement(ports.host))
            edge = service == 'gateway'
            laid.append(Instance(
                service, index, placed.host, ports.take(placed.host), ports.take(placed.host),
                ports.take(placed.host), ports.take(placed.host) if edge else 0,
                keys.service_key(run_dir / 'keys' / f'{name}.curve'), tuple(placed.wrap)))
    return laid


def peers_path(run_dir):
    """The peers file."""
    return run_dir / 'peers.ini'


def write_peers(run_dir, instances):
    """Write who is there: endpoints and public keys. The gateway has no door, it is listed for its key."""
    table = {}
    for instance in instances:
        section = {'service': instance.service}
        if instance.service != 'gateway':
            section |= {'door': instance.rpc, 'pulse': instance.pulse}
        table[instance.name] = section | {'admin': instance.admin, 'public_key': instance.public_key}
    write_whole(peers_path(run_dir), ini.sections(table), 0o644)


def prepare_shared(run_dir, services):
    """Files that replicas share: the page key, the column key of complaints, the offset of civil time."""
    page = keys.key_file(run_dir / 'keys' / 'page.key')
    for service in services:
        keys.key_file(run_dir / 'keys' / service / 'page.key', page)
    keys.key_file(run_dir / 'keys' / 'complaints' / 'caller-v1.key')
    offset = run_dir / 'clock-offset'
    if not offset.exists():
        write_whole(offset, b'\0' * OFFSET_BYTES)


def config_path(run_dir, instance):
    """The configuration file of an instance."""
    return run_dir / 'conf' / f'{instance.name}.ini'


def write_config(run_dir, instance, database, redis):
    """Write the configuration file of an instance; what its `extra` says stands last and wins."""
    values = {'instance': instance.name, 'database': database}
    if instance.service == 'gateway':
        values['http'] = f'{instance.host}:{instance.http_port}'
    values |= {
        'door': instance.rpc,
        'pulse': instance.pulse,
        'admin': f'{instance.host}:{instance.admin_port}',
        'curve-key-file': run_dir / 'keys' / f'{instance.name}.curve',
        'peers': peers_path(run_dir),
        'keys-dir': run_dir / 'keys' / instance.service,
        'clock-offset-file': run_dir / 'clock-offset',
        'redis': redis,
        'dev': 1,
    }
    if instance.service == 'registry':
        values['bootstrap'] = run_dir / 'bootstrap.ini'
    path = config_path(run_dir, instance)
    path.parent.mkdir(exist_ok=True)
    write_whole(path, ini.flat(values | instance.extra))
    return path


def binary(build, name):
    """The path of a binary of this build."""
    return Path(build) / 'services' / name
