"""The process that holds a cluster for scripts/up: starts it, says so to its starter, waits for SIGTERM, stops it."""
import argparse
import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path

from . import principals
from .cluster import Cluster
from .control import OWNER_FILE
from .errors import ClusterError


class Report:
    """The pipe to the starter, who may have gone: then nobody is told, and nothing else changes."""

    def __init__(self, descriptor):
        # A child that kept the pipe open would keep the starter waiting.
        os.set_inheritable(descriptor, False)
        self._pipe = os.fdopen(descriptor, 'w', buffering=1)

    def tell(self, text):
        """Send a line."""
        try:
            self._pipe.write(text + '\n')
        except BrokenPipeError:
            pass

    def close(self):
        """Nothing more will be told."""
        try:
            self._pipe.close()
        except BrokenPipeError:
            pass


class Stop:
    """SIGTERM and SIGINT: they abort a start, and end the wait of a cluster that runs."""

    def __init__(self):
        self.asked = threading.Event()
        self.starting = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def _handle(self, *_):
        if self.starting and not self.asked.is_set():
            self.asked.set()
            raise SystemExit(1)
        self.asked.set()


def parse(argv):
    """The arguments, as control.py gives them."""
    parser = argparse.ArgumentParser(prog='cluster.daemon')
    parser.add_argument('--run', type=Path, required=True)
    parser.add_argument('--build', type=Path, required=True)
    parser.add_argument('--replicas', type=json.loads, required=True)
    parser.add_argument('--cast', choices=('standing', 'demo'), required=True)
    parser.add_argument('--report', type=int, required=True)
    return parser.parse_args(argv)


def main(argv):
    """Hold a cluster until a signal; 0 after an orderly stop."""
    options = parse(argv)
    report = Report(options.report)
    stop = Stop()
    try:
        cluster = Cluster(options.run, options.replicas, build=options.build,
                          cast=principals.everyone(options.cast), owner_file=OWNER_FILE,
                          say=lambda text: report.tell(f'say {text}'))
        cluster.start()
    except ClusterError as error:
        report.tell(f'failed\n{error}')
        return 1
    except Exception:
        traceback.print_exc()
        report.tell(f'failed\n{traceback.format_exc()}')
        return 1
    stop.starting = False
    report.tell('ready')
    report.close()
    stop.asked.wait()
    cluster.stop()
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
