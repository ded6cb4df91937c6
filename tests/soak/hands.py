"""The hands that strike: each fault of the plan done to a cluster, and healed before the next one.

Invariant: a replica ends because it was struck, and for no other reason; who is told to drain ends with status 0.
"""
import collections

HEAL_S = 90.0
AFTER = 10                  # complaints acknowledged after each fault: the cluster lives


class Hands:
    """Strikes at a cluster under a load."""

    def __init__(self, cluster, load):
        self.cluster, self.load = cluster, load
        self.struck = collections.Counter()     # faults by kind and target, without the index
        self.ends = collections.Counter()       # of a replica, that we are guilty of
        self.replicas = {replica.name: replica for replica in cluster.replicas}

    def strike(self, fault):
        """Do it, and return when all is well again and the load goes on."""
        name = fault.target if fault.target in ('postgres', 'redis') else 'replica'
        getattr(self, f'_{fault.kind}_{name}')(fault)
        self.cluster.wait_ready(HEAL_S)
        self.load.progress(AFTER, HEAL_S)
        self.struck[f'{fault.kind} {fault.target.rpartition("-")[0] or fault.target}'] += 1

    def unasked(self):
        """Replicas that ended more often than they were made to."""
        return [f'{name} ended {replica.child.deaths} times, {self.ends[name]} of them by us'
                for name, replica in self.replicas.items() if replica.child.deaths != self.ends[name]]

    def _kill_replica(self, fault):
        replica = self.replicas[fault.target]
        starts = replica.child.starts
        assert replica.kill()
        self.ends[fault.target] += 1
        replica.wait_restarted(starts, HEAL_S)

    def _drain_replica(self, fault):
        replica = self.replicas[fault.target]
        starts = replica.child.starts
        assert replica.terminate()
        self.ends[fault.target] += 1
        end = replica.wait_ended(starts, HEAL_S)
        assert end.code == 0, f'{fault.target} drained and ended with {end.code}'
        replica.wait_restarted(starts, HEAL_S)

    def _stall_replica(self, fault):
        self._stall(self.replicas[fault.target], fault)

    def _kill_postgres(self, _fault):
        self.cluster.postgres.crash(HEAL_S)

    def _restart_postgres(self, _fault):
        self.cluster.postgres.restart(HEAL_S)

    def _stall_postgres(self, fault):
        self._stall(self.cluster.postgres, fault)

    def _kill_redis(self, _fault):
        child = self.cluster.supervisor.child('redis')
        starts = child.starts
        self.cluster.redis.kill()
        self.cluster.supervisor.wait(lambda: child.starts > starts, HEAL_S, 'the next life of Redis')
        self.cluster.redis.wait_ready()

    def _stall_redis(self, fault):
        self._stall(self.cluster.redis, fault)

    def _flush_redis(self, _fault):
        self.cluster.redis.flush()

    def _stall(self, what, fault):
        what.sigstop()
        try:
            self.load.hold(fault.hold_s)
        finally:
            what.sigcont()
