"""A cable is cut and nobody is told: no RST, no ICMP. complaints-2 is at the far end, with everybody it talks to here."""
import pytest

from cable import NotPermitted

CUT_S = 5.0


def test_a_link_is_cut_without_a_sound(cluster, cable, account, storm):
    if isinstance(cable, NotPermitted):
        pytest.skip(f'NOT TESTED: a link cut without RST needs network namespaces, and this machine permits none: {cable}')
    far = cluster.replica('complaints', 2)
    clients = storm()
    clients.progress()
    cable.cut()
    try:
        assert not far.readiness()[0], 'the cable is cut and lets everything through'
        clients.progress(60)
        clients.hold(CUT_S)
        assert not far.readiness()[0]
    finally:
        cable.mend()
    far.wait_ready()
    clients.progress()
    clients.finish()
    account.check()
