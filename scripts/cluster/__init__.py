"""A private Lujian cluster on this machine: PostgreSQL, Redis and replicas of every service, kept running.

`scripts/up` and `scripts/down` use it from the shell, the demo and the tests from Python:

    with Cluster(run_dir, replicas={'complaints': 2, 'supervision': 2}) as cluster:
        cluster.replica('complaints', 1).kill()
"""
from .cluster import Cluster, Placement
from .errors import ClusterError

__all__ = ['Cluster', 'ClusterError', 'Placement']
