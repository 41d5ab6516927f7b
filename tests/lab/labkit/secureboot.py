"""Secure Boot without a vendor: who trusts whom.

OVMF's snakeoil variables have Secure Boot on with a key that Debian publishes, so the lab signs the kernel with that key.
Modules are signed by a machine owner key (MOK). A real host's shim hands the MOK list from its own variables to the
kernel as MokListRT; without a shim the lab writes MokListRT itself, into the variable store file, before the host
first boots. The kernel then has the certificate in .machine and trusts modules signed with it.
"""
import base64
import hashlib
import re
import struct
import uuid
from pathlib import Path

from .config import CACHE, LabError, command, digest, install_dependencies, locked

SNAKEOIL_VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd")
SNAKEOIL_KEY = Path("/usr/share/ovmf/PkKek-1-snakeoil.key")
SNAKEOIL_CERTIFICATE = Path("/usr/share/ovmf/PkKek-1-snakeoil.pem")

SHIM = uuid.UUID("605dab50-e046-4300-abb6-3dd810dd8b23")
SHA256 = uuid.UUID("c1c41626-504c-4092-aca9-41f936934328")
X509_SHA256 = uuid.UUID("3bd2a492-96c0-4079-b420-fcf98ef103ed")
X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
AUTHENTICATED_STORE = uuid.UUID("aaf32c78-947b-439a-a180-2e144ec37792")

MOK_EXTENSIONS = """
[req]
distinguished_name = name
x509_extensions = module
prompt = no
[name]
CN = livepatch-agent lab MOK
[module]
basicConstraints = critical,CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = codeSigning
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def mok_pair():
    """(certificate, key) of the lab's own publisher, PEM."""
    folder = CACHE / "mok"
    certificate, key = folder / "mok.pem", folder / "mok.key"
    with locked("mok"):
        if not certificate.exists():
            install_dependencies()
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "mok.conf").write_text(MOK_EXTENSIONS)
            command("openssl", "req", "-new", "-x509", "-newkey", "rsa:3072", "-sha256", "-nodes", "-days", "3650",
                    "-config", folder / "mok.conf", "-keyout", key, "-out", folder / "mok.new")
            (folder / "mok.new").rename(certificate)
    return certificate, key


def signed(kernel):
    """The kernel's vmlinuz, signed with the key that the snakeoil variables trust."""
    final = kernel.folder / "boot" / f"{kernel.vmlinuz.name}.signed"
    if not final.exists():
        with locked(f"sign-{kernel.abi}"):
            if not final.exists():
                _need_snakeoil()
                plain = kernel.folder / "snakeoil.key"
                command("openssl", "rsa", "-in", SNAKEOIL_KEY, "-passin", "pass:snakeoil", "-out", plain)
                command("sbsign", "--key", plain, "--cert", SNAKEOIL_CERTIFICATE, "--output", f"{final}.new", kernel.vmlinuz)
                Path(f"{final}.new").rename(final)
    return final


def variables(mok=None, revoked=None):
    """A variable store file in which this certificate (the lab's own without one) is the MOK list, and a file of this SHA-256 is revoked; after `tbs:`, a certificate whose signed part has it."""
    certificate = Path(mok) if mok else mok_pair()[0]
    try:
        der = _der(certificate.read_text())
    except (OSError, ValueError) as error:
        raise LabError(f"cannot enrol {certificate}: {error}; it has to be an X.509 certificate as PEM") from None
    _need_snakeoil()
    final = CACHE / "variables" / f"{digest(SNAKEOIL_VARIABLES, der, *([revoked] if revoked else []))}.fd"
    if not final.exists():
        with locked("variables"):
            final.parent.mkdir(parents=True, exist_ok=True)
            entries = [("MokListRT", _signature_list(X509, der)), ("MokListTrustedRT", b"\x01")]
            if revoked:
                kind, _, hash_ = revoked.rpartition(":")
                entries.append(("MokListXRT", _signature_list(X509_SHA256 if kind == "tbs" else SHA256, bytes.fromhex(hash_))))
            temporary = Path(f"{final}.new")
            temporary.write_bytes(_with_variables(SNAKEOIL_VARIABLES.read_bytes(), entries))
            temporary.rename(final)
    return final


def signed_part(mok=None):
    """The SHA-256 of what is signed of a certificate, the lab's own without one: by that lists of revoked ones name it."""
    der = _der(Path(mok or mok_pair()[0]).read_text())
    start = _header(der, 0)
    return hashlib.sha256(der[start:_end(der, start)]).hexdigest()


def _header(der, at):
    """Where the content of the DER element begins."""
    return at + 2 + (der[at + 1] & 0x7F if der[at + 1] & 0x80 else 0)


def _end(der, at):
    first, begin = der[at + 1], _header(der, at)
    return begin + (int.from_bytes(der[at + 2:begin], "big") if first & 0x80 else first)


def _need_snakeoil():
    if not SNAKEOIL_VARIABLES.exists():
        install_dependencies()


def _der(pem):
    found = re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", pem, re.S)
    if not found:
        raise ValueError("no certificate in it")
    return base64.b64decode(found.group(1))


def _signature_list(kind, content):
    """EFI_SIGNATURE_LIST of one X.509 certificate or digest: type, list size, header size, entry size; then owner and content."""
    entry = SHIM.bytes_le + content
    return kind.bytes_le + struct.pack("<III", 28 + len(entry), 0, len(entry)) + entry


def _with_variables(store, entries):
    """The firmware's variable store with more variables behind its last one (edk2, AuthenticatedVariableFormat.h)."""
    header = store.find(AUTHENTICATED_STORE.bytes_le)
    if header < 0:
        raise LabError(f"cannot write variables into {SNAKEOIL_VARIABLES}: no authenticated variable store in it (another ovmf?)")
    size = struct.unpack_from("<I", store, header + 16)[0]
    store, at, end = bytearray(store), header + 28, header + size
    while struct.unpack_from("<H", store, at)[0] == 0x55AA:
        name_size, data_size = struct.unpack_from("<II", store, at + 36)
        at = _aligned(at + 60 + name_size + data_size)
    for name, data in entries:
        encoded = (name + "\0").encode("utf-16-le")
        # start, state "added", reserved, attributes NV+BS+RT, monotonic count, time stamp, key index, sizes, vendor
        record = struct.pack("<HBBIQ16xIII", 0x55AA, 0x3F, 0, 7, 0, 0, len(encoded), len(data)) + SHIM.bytes_le + encoded + data
        if at + len(record) > end:
            raise LabError(f"cannot write variable {name}: the store of {SNAKEOIL_VARIABLES} is full")
        store[at:at + len(record)] = record
        at = _aligned(at + len(record))
    return bytes(store)


def _aligned(offset):
    return (offset + 3) & ~3
