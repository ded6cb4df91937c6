"""Run the suites, in two lanes side by side, and count everything. The last line is `N passed, N failed`.

The exit status is 1 when something failed and when nothing ran. The output of each suite is kept in build/results and
shown when it is done, so that the lanes do not mix; one suite alone is shown as it runs.
"""
import argparse
import sys
import threading
import time
from pathlib import Path

from result import Result
from suites import all_suites, end_all, execute

ROOT = Path(__file__).resolve().parents[2]
BUILD_LIMIT_S = 1200


def parse(argv):
    """The command line."""
    parser = argparse.ArgumentParser(prog='scripts/test', description=__doc__.splitlines()[0])
    parser.add_argument('suites', nargs='*', metavar='SUITE', help='only these; --list tells which there are')
    parser.add_argument('--list', action='store_true', help='tell which suites there are')
    parser.add_argument('--root', type=Path, default=ROOT, help='the checkout to test')
    return parser.parse_args(argv)


class Run:
    """One run of some suites."""

    def __init__(self, root, suites):
        self._root = root
        self._suites = suites
        self._left = list(suites)
        self._taking = threading.Lock()
        self._built = {}
        self._building = threading.Lock()
        self._speaking = threading.Lock()
        self._given_up = False
        self.results = {}

    def all(self):
        """The results, in the order of the suites."""
        lanes = [threading.Thread(target=self._lane, args=(lane,)) for lane in ('busy', 'waiting')]
        try:
            for lane in lanes:
                lane.start()
            for lane in lanes:
                lane.join()
            self._lane('alone')
        except KeyboardInterrupt:
            self._given_up = True
            end_all()
            raise
        return {suite.name: self.results[suite.name] for suite in self._suites}

    def _lane(self, lane):
        while (suite := self._take(lane)) and not self._given_up:
            self.results[suite.name] = self._one(suite)

    def _take(self, lane):
        """The next suite of a lane. The busy one, when it has none left, helps the other from its end."""
        with self._taking:
            own = [suite for suite in self._left if suite.lane == lane]
            others = [suite for suite in self._left if lane == 'busy' and suite.lane == 'waiting']
            suite = own[0] if own else others[-1] if others else None
            if suite:
                self._left.remove(suite)
            return suite

    def _one(self, suite):
        """One suite, its preset first."""
        if not self._build(suite.preset):
            return Result(failures=[f'the preset {suite.preset} does not build'])
        begun = time.monotonic()
        if len(self._suites) == 1:
            self._say(f'\n=== {suite.name}')
            result = suite.run(None)
        else:
            result = self._kept(suite)
        result.spent_s = time.monotonic() - begun
        return result

    def _kept(self, suite):
        path = self._root / 'build/results' / f'{suite.name}.log'
        path.parent.mkdir(parents=True, exist_ok=True)
        self._say(f'--- {suite.name} begins')
        with path.open('w', encoding='utf-8', errors='replace') as output:
            result = suite.run(output)
        self._say(f'\n=== {suite.name}\n{path.read_text(encoding="utf-8", errors="replace")}')
        return result

    def _build(self, preset):
        """Whether the preset could be built: once, when its first suite comes."""
        with self._building:
            if preset not in self._built:
                begun = time.monotonic()
                status = execute([self._root / 'scripts/build', preset], self._root, BUILD_LIMIT_S)
                took = f'built {preset} in {time.monotonic() - begun:.1f} s'
                self._say(took if status == 0 else f'{preset} does not build')
                self._built[preset] = status == 0
            return self._built[preset]

    def _say(self, text):
        with self._speaking:
            print(text, flush=True)


def show(results):
    """What failed, a line a suite, and the line that counts."""
    print()
    for name, result in results.items():
        for failure in result.failures:
            print(f'FAILED {name}: {failure}')
    print(f'{"suite":<14}{"passed":>8}{"failed":>8}{"skipped":>9}{"seconds":>9}')
    for name, result in results.items():
        print(f'{name:<14}{result.passed:>8}{result.failed:>8}{result.skipped:>9}{result.spent_s:>9.1f}')
    passed = sum(result.passed for result in results.values())
    failed = sum(result.failed for result in results.values())
    print(f'{passed} passed, {failed} failed', flush=True)
    return 0 if passed and not failed else 1


def main(argv):
    """The exit status."""
    options = parse(argv)
    root = options.root.resolve()
    suites = {suite.name: suite for suite in all_suites(root)}
    if options.list:
        print('\n'.join(suites))
        return 0
    unknown = [name for name in options.suites if name not in suites]
    if unknown:
        print(f'no such suite: {", ".join(unknown)}; there are: {", ".join(suites)}', file=sys.stderr)
        return 2
    chosen = [suite for name, suite in suites.items() if not options.suites or name in options.suites]
    return show(Run(root, chosen).all())


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
