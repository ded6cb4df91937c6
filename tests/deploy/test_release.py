"""What deploy/systemd tells to install: a release builds from this checkout, and nothing in it listens to fault points."""
import subprocess

import pytest

from cluster.paths import ROOT, build_dir

BUILD_S = 600
BINARIES = ('lujian', 'lujian-registry', 'lujian-complaints', 'lujian-supervision', 'lujian-gateway')
SWITCH = b'LUJIAN_FAULT'


@pytest.mark.timeout(BUILD_S)
def test_a_release_has_no_fault_points():
    assert SWITCH in (build_dir() / 'services/lujian-complaints').read_bytes()  # this is how one would be found
    subprocess.run([ROOT / 'scripts/build', 'release'], check=True, timeout=BUILD_S)
    for name in BINARIES:
        assert SWITCH not in (ROOT / 'build/release/services' / name).read_bytes(), name
