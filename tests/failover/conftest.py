"""A cluster for each module, in which one service lives on a primary and its standby, everything else on a server apart.

Invariant: every test leaves the pair whole, a standby following, and all replicas ready.

LUJIAN_FAILOVER_ALL=1 puts the databases of all services on the pair, for scripts/soak.
"""
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from cluster import Cluster
from cluster.paths import build_dir

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'tests/faults'), str(ROOT / 'services/sdk/python'), str(build_dir() / 'proto/python'),
                str(ROOT / 'tests')]

from account import Account  # noqa: E402
from storm import Storm  # noqa: E402

REPLICAS = {'complaints': 2, 'supervision': 2}
EVERYTHING = ('registry', 'complaints', 'supervision', 'gateway')
TOGETHER = os.environ.get('LUJIAN_FAILOVER_ALL') == '1'


@pytest.fixture(scope='module')
def cluster(request):
    """The cluster of a module, which says by PAIRED whose database is to outlive a server. Its pair is strictly synchronous."""
    home = Path(tempfile.mkdtemp(prefix='lujian-failover-'))
    home.chmod(0o711)
    try:
        with Cluster(home / 'run', REPLICAS, paired=EVERYTHING if TOGETHER else request.module.PAIRED) as made:
            made.wait_ready()
            yield made
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope='module')
def account(cluster):
    """What was acknowledged in all tests so far, and the checks of it."""
    return Account(cluster)


@pytest.fixture
def storm(cluster, account):
    """storm(...) begins one; what it was told belongs to the account."""
    begun = []

    def begin(**options):
        made = Storm(cluster, account, **options)
        begun.append(made)
        return made.start()
    yield begin
    for made in begun:
        made.abandon()
