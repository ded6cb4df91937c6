"""What the registry is told at set-up: the shipped seed, and the principals of this cluster, by `lujian load`.

A folder is loaded again only when its content has changed since it was loaded into this run's databases.
"""
import hashlib
import json
import subprocess

from . import principals
from .errors import ClusterError, failure
from .instances import binary, peers_path
from .paths import SEED_DIR, write_whole
from .processes import clean_environment

LOAD_S = 120.0


def _digest(folder):
    digest = hashlib.sha256()
    for path in sorted(folder.rglob('*')):
        if path.is_file():
            digest.update(f'{path.relative_to(folder)}\0{path.stat().st_size}\0'.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


class Seeding:
    """Loads folders into the registry of one run directory."""

    def __init__(self, run_dir, build):
        self._run_dir = run_dir
        self._cli = binary(build, 'lujian')
        self._marker = run_dir / 'loaded.json'

    def load(self, folder):
        """Load a folder unless the same content is there already; whether it was loaded."""
        loaded = json.loads(self._marker.read_text()) if self._marker.exists() else {}
        digest = _digest(folder)
        if loaded.get(str(folder)) == digest:
            return False
        self._run(folder)
        write_whole(self._marker, json.dumps(loaded | {str(folder): digest}, indent=1))
        return True

    def _run(self, folder):
        if not self._cli.exists():
            raise ClusterError(f'{self._cli} is not there: run scripts/build')
        log_path = self._run_dir / 'log' / 'load.log'
        env = clean_environment({
            'LUJIAN_PEERS': str(peers_path(self._run_dir)),
            'LUJIAN_CREDENTIALS': str(principals.credentials_path(self._run_dir, 'operator'))})
        with log_path.open('ab') as log:
            try:
                code = subprocess.run([str(self._cli), 'load', str(folder)], env=env, stdin=subprocess.DEVNULL,
                                      stdout=log, stderr=log, timeout=LOAD_S, check=False).returncode
            except subprocess.TimeoutExpired:
                raise failure(f'`lujian load {folder}` was not done after {LOAD_S:g} s', log_path) from None
        if code != 0:
            raise failure(f'`lujian load {folder}` ended with {code}', log_path)

    def load_seed(self):
        """Load what ships: divisions, units, categories, rules, calendars."""
        return self.load(SEED_DIR) if SEED_DIR.is_dir() else False

    def load_principals(self, everyone):
        """Load these principals, with keys made for those who have none."""
        return self.load(principals.write_csv(self._run_dir, everyone))
