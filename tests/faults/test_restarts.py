"""A rolling restart: every replica in turn is told to end, under load, and nobody who sends but once is shown an error."""
from storm import CarefulClient


def test_a_rolling_restart_shows_nobody_an_error(cluster, account, storm):
    clients = storm(web=2, bus=2, careful=6)
    for replica in cluster.replicas:
        clients.progress(10)
        CarefulClient.draining = replica.instance.http
        starts = replica.child.starts
        assert replica.terminate()
        end = replica.wait_ended(starts)
        assert end.code == 0, f'{replica.name} ended with {end.code}'
        clients.progress(10)
        replica.wait_restarted(starts)
    clients.progress()
    clients.finish()
    account.check(days=0)
