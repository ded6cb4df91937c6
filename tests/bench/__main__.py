"""scripts/bench: measures, prints the table, writes build/bench/bench.json and bench.svg.

Every figure is a ratio to a baseline of the same run, the two by turns, and a median of rounds: machines are noisy. Exits with
1 where a goal is missed, or a figure is further from the one it is compared with than noise allows.
"""
import argparse
import json
import sys
from pathlib import Path

import caches
import delivery
import footprint
import intake
import lifecycle
import profiles
import pull
import report
import rungs
import scale
from rig import ROOT, Rig

ROUNDS, SECONDS, STORED, DUE = 5, 8, 1_000_000, 100_000
CACHES_S = 2 # of a measurement; there are sixteen a round


def _intake(rig, samples, options):
    return {'catalog': intake.measure(rig, samples, options.rounds, options.seconds)}


def _lifecycle(rig, samples, options):
    lifecycle.measure(rig, samples, options.rounds, options.seconds, options.stored)


def _delivery(rig, samples, options):
    delivery.measure(rig, samples, options.rounds, options.seconds)


def _rungs(rig, samples, options):
    rungs.measure(rig, samples, options.rounds, options.seconds, options.due)


def _pull(rig, samples, options):
    pull.measure(rig, samples, options.rounds, options.seconds, options.events)


def _footprint(rig, samples, options):
    footprint.measure(rig, samples, options.rounds)


def _caches(rig, samples, options):
    caches.measure(rig, samples, options.rounds, min(options.seconds, CACHES_S))


def _scale(rig, samples, options):
    scale.measure(rig, samples, options.rounds, options.seconds, options.many)


# {part: function(rig, samples, options)}, in the order in which they run. A part fills samples {series: [one a round]}, and
# may return what else belongs into bench.json. Each can run alone, so none may lean on what another one has left behind.
PARTS = {
    'intake': _intake,
    'lifecycle': _lifecycle,
    'delivery': _delivery, # compares civil time with the machine's
    'rungs': _rungs, # moves civil time
    'pull': _pull,
    'footprint': _footprint,
    'caches': _caches,
    'scale': _scale, # last: its table is too large for the others
}


def parse(argv):
    """The command line."""
    parser = argparse.ArgumentParser(prog='scripts/bench', description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=ROUNDS, help=f'rounds (default {ROUNDS})')
    parser.add_argument('--seconds', type=int, default=SECONDS, help=f'of a measurement (default {SECONDS})')
    parser.add_argument('--stored', type=int, default=STORED,
                        help=f'complaints there are before lifecycles are measured (default {STORED:,})')
    parser.add_argument('--due', type=int, default=DUE, help=f'clocks that fall due at once (default {DUE:,})')
    parser.add_argument('--events', type=int, default=pull.EVENTS,
                        help=f'in the log that is pulled from (default {pull.EVENTS:,})')
    parser.add_argument('--many', type=int, default=scale.MANY,
                        help=f'complaints there are when intake is compared with few (default {scale.MANY:,})')
    parser.add_argument('--only', action='append', choices=PARTS, metavar='PART',
                        help=f'measure this part alone; may be given more than once ({", ".join(PARTS)})')
    parser.add_argument('--profile', action='store_true', help='record where the time of intake over HTTP goes, too (perf)')
    parser.add_argument('--compare', type=Path, metavar='JSON', help='tell how far the figures are from those of another run')
    return parser.parse_args(argv)


def _agrees(found, numbers):
    """Prints how far a run is from another one, whose {name: number} these are."""
    told, agree = report.compare(found['lines'], numbers)
    print('\nfigures of the other run and of this one, and how far they are apart', *told, sep='\n')
    return agree


def main(argv):
    """The exit status."""
    options = parse(argv)
    samples, told, out = {}, {}, ROOT / 'build/bench'
    # Before this run's own takes its place.
    other = options.compare and {line['name']: line['number'] for line in json.loads(options.compare.read_text())['lines']}
    out.mkdir(parents=True, exist_ok=True)
    with Rig(lambda text: print(text, flush=True)) as rig:
        if options.profile:
            rig.say('profiles: ' + ', '.join(map(str, profiles.record(rig, out))))
        for name, measure in PARTS.items():
            if not options.only or name in options.only:
                told |= measure(rig, samples, options) or {}
        found = {'durable': rig.durable, 'samples': samples, 'lines': report.lines(samples)} | told
    report.show(found)
    report.write(found, out)
    agrees = other is None or _agrees(found, other)
    return 0 if agrees and all(line.met is not False for line in found['lines']) else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
