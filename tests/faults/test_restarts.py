"""A rolling restart: every replica in turn is told to end, under load, and nobody who sends but once is shown an error."""
from integration.conftest import World
from storm import CarefulClient
from subscriber import Follower

WHO, WHERE, TYPES = 'supervisor_370102', '370102', ('complaint.filed.v1',)


def test_a_rolling_restart_shows_nobody_an_error(cluster, account, storm, tmp_path):
    _, head = World(cluster).supervisor_370102.events('complaints')
    cursor_file = tmp_path / 'cursor'
    cursor_file.write_text(head)
    # The client in a page, which is told by its replica that it drains.
    follower = Follower(cluster, WHO, TYPES, cursor_file, cluster.replica('complaints', 1)).come()
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
    begun = int(head.rpartition(':')[2])
    expected = [(event.position, event.id) for event in account.received_by(WHERE)
                if event.position > begun and event.type in TYPES]
    follower.wait(len(expected))
    assert follower.events == expected
    follower.away.set()
