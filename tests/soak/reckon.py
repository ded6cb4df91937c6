"""The reckoning when the load has ended: what was acknowledged, what is stored, what the model calls for, who was told.

On top of the account of the fault tests: acts are counted, since a story may hold one twice; and time moves on in steps, so
that the ladder is climbed.
"""
import collections

from account import EXAMPLES, SERVICES, Account
from load import reached

CLIMB_DAYS = (7, 7, 7)
WATCH_S = 60.0
FILED_WITH = 'dispatch'     # an act that filing brings by itself


class Reckoning(Account):
    """`acts`: {(id, act): how often it was acknowledged}."""

    def __init__(self, cluster):
        super().__init__(cluster)
        self.acts = collections.Counter()

    def settle_all(self):
        """All checks; the cluster is at rest and its load has ended."""
        self.settle()
        self._check_stored()
        for days in CLIMB_DAYS:
            self.world.advance(days=days)
        self.check()

    def _check_stored(self):
        """Posted = stored, under the ids that were told, and every act as often as it was acknowledged."""
        stored = self.sql('complaints', 'SELECT external_id, id::text FROM complaint')
        assert len(dict(stored)) == len(stored), 'a complaint is there twice'
        assert dict(stored) == self.acknowledged, \
            f'{len(stored)} stored, {len(self.acknowledged)} acknowledged, or under other ids'
        filed = self.sql('complaints', "SELECT subject FROM event WHERE type = 'complaint.filed.v1'")
        assert sorted(subject for subject, in filed) == sorted(dict(stored).values())
        done = collections.Counter({(one, act): count for one, act, count in self.sql(
            'complaints', 'SELECT complaint_id::text, action, count(*) FROM complaint_act GROUP BY 1, 2')})
        wanted = collections.Counter({key: count for key, count in self.acts.items() if key[1] != 'file'})
        wrong = [(key, wanted[key], done[key]) for key in wanted | done
                 if key[1] not in ('file', FILED_WITH) and wanted[key] != done[key]]
        assert not wrong, f'{len(wrong)} acts stored otherwise than acknowledged: {wrong[:EXAMPLES]}'

    def _check_no_red_card_for_a_reply_in_time(self, must_be_red):
        """Here a complaint may be replied to in time and be late in another term: the model holds each term by itself."""
        red = any(key[2] == 'red' for matter in self.model.matters.values() for key in matter.cards)
        assert red or not must_be_red, 'nobody was given a red card'

    def check_watchers(self, watchers):
        """Each has received exactly the log, filtered by what he may see, in order."""
        heads = {service: len(self.logs[service]) for service in SERVICES}
        wrong = []
        for watcher in watchers:
            late = not reached(watcher, heads[watcher.stream], WATCH_S)
            must = [(event.position, event.id)
                    for event in self.model.received_by(self.logs[watcher.stream], watcher.jurisdiction)]
            if watcher.received != must:
                wrong.append(f'{watcher.how} {watcher.principal} {watcher.stream}: {len(watcher.received)} events where '
                             f'{len(must)} were to come, through {watcher.through}, {"late, " if late else ""}'
                             f'{watcher.reconnects} reconnects, the last for {watcher.trouble or "nothing"}')
        assert not wrong, '\n'.join(wrong)
        return sum(len(watcher.received) for watcher in watchers)
