"""The files of the checkout that we wrote, by kind. Generated and installed things are not ours."""
import os
from pathlib import Path

TOP = ('services', 'proto', 'deploy', 'scripts', 'tests', '.ci')
PRUNED = {'node_modules', '__pycache__', 'build'}


class Tree:
    """The checkout at root."""

    def __init__(self, root):
        self.root = Path(root)
        self.paths = sorted(self._walk())

    def _walk(self):
        for top in TOP:
            for folder, below, names in os.walk(self.root / top):
                below[:] = [name for name in below if name not in PRUNED]
                for name in names:
                    path = Path(folder, name)
                    if path.is_file() and not path.is_symlink():
                        yield path

    def ending(self, *suffixes):
        """Files whose names end so."""
        return [path for path in self.paths if path.suffix in suffixes]

    @property
    def c_files(self):
        """C sources and headers."""
        return self.ending('.c', '.h')

    @property
    def python_files(self):
        """Python, also where only the first line says so."""
        return [path for path in self.paths if path.suffix == '.py' or _interpreter(path).endswith('python3')]

    @property
    def shell_files(self):
        """Shell, also where only the first line says so."""
        return [path for path in self.paths
                if path.suffix == '.sh' or _interpreter(path) in ('bash', 'sh')]

    @property
    def sql_files(self):
        """Statements and migrations."""
        return [path for path in self.ending('.sql') if path.parent.name == 'sql']

    def short(self, path):
        """As it is told to people."""
        return str(Path(path).relative_to(self.root))


def _interpreter(path):
    if path.suffix:
        return ''
    with path.open('rb') as opened:
        first = opened.readline(200)
    if not first.startswith(b'#!'):
        return ''
    return first.decode('utf-8', 'replace').split()[-1].rsplit('/', 1)[-1]
