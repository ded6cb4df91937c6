"""Run the suites one after the other and count everything. The last line is `N passed, N failed`.

The exit status is 1 when something failed and when nothing ran.
"""
import argparse
import sys
import time
from pathlib import Path

from result import Result
from suites import all_suites, execute

ROOT = Path(__file__).resolve().parents[2]
BUILD_LIMIT_S = 1200


def parse(argv):
    """The command line."""
    parser = argparse.ArgumentParser(prog='scripts/test', description=__doc__.splitlines()[0])
    parser.add_argument('suites', nargs='*', metavar='SUITE', help='only these; --list tells which there are')
    parser.add_argument('--list', action='store_true', help='tell which suites there are')
    parser.add_argument('--root', type=Path, default=ROOT, help='the checkout to test')
    return parser.parse_args(argv)


class Builds:
    """Each preset is built once, when its first suite comes."""

    def __init__(self, root):
        self._root = root
        self._built = {}

    def build(self, preset):
        """Whether the preset could be built."""
        if preset not in self._built:
            print(f'\n=== build {preset}', flush=True)
            begun = time.monotonic()
            status = execute([self._root / 'scripts/build', preset], self._root, BUILD_LIMIT_S)
            print(f'built in {time.monotonic() - begun:.1f} s' if status == 0 else 'it does not build', flush=True)
            self._built[preset] = status == 0
        return self._built[preset]


def run(suite, builds):
    """One suite, its preset first."""
    begun = time.monotonic()
    if builds.build(suite.preset):
        print(f'\n=== {suite.name}', flush=True)
        result = suite.run()
    else:
        result = Result(failures=[f'the preset {suite.preset} does not build'])
    result.spent_s = time.monotonic() - begun
    return result


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
    builds = Builds(root)
    return show({name: run(suite, builds) for name, suite in suites.items()
                 if not options.suites or name in options.suites})


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
