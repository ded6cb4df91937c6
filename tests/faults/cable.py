"""A network namespace on the end of a cable that can be cut without a sound: no RST, no ICMP, no loss of carrier.

The cut is a wrong hardware address for each end, told to the other: every frame arrives and is nobody's. Connections
stay open on both sides, and neither kernel learns anything.
"""
import os
import random
import subprocess

from cluster import Placement

NOBODY = '02:00:00:00:00:fe'


class NotPermitted(Exception):
    """This machine lets us make no network namespaces."""


class Cable:
    """Two addresses, `near` on this side and `far` in the namespace."""

    def __init__(self):
        number = random.randrange(4, 250)
        self.namespace, self.link, self.peer = (f'lujian-{os.getpid()}', f'lj{os.getpid()}', f'ljf{os.getpid()}')
        self.near, self.far = (f'10.213.{number}.{last}' for last in (1, 2))
        try:
            self._lay()
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            self.remove()
            raise NotPermitted(f'ip netns: {getattr(error, "stderr", error)}'.strip()) from error

    def _lay(self):
        ip('netns', 'add', self.namespace)
        ip('link', 'add', self.link, 'type', 'veth', 'peer', 'name', self.peer, 'netns', self.namespace)
        ip('address', 'add', f'{self.near}/30', 'dev', self.link)
        ip('link', 'set', self.link, 'up')
        self.inside('address', 'add', f'{self.far}/30', 'dev', self.peer)
        self.inside('link', 'set', self.peer, 'up')
        self.inside('link', 'set', 'lo', 'up')

    def inside(self, *words):
        """ip, in the namespace."""
        ip('-n', self.namespace, *words)

    def placement(self):
        """Where a replica runs that runs at the far end."""
        return Placement(self.far, ('ip', 'netns', 'exec', self.namespace))

    def cut(self):
        """From here on nothing arrives on either side."""
        ip('neigh', 'replace', self.far, 'lladdr', NOBODY, 'nud', 'permanent', 'dev', self.link)
        self.inside('neigh', 'replace', self.near, 'lladdr', NOBODY, 'nud', 'permanent', 'dev', self.peer)

    def mend(self):
        """Everything arrives again."""
        ip('neigh', 'del', self.far, 'dev', self.link)
        self.inside('neigh', 'del', self.near, 'dev', self.peer)

    def remove(self):
        """The namespace and the cable with it."""
        for words in (('link', 'del', self.link), ('netns', 'del', self.namespace)):
            subprocess.run(['ip', *words], check=False, capture_output=True)


def ip(*words):
    """The command of that name."""
    subprocess.run(['ip', *words], check=True, capture_output=True, text=True)
