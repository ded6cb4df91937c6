"""The cluster of tests/integration, and liblujian installed beside it: the library as a vendor gets it, with programs that
know nothing but the installed files."""
import contextlib
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import zmq

from cluster.paths import build_dir

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests'))

from integration.conftest import world  # noqa: E402,F401  (its cluster, in a process of ours)

SDK = ROOT / 'services/sdk/c'
BUILD_S = 120
SANITIZE = ('-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-g')


def run(*argv, **keys):
    """A command that must end well; what it said."""
    done = subprocess.run([str(arg) for arg in argv], capture_output=True, text=True, timeout=BUILD_S, check=False, **keys)
    assert done.returncode == 0, f'{argv[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}'
    return done.stdout


def end_clean(done):
    """A sanitizer's findings, and asserts, are failures."""
    assert done.returncode == 0, f'ended with {done.returncode}:\n{done.stdout}{done.stderr}'
    assert 'Sanitizer' not in done.stderr, done.stderr


class Installed:
    """A prefix with the SDK in it."""

    def __init__(self, prefix):
        self.prefix = prefix
        run('cmake', '--install', build_dir(), '--component', 'sdk', '--prefix', prefix)

    def pkg_config(self, *what):
        """What pkg-config says of the library."""
        env = os.environ | {'PKG_CONFIG_PATH': str(self.prefix / 'lib/pkgconfig')}
        return run('pkg-config', *what, env=env).split()

    def program(self, name, source, *flags):
        """A program built as the documentation says."""
        out = self.prefix / name
        run('cc', '-Wall', '-Werror', source, *flags, '-o', out)
        return out

    def files(self):
        """What is installed, without folders."""
        return sorted(str(path.relative_to(self.prefix)) for path in self.prefix.rglob('*') if not path.is_dir())


@pytest.fixture(scope='session')
def installed(tmp_path_factory):
    """The SDK, installed."""
    return Installed(tmp_path_factory.mktemp('prefix'))


@pytest.fixture(scope='session')
def sanitized(installed, tmp_path_factory):
    """What a program is built with on the library's sources, under the sanitizers, against the installed header."""
    folder, proto = tmp_path_factory.mktemp('sanitized'), build_dir() / 'proto'
    messages = [proto / f'lujian/{name}.pb-c.c' for name in (
        'options', 'bus/v1/envelope', 'bus/v1/log', 'clock/v1/clock', 'complaints/v1/complaint',
        'registry/v1/reference', 'supervision/v1/supervision', 'supervision/v1/events')]
    own = [path for path in sorted(SDK.glob('*.c')) if path.name != 'example.c']
    header = f'-I{installed.prefix}/include'
    run('cc', '-c', *own, *messages, *SANITIZE, '-D_GNU_SOURCE', '-fvisibility=hidden', f'-I{SDK}', header,
        f'-I{proto}', f'-I{ROOT}/services/lib', cwd=folder)
    return [header, *SANITIZE, *sorted(folder.glob('*.o')), *installed.pkg_config('--libs', 'libzmq', 'libprotobuf-c')]


@pytest.fixture(scope='session')
def vendors(installed, sanitized):
    """{shared, static, asan: the vendor's program}."""
    source = Path(__file__).parent / 'vendor.c'
    flags = installed.pkg_config('--cflags', '--libs', 'lujian')
    below = installed.pkg_config('--libs', 'libzmq', 'libprotobuf-c')
    archive = installed.prefix / 'lib/liblujian.a'
    return {
        'shared': installed.program('shared', source, *flags),
        'static': installed.program('static', source, *installed.pkg_config('--cflags', 'lujian'), archive, *below),
        'asan': installed.program('asan', source, *sanitized),
    }


def doors(world, service):
    """The replicas of a service as the programs' environment names them."""
    return ' '.join(f'{one["rpc"]} {one["curve_server_key"]}' for one in world.cluster.endpoints['services'][service])


class Programs:
    """Programs on the library, with a key pair that no registry knows, at doors that the test names."""

    def __init__(self, installed, builds, keys):
        self.installed, self.builds, self.keys = installed, builds, keys

    def environment(self, **changes):
        """Of the programs."""
        public, secret = self.keys
        return {'PATH': os.environ['PATH'], 'LD_LIBRARY_PATH': str(self.installed.prefix / 'lib'),
                'LUJIAN_PUBLIC_KEY': public, 'LUJIAN_SECRET_KEY': secret} | changes

    @contextlib.contextmanager
    def start(self, build, *argv, **changes):
        """A running program; it does not outlive the test."""
        with subprocess.Popen([str(self.builds[build]), *map(str, argv)], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=self.environment(**changes)) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, build, *argv, timeout_s=90, **changes):
        """Its lines when it has ended, well."""
        with self.start(build, *argv, **changes) as process:
            out, err = process.communicate(timeout=timeout_s)
        end_clean(subprocess.CompletedProcess(argv, process.returncode, out, err))
        return out.splitlines()


class Vendor(Programs):
    """The same as a centre, at the doors of a cluster."""

    def __init__(self, world, installed, builds):
        me = world.credentials['hotline_3701']
        super().__init__(installed, builds, (me['curve_public'], me['curve_secret']))
        self.world = world

    def environment(self, service='complaints', **changes):
        return super().environment(**{
            'LUJIAN_SOURCE': 'test-sdk', 'LUJIAN_DOORS': doors(self.world, service),
            'LUJIAN_COMPLAINTS': doors(self.world, 'complaints'),
            'LUJIAN_SUPERVISION': doors(self.world, 'supervision')} | changes)


@pytest.fixture(scope='session')
def alone(installed, vendors, sanitized):
    """The programs without a cluster; `manners` is the one whose loop, threads and signals are its own."""
    manners = installed.program('manners', Path(__file__).parent / 'manners.c', *sanitized)
    return Programs(installed, vendors | {'manners': manners}, [key.decode() for key in zmq.curve_keypair()])


@pytest.fixture(scope='session')
def vendor(world, installed, vendors):  # noqa: F811
    """The programs, and the cluster that they talk to."""
    assert shutil.which('pkg-config')
    return Vendor(world, installed, vendors)


def result(line):
    """A line of `tell`: {error: ..., code: ..., ...}."""
    error, _, rest = line.partition(' ')
    rest, _, why = rest.partition('why=')
    return {'error': error, 'why': why} | dict(pair.split('=', 1) for pair in rest.split())


def fresh():
    """A number of a matter that nobody has filed."""
    return f'sdk-{uuid.uuid4()}'
