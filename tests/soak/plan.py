"""Which faults come, in what order and after what pauses: drawn from a seed, so that a run can be told again.

A deck holds every fault there is, once; it is shuffled, dealt to its end, and shuffled anew. Replica 1 of a service may be
stopped for a while but is never ended: its memory and descriptors are what is judged.
"""
import random
from dataclasses import dataclass

SERVICES = ('registry', 'complaints', 'supervision', 'gateway')
SERVERS = ('postgres', 'redis')
SPARED, STRUCK = 1, 2
AT_ONCE = 0.25              # of all faults come on the heels of the one before
PAUSE_S = (3.0, 15.0)
HOLD_S = {'replica': (1.0, 6.0), 'postgres': (1.0, 4.0), 'redis': (1.0, 5.0)}


@dataclass(frozen=True)
class Fault:
    """`kind` is kill, drain, stall, restart or flush; `hold_s` how long a stall lasts; `pause_s` what passes before it,
    from the moment that the one before has healed."""
    kind: str
    target: str
    pause_s: float
    hold_s: float = 0.0

    @property
    def ends_server(self):
        """Whether a life of a server ends by it."""
        return self.target in SERVERS and self.kind in ('kill', 'restart')

    def __str__(self):
        return f'{self.kind} {self.target}' + (f' for {self.hold_s:.1f} s' if self.hold_s else '')


def deck():
    """Every (kind, service or server)."""
    return [*((kind, service) for kind in ('kill', 'drain', 'stall') for service in SERVICES),
            ('kill', 'postgres'), ('restart', 'postgres'), ('stall', 'postgres'),
            ('kill', 'redis'), ('stall', 'redis'), ('flush', 'redis')]


def faults(seed):
    """Faults without end."""
    chance = random.Random(f'{seed}/faults')
    while True:
        cards = deck()
        chance.shuffle(cards)
        for kind, name in cards:
            pause_s = 0.0 if chance.random() < AT_ONCE else chance.uniform(*PAUSE_S)
            least, most = HOLD_S.get(name, HOLD_S['replica'])
            hold_s = chance.uniform(least, most) if kind == 'stall' else 0.0
            index = chance.choice((SPARED, STRUCK)) if kind == 'stall' else STRUCK
            yield Fault(kind, f'{name}-{index}' if name in SERVICES else name, pause_s, hold_s)
