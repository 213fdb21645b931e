"""The machine's own tools for images, and why they may not do."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NEEDED = ("buildah", "mmdebstrap", "unshare", "mount", "setpriv", "chroot", "env", "sh")


@cache
def tool(name: str) -> str:
    """Where it is."""
    found = shutil.which(name, path=FOLDERS)
    assert found, name
    return found


def lacking() -> str | None:
    """Why images can be neither built nor run here; None if they can."""
    if os.geteuid() != 0:
        return "images are built and run as root"
    missing = [name for name in NEEDED if not shutil.which(name, path=FOLDERS)]
    if missing:
        return f"images need {', '.join(missing)} (on Debian: apt install buildah mmdebstrap)"
    probe = [tool("unshare"), "--mount", "--pid", "--fork", tool("env"), "true"]
    if subprocess.run(probe, capture_output=True).returncode:
        return "images need root that may mount and make namespaces"
    return None


def output(*words: str | Path, env: Mapping[str, str] | None = None) -> str:
    """What a command prints. If it fails, all that it said is the error."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, env=env and dict(env)
    )
    assert done.returncode == 0, f"{words[0]} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()
