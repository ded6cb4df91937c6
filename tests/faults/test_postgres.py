"""The database crashes, or freezes, in a storm. No replica dies of it."""
FROZEN_S = 4.0


def deaths(cluster):
    """How often each replica has died."""
    return {replica.name: replica.child.deaths for replica in cluster.replicas}


def test_postgresql_crashes(cluster, account, storm):
    clients = storm()
    clients.progress()
    before = deaths(cluster)
    cluster.postgres.crash()
    clients.progress()
    clients.finish()
    account.check()
    assert deaths(cluster) == before


def test_postgresql_freezes(cluster, account, storm):
    """All connections stay open and nothing answers: what is in its hands is done or not done."""
    clients = storm()
    clients.progress()
    before = deaths(cluster)
    cluster.postgres.sigstop()
    try:
        clients.hold(FROZEN_S)
    finally:
        cluster.postgres.sigcont()
    clients.progress()
    clients.finish()
    account.check()
    assert deaths(cluster) == before
