"""What the cache no longer needs. A fixture in use is locked by its hosts; other checkouts share the cache, so that only what
several newer ones have replaced, or nobody has used for long, goes."""
import fcntl
import json
import shutil
import time

from .config import CACHE, FIXTURES

KEPT = 4  # fixtures of one role
DAY = 24 * 3600
UNUSED_DAYS = 14


def after(role):
    """Called when a fixture of this role was built."""
    metas = {}
    for path in FIXTURES.iterdir():
        try:
            metas[path] = json.loads((path / "meta.json").read_text())
        except (FileNotFoundError, NotADirectoryError):
            if _age(path) > DAY:  # a builder that was killed has left it
                shutil.rmtree(path, ignore_errors=True)
    newest = sorted((path for path in metas if metas[path]["role"] == role), key=_age)
    needed = {need for meta in metas.values() for need in meta["needs"]}
    for path in metas:
        base_of_others = str(path / "disk.qcow2") in needed
        if _age(path) > UNUSED_DAYS * DAY or (path in newest[KEPT:] and not base_of_others):
            _remove_unused(path)
    _images(needed)


def _remove_unused(fixture):
    with open(fixture / "meta.json") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        shutil.rmtree(fixture, ignore_errors=True)


def _images(needed):
    """Disk images that no fixture is based on; a day old, because a fixture may be in the making."""
    for folder in (CACHE / "images").iterdir():
        if str(folder / "disk.img") not in needed and _age(folder) > DAY:
            shutil.rmtree(folder, ignore_errors=True)


def _age(path):
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0
