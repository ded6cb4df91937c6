"""Intake with ten million complaints stored against intake with ten thousand: two clusters side by side, by turns."""
import fill
from intake import sample
from rig import Rig

FEW, MANY = 10_000, 10_000_000


def measure(rig, samples, rounds, seconds, many):
    """Fills samples with `few` and `many`, one a round; the consumers are stopped in both clusters."""
    rig.stop_consumers()
    with Rig(rig.say) as other:
        other.stop_consumers()
        for one, stored in ((other, FEW), (rig, many)):
            fill.templates(one)
            fill.store(one, stored - one.count(), settled=True)
        for number in range(rounds):
            for name, one in (('few', other), ('many', rig)):
                stored = one.count()
                found = sample(one, samples, name, one.file_http, seconds)
                found['stored'] = stored
                rig.say(f'round {number + 1}: {found["rate"]:.0f}/s with {stored:,} stored')
    rig.start_consumers()
