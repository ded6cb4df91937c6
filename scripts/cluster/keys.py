"""Secrets of a development cluster: CURVE key pairs, bearer tokens, column keys, passwords.

Everything is made once and kept in files of mode 0600 under the run directory: a restart changes no key.
"""
import hashlib
import secrets

import zmq

from . import ini
from .paths import write_once

KEY_BYTES = 32


def curve_pair():
    """A new CURVE key pair in Z85: (public, secret)."""
    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()


def service_key(path):
    """The public key of the CURVE key file at path, which is made where there is none."""
    def make():
        public, secret = curve_pair()
        return ini.flat({'public': public, 'secret': secret})
    return ini.parse_flat(write_once(path, make))['public']


def key_file(path, value=None):
    """A file with a 32-byte key in hexadecimal; value or a new one where there is none. Returns the text."""
    return write_once(path, lambda: (value or secrets.token_hex(KEY_BYTES)) + '\n').strip()


def password(path):
    """A password without characters that a URI would have to escape."""
    return write_once(path, lambda: secrets.token_urlsafe(24) + '\n').strip()


def new_credentials(principal, key_id='k1'):
    """Credentials of a principal: what his own side keeps."""
    public, secret = curve_pair()
    return {'principal': principal, 'key_id': key_id, 'curve_public': public, 'curve_secret': secret,
            'token': secrets.token_urlsafe(KEY_BYTES)}


def credentials(path, principal):
    """The credentials in the file at path, which is made where there is none."""
    return ini.parse_flat(write_once(path, lambda: ini.flat(new_credentials(principal))))


def token_sha256(token):
    """What the registry stores of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def bootstrap(path, owned):
    """Write what the registry must know of its first operator, whose credentials are owned."""
    known = {'principal': owned['principal'], 'key_id': owned['key_id'],
             'curve_public': owned['curve_public'], 'token_sha256': token_sha256(owned['token'])}
    write_once(path, lambda: ini.flat(known))
