"""The commands of scripts/up and scripts/down."""
import argparse
import sys
import time
from pathlib import Path

from .control import bring_down, bring_up
from .errors import ClusterError
from .paths import RUN_DIR


def replica_argument(text):
    """`2`, or `complaints=2,gateway=2`."""
    if text.isdigit():
        return int(text)
    pairs = (part.partition('=') for part in text.split(','))
    return {service: int(number) for service, _, number in pairs}


def parse(argv):
    """The command line of up and down."""
    parser = argparse.ArgumentParser(prog='scripts')
    commands = parser.add_subparsers(dest='command', required=True)
    up = commands.add_parser('up', prog='scripts/up', help='start a cluster that stays')
    up.add_argument('--replicas', type=replica_argument, default=1, metavar='N',
                    help='replicas of registry, complaints and supervision each (the gateway has one), '
                         'or service=N,... for those named')
    up.add_argument('--demo-cast', action='store_true',
                    help='load also a centre per city, and a unit and a supervisor for each city and county')
    down = commands.add_parser('down', prog='scripts/down', help='stop it; data are kept')
    down.add_argument('--purge', action='store_true', help='remove the data too')
    for command in (up, down):
        command.add_argument('--run', type=Path, default=RUN_DIR, metavar='DIR',
                             help='the run directory (default: .run of the checkout)')
    return parser.parse_args(argv)


def say(text):
    """Tell the person at the terminal."""
    print(text, flush=True)


def up(options):
    """Start, and say where things are."""
    begun = time.monotonic()
    told = bring_up(options.run, options.replicas, cast='demo' if options.demo_cast else 'standing', say=say)
    ready = sum(len(replicas) for replicas in told['services'].values())
    say(f'{ready} replicas are ready after {time.monotonic() - begun:.1f} s: API at {told["gateway"]}, '
        f'everything else in {options.run / "cluster.json"}, logs in {options.run / "log"}')


def main(argv):
    """Run a command; its exit status."""
    options = parse(argv)
    try:
        if options.command == 'up':
            up(options)
        else:
            bring_down(options.run, purge=options.purge, say=say)
    except ClusterError as error:
        print(f'scripts/{options.command}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
