"""Free TCP ports on this machine, for as long as the process that took them lives.

Invariants:
 - No port comes from the kernel's ephemeral range. A client that reconnects to a dead replica would otherwise be
   given that very port as its own and connect to itself, and the replica could not come back.
 - Two processes never hold one port: each is claimed by a name in the abstract socket space, which the kernel
   gives back when its holder ends, however it ends.
"""
import errno
import random
import socket
from pathlib import Path

LOWEST = 12000
ATTEMPTS_MAX = 2000


def ephemeral_range():
    """The first and last port that the kernel gives to outgoing connections."""
    first, last = Path('/proc/sys/net/ipv4/ip_local_port_range').read_text().split()
    return int(first), int(last)


def candidates():
    """Every port that may be taken."""
    first, last = ephemeral_range()
    return [port for port in range(LOWEST, 65536) if not first <= port <= last]


class Ports:
    """The ports of one cluster on one host address."""

    def __init__(self, host='127.0.0.1'):
        self.host = host
        self._claims = {}

    def take(self, host=None):
        """A port that nobody listens on, claimed until close()."""
        free = candidates()
        if not free:
            raise OSError(errno.EADDRINUSE, 'the ephemeral range leaves no port to listen on')
        for _ in range(ATTEMPTS_MAX):
            port = random.choice(free)
            if self._claim(port):
                if _is_free(host or self.host, port):
                    return port
                self._claims.pop(port).close()
        raise OSError(errno.EADDRINUSE, 'found no free port')

    def _claim(self, port):
        if port in self._claims:
            return False
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f'\0lujian-port-{port}')
        except OSError:
            claim.close()
            return False
        self._claims[port] = claim
        return True

    def close(self):
        """Give all claims back."""
        for claim in self._claims.values():
            claim.close()
        self._claims.clear()


def _is_free(host, port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            # An address of another network namespace cannot be tried from here.
            return error.errno == errno.EADDRNOTAVAIL
        return True
