"""Paths of the demo and the model, and a province to play on."""
import io
import sys
from datetime import datetime
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[2] / 'tests'), str(HERE.parents[1])]

from model.calendar import CHINA  # noqa: E402


@pytest.fixture
def province():
    """A province on a Wednesday morning in October, and its gateway."""
    from gateway import Gateway
    from province import Province
    server = Gateway(Province(datetime(2026, 10, 14, 9, 30, tzinfo=CHINA)))
    yield server
    server.close()
    assert not server.errors, server.errors[0]


class Terminal(io.StringIO):
    """What a person would have seen."""

    def __init__(self, live=False):
        super().__init__()
        self._live = live

    def isatty(self):
        """Is it a terminal?"""
        return self._live
