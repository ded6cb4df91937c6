"""scripts/bench: measures, prints the table, writes build/bench/bench.json and bench.svg.

Every figure is a ratio to a baseline of the same run, the two by turns, and a median of rounds: machines are noisy. Exits with
1 where a goal is missed.
"""
import argparse
import sys

import intake
import lifecycle
import report
from rig import ROOT, Rig

ROUNDS, SECONDS, STORED = 5, 8, 1_000_000


def parse(argv):
    """The command line."""
    parser = argparse.ArgumentParser(prog='scripts/bench', description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=ROUNDS, help=f'rounds (default {ROUNDS})')
    parser.add_argument('--seconds', type=int, default=SECONDS, help=f'of a measurement (default {SECONDS})')
    parser.add_argument('--stored', type=int, default=STORED,
                        help=f'complaints there are before lifecycles are measured (default {STORED:,})')
    return parser.parse_args(argv)


def main(argv):
    """The exit status."""
    options = parse(argv)
    samples = {}
    with Rig(lambda text: print(text, flush=True)) as rig:
        catalog = intake.measure(rig, samples, options.rounds, options.seconds)
        lifecycle.measure(rig, samples, options.rounds, options.seconds, options.stored)
        found = {'durable': rig.durable, 'samples': samples, 'catalog': catalog, 'lines': report.lines(samples)}
    report.show(found)
    report.write(found, ROOT / 'build/bench')
    return 1 if any(line.met is False for line in found['lines']) else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
