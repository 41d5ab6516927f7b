"""Appended signatures and what can be wrong with them: PKCS#7, then a trailer of 12 bytes, then a line of magic."""
import struct
import tempfile
from pathlib import Path

from labkit import kernels, secureboot
from labkit.config import CACHE, command

MAGIC = b"~Module signature appended~\n"
TRAILER = struct.Struct(">8BI")  # algorithm, hash, type, signer's length, key id's length, 3 of padding, signature's length
PKCS7 = 2
FOLDER = CACHE / "case-modules"  # with all that the cases are made of


def sign(content, by, series):
    """by: 'mok', whom the host trusts under Secure Boot, or 'stranger'."""
    certificate, key = secureboot.mok_pair() if by == "mok" else _stranger(FOLDER)
    with tempfile.TemporaryDirectory() as work:  # other checkouts sign too
        plain, signed = Path(work) / "to-sign", Path(work) / "signed"
        plain.write_bytes(content)
        command(Path(kernels.headers(series)) / "scripts" / "sign-file", "sha256", key, certificate, plain, signed)
        return signed.read_bytes()


def _stranger(folder):
    certificate, key = Path(folder) / "stranger.pem", Path(folder) / "stranger.key"
    if not certificate.exists():
        command("openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-sha256", "-nodes", "-days", "3650", "-subj", "/CN=stranger",
                "-keyout", key, "-out", certificate)
    return certificate, key


def _parts(content):
    """The module, its PKCS#7, the fields of the trailer."""
    body = content[:-len(MAGIC)]
    fields = list(TRAILER.unpack(body[-TRAILER.size:]))
    end = len(body) - TRAILER.size
    return content[:end - fields[-1]], content[end - fields[-1]:end], fields


def _joined(module, signature, fields):
    return module + signature + TRAILER.pack(*fields) + MAGIC


def by_openssl(*words):
    """Signed by the stranger, as sign-file does not sign: with attributes, or with the module in it."""
    def change(content):
        module, _, fields = _parts(content)
        certificate, key = _stranger(FOLDER)
        with tempfile.TemporaryDirectory() as work:
            plain, signed = Path(work) / "to-sign", Path(work) / "signed"
            plain.write_bytes(module)
            command("openssl", "cms", "-sign", "-binary", "-nocerts", "-nosmimecap", "-md", "sha256", "-outform", "DER", *words, "-signer", certificate, "-inkey", key, "-in", plain, "-out", signed)
            signature = signed.read_bytes()
        return _joined(module, signature, [*fields[:-1], len(signature)])
    return change


def signature_off(content):
    return _parts(content)[0]


def cut_short(content):
    return content[:-100]


def one_bit(content):
    at = content.index(b"patched by cases")
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1:]


def garbage(content):
    module, signature, fields = _parts(content)
    return _joined(module, b"\xff" * len(signature), fields)


def of_type(number):
    def change(content):
        module, signature, fields = _parts(content)
        fields[2] = number
        return _joined(module, signature, fields)
    return change


def length_of(size):
    def change(content):
        module, signature, fields = _parts(content)
        fields[-1] = size
        return _joined(module, signature, fields)
    return change
