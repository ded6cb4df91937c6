"""Civil time is moved in the midst of a storm. The last file: from here on the account promises less of the logs."""
from datetime import timedelta

STEPS_DAYS = (1, 3, 9)


def test_time_is_advanced_in_a_storm(cluster, account, storm):
    """The call answers once the cluster has settled, so it stays open as long as its storm."""
    account.time_moved_in_storm(timedelta(days=max(STEPS_DAYS)))
    for days in STEPS_DAYS:
        clients = storm(count=150)
        clients.progress()
        account.world.advance(days=days)
        clients.finish()
    account.check()
