"""A build of fake binaries and clusters of them, on a real PostgreSQL and a real Redis."""
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from cluster import Cluster
from cluster.processes import Backoff

HERE = Path(__file__).parent
SERVICES = ('registry', 'complaints', 'supervision', 'gateway')
QUICK = Backoff(first_s=0.05, most_s=0.4, calm_s=5.0)
# The CLI of the fake build notes what it was asked to load, by whom.
CLI = '''#!/bin/sh
[ -r "$LUJIAN_PEERS" ] && grep -q "^principal = operator$" "$LUJIAN_CREDENTIALS" || exit 2
echo "$@" >> "$(dirname "$LUJIAN_PEERS")/asked"
'''


@pytest.fixture(scope='session')
def fake_build(tmp_path_factory):
    """A build directory with a fake of every binary."""
    services = tmp_path_factory.mktemp('build') / 'services'
    services.mkdir()
    for service in SERVICES:
        _executable(services / f'lujian-{service}',
                    f'#!/bin/sh\nexec /usr/bin/python3 {HERE}/fake_service.py {service} "$@"\n')
    _executable(services / 'lujian', CLI)
    return services.parent


def _executable(path, text):
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture(scope='module')
def run_dir():
    """A run directory that PostgreSQL's user can reach."""
    home = Path(tempfile.mkdtemp(prefix='lujian-test-'))
    home.chmod(0o711)
    yield home / 'run'
    shutil.rmtree(home)


@pytest.fixture
def fresh_dir():
    """The same for one test."""
    home = Path(tempfile.mkdtemp(prefix='lujian-test-'))
    home.chmod(0o711)
    yield home / 'run'
    shutil.rmtree(home)


@pytest.fixture(scope='module')
def cluster(fake_build, run_dir):
    """A running cluster of fakes, two replicas of complaints."""
    with Cluster(run_dir, {'complaints': 2}, build=fake_build, backoff=QUICK) as made:
        yield made
    made.purge()


@pytest.fixture
def alive():
    """Whether a pid is a living process."""
    def look(pid):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    return look
