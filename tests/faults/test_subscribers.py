"""A subscriber that was away, or whose replica died, catches up from its cursor with exactly the filtered log."""
from integration.conftest import World
from subscriber import Follower, Stream

TYPES = ('complaint.filed.v1', 'complaint.replied.v1')
WHO, WHERE = 'supervisor_370102', '370102'


def test_subscribers_catch_up(cluster, account, storm, tmp_path):
    _, head = World(cluster).supervisor_370102.events('complaints')
    cursor_file = tmp_path / 'cursor'
    cursor_file.write_text(head)
    near = cluster.replica('complaints', 1)
    subscribers = [Stream(cluster, WHO, TYPES, head).come(), Follower(cluster, WHO, TYPES, cursor_file, near).come()]
    clients = storm()
    for one in subscribers:
        one.wait(20)
        one.go()
    clients.progress(60)
    for one in subscribers:
        one.come()
    clients.progress()
    died = [near, cluster.replica('gateway', 1), cluster.replica('gateway', 2)]
    starts = [replica.child.starts for replica in died]
    for replica in died:
        assert replica.kill()
    for replica, life in zip(died, starts):
        replica.wait_restarted(life)
    clients.progress()
    clients.finish()
    account.check(days=0)
    begun = int(head.rpartition(':')[2])
    expected = [(event.position, event.id) for event in account.received_by(WHERE)
                if event.position > begun and event.type in TYPES]
    elsewhere = [event for event in account.logs['complaints'] if event.position > begun and event.type in TYPES]
    assert 40 < len(expected) < len(elsewhere)
    for one in subscribers:
        one.wait(len(expected))
        assert one.events == expected
        one.away.set()
