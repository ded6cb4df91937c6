"""One real cluster for all tests of this folder: two replicas of every service, real PostgreSQL and Redis.

Invariants:
 - Every test leaves the cluster whole: what it stopped or cut it has set going again, and all replicas are ready.
 - The logs are shared and only grow, so each check holds everything since the first test against the model.
 - Where network namespaces are permitted, complaints-2 lives in one of its own, a cable away from all the others.
"""
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from cluster import Cluster
from cluster.paths import build_dir
from cluster.processes import Backoff

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / 'services/sdk/python'), str(build_dir() / 'proto/python'),
                str(ROOT / 'tests')]

from account import Account  # noqa: E402
from cable import Cable, NotPermitted  # noqa: E402
from storm import Storm  # noqa: E402

REPLICAS = {'registry': 2, 'complaints': 2, 'supervision': 2, 'gateway': 2}
FAR = 'complaints-2'


@pytest.fixture(scope='session')
def cable():
    """The link to the namespace of complaints-2; None with the reason in `cable_missing` where it is not permitted."""
    try:
        made = Cable()
    except NotPermitted as error:
        yield error
        return
    yield made
    made.remove()


@pytest.fixture(scope='session')
def cluster(cable):
    """The cluster. Its replicas come back fast: what is tested is what they do then."""
    home = Path(tempfile.mkdtemp(prefix='lujian-faults-'))
    home.chmod(0o711)
    placed = {} if isinstance(cable, NotPermitted) else {'host': cable.near, 'placements': {FAR: cable.placement()}}
    try:
        with Cluster(home / 'run', REPLICAS, backoff=Backoff(first_s=0.1, most_s=1.0, calm_s=2.0), **placed) as made:
            made.wait_ready()
            yield made
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope='session')
def account(cluster):
    """What was acknowledged in all tests so far, and the checks of it."""
    return Account(cluster)


@pytest.fixture
def storm(cluster, account):
    """storm(...) begins one; what it was told belongs to the account. A test that fails ends its storms."""
    begun = []

    def begin(**options):
        made = Storm(cluster, account, **options)
        begun.append(made)
        return made.start()
    yield begin
    for made in begun:
        made.abandon()
    cluster.wait_ready()
