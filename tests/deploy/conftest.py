"""The units of deploy/systemd, and a cluster whose replicas live under what they forbid."""
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cluster import Cluster, Placement

ROOT = Path(__file__).resolve().parents[2]
CONFINED = ROOT / 'tests/deploy/confined.py'
SERVICES = ('registry', 'complaints', 'supervision', 'gateway')
sys.path.insert(0, str(ROOT / 'tests'))


def confined(service, *flags):
    """The command that puts a replica of a service under its unit."""
    return ('/usr/bin/python3', '-B', str(CONFINED), *flags, f'lujian-{service}@.service')


@pytest.fixture(scope='session')
def read_only():
    """The flag that makes file systems read-only; None where this machine permits no mount namespace."""
    flag = '--read-only'
    tried = subprocess.run([*confined('gateway', flag), '/usr/bin/true'], capture_output=True, check=False)
    return flag if tried.returncode == 0 else None


@pytest.fixture(scope='session')
def cluster(read_only):
    """One replica of each service. Civil time is the database's: the file of its offset would be written."""
    home = Path(tempfile.mkdtemp(prefix='lujian-deploy-'))
    home.chmod(0o711)
    flags = [read_only] if read_only else []
    placements = {f'{service}-1': Placement('127.0.0.1', confined(service, *flags)) for service in SERVICES}
    try:
        with Cluster(home / 'run', placements=placements,
                     extra={service: {'clock-offset-file': ''} for service in SERVICES}) as made:
            made.wait_ready()
            yield made
    finally:
        shutil.rmtree(home, ignore_errors=True)
