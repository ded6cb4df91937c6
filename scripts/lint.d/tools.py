"""The checks that others wrote: clang-format, clang-tidy, cppcheck, buf, shellcheck."""
import collections
import hashlib
import json
import os
import re
from pathlib import Path

from report import Check, chunks, command, counted

CACHE_KEPT_MAX = 4000
# The compilation database is gcc's, and warnings are gcc's to give: from clang only its checks and errors are wanted.
TIDY_ARGUMENTS = ('--extra-arg=-w', '--extra-arg=-Wno-error')
# A test reads numbers that it wrote itself.
TIDY_RELAXED = ('--checks=-cert-err34-c',)
TIDY_CHATTER = re.compile(r'\d+ (?:warning|error)s? (?:and|generated)|Error while processing|Suppressed ')


def clang_format(tree):
    """Our C stands as .clang-format says. Where is told by `clang-format -i`; here it is enough which files."""
    files = tree.c_files

    def job(part):
        found = command(['clang-format', '--dry-run', '-Werror', '--style=file', *part], tree.root)
        places = collections.Counter(re.findall(r'^(\S+?):\d+:\d+: error', found, re.M))
        told = ''.join(f'{tree.short(path)}: {number} places: clang-format -i\n' for path, number in places.items())
        return told or found
    return Check('clang-format', counted(files, 'C files'), [(lambda part=part: job(part))
                                                             for part in chunks(files, 40)])


class TidyCache:
    """Sources that clang-tidy was content with, by the content of the source, of all headers and of the checks."""

    def __init__(self, folder, tree, headers):
        self._folder = folder
        common = hashlib.sha256((tree.root / '.clang-tidy').read_bytes())
        for header in sorted(headers):
            common.update(header.read_bytes())
        self._common = common.digest()

    def entry(self, source):
        """The file that stands for a content source."""
        digest = hashlib.sha256(self._common + str(source).encode() + b'\0' + source.read_bytes())
        return self._folder / digest.hexdigest()

    def prune(self):
        """The oldest entries go."""
        entries = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in entries[:-CACHE_KEPT_MAX]:
            path.unlink()


def clang_tidy(tree, build):
    """Sources of the compilation database that are ours; one job each, for they take long."""
    database = build / 'compile_commands.json'
    if not database.exists():
        return Check('clang-tidy', 'no file', [lambda: f'{database} is not there: run scripts/build'])
    ours = set(tree.ending('.c'))
    sources = sorted({Path(os.path.normpath(Path(one['directory'], one['file'])))
                      for one in json.loads(database.read_text())} & ours)
    folder = build / 'clang-tidy'
    folder.mkdir(exist_ok=True)
    cache = TidyCache(folder, tree, [*tree.ending('.h'), *(build / 'proto').rglob('*.h')])
    cache.prune()

    def job(source):
        entry = cache.entry(source)
        if entry.exists():
            return ''
        relaxed = TIDY_RELAXED if 'tests' in source.relative_to(tree.root).parts else ()
        found = command(['clang-tidy', '--quiet', '-p', build, *TIDY_ARGUMENTS, *relaxed, source], tree.root)
        if not found:
            entry.touch()
        return '\n'.join(line for line in found.splitlines() if not TIDY_CHATTER.match(line))
    return Check('clang-tidy', counted(sources, 'C sources'), [(lambda source=source: job(source))
                                                               for source in sources])


def cppcheck(tree, build):
    """What cppcheck sees in sources that the compiler passes.

    The compiler knows better where a function ends without a value, and cppcheck 2.10 does not know the __VA_OPT__ in
    log_line: to it that is a function.
    """
    files = tree.ending('.c')
    cache = build / 'cppcheck'
    cache.mkdir(parents=True, exist_ok=True)
    argv = ['cppcheck', '--quiet', '--std=c11', '--error-exitcode=1', '--inline-suppr', '--template=gcc',
            '--enable=warning,performance,portability', '--suppress=missingInclude', '--suppress=missingIncludeSystem',
            '--suppress=unmatchedSuppression', '--suppress=missingReturn', '-Ulog_line', '-D_GNU_SOURCE',
            f'--cppcheck-build-dir={cache}', '-j2', f'-I{tree.root / "services/lib"}']
    return Check('cppcheck', counted(files, 'C sources'), [lambda: command([*argv, *files], tree.root)] if files else [])


def buf(tree):
    """The contract's style, and that nothing in it breaks who speaks its last version."""
    proto = tree.root / 'proto'
    files = tree.ending('.proto')
    binary = tree.root / 'scripts/tools/node_modules/.bin/buf'

    def missing(name):
        return '' if (proto / name).exists() else f'proto/{name} is missing\n'
    return Check('buf', counted(files, 'proto files, lint and breaking'), [
        lambda: missing('buf.yaml') or command([binary, 'lint', 'proto'], tree.root),
        lambda: missing('buf.yaml') + missing('baseline.binpb') or command(
            [binary, 'breaking', 'proto', '--against', 'proto/baseline.binpb'], tree.root)])


def shellcheck(tree):
    """Shell scripts."""
    files = tree.shell_files
    return Check('shellcheck', counted(files, 'shell scripts'),
                 [lambda: command(['shellcheck', '-x', *files], tree.root)] if files else [])


def lockfile(tree):
    """The lock file of scripts/tools names packages and digests, never the host they came from."""
    path = tree.root / 'scripts/tools/package-lock.json'
    return Check('lock file', tree.short(path), [
        lambda: ''.join(f'{tree.short(path)}:{number}: names a host\n'
                        for number, line in enumerate(path.read_text().splitlines(), 1) if '://' in line)])


def checks(tree, build):
    """All of them, the long ones first."""
    return [clang_tidy(tree, build), cppcheck(tree, build), clang_format(tree), buf(tree), shellcheck(tree),
            lockfile(tree)]
