"""A process of an image, run as Kubernetes would: PID 1 of a namespace, unprivileged, and on a
read-only root file system with a writable /tmp. Only the network is the machine's.
"""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path

from services.cli.child import Child
from services.cli.scratch import Scratch
from tests.eventually import eventually
from tests.images.building import Image
from tests.images.tools import FOLDERS, tool

# $1 is the root; the rest is the command. The mounts go with the namespace.
CONFINE = """
root=$1; shift
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
exec "$@"
"""
PATIENCE = timedelta(seconds=30)

_numbers = count(1)


@dataclass(frozen=True)
class Container:
    """One process. `child` is what started it, and ends as it does."""

    child: Child

    @property
    def log(self) -> str:
        """All that it said so far."""
        return self.child.log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Its number out here, where it is the only child of what started it."""
        parent = self.child.pid
        return int(Path(f"/proc/{parent}/task/{parent}/children").read_text())

    @property
    def status(self) -> dict[str, list[str]]:
        """What the kernel says of it."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: words.split() for name, _, words in (line.partition(":") for line in lines)}

    @property
    def mounts(self) -> dict[str, str]:
        """What is mounted at each path, and whether it is `ro` or `rw`."""
        lines = Path(f"/proc/{self.pid}/mountinfo").read_text().splitlines()
        return {words[4]: words[5].split(",")[0] for words in map(str.split, lines)}

    def terminate(self) -> None:
        """As a kubelet does: a signal to PID 1, which ignores what it has no handler for."""
        os.kill(self.pid, signal.SIGTERM)

    async def ended(self, within: timedelta = PATIENCE) -> int:
        """Its exit code, once it has ended by itself."""
        await eventually(lambda: not self.child.is_running, within)
        assert self.child.exit_code is not None
        return self.child.exit_code


def run(scratch: Scratch, image: Image, command: Sequence[str] = (), **settings: str) -> Container:
    """The image's entry point, or `command` in its place, with these settings."""
    variables = [*image.config["Env"], "HOME=/", *(f"{k}={v}" for k, v in settings.items())]
    entered = [
        *(tool("env"), "-i", *variables),
        *(tool("setpriv"), "--no-new-privs"),
        *(tool("chroot"), f"--userspec={image.config['User']}", "--groups=", image.root),
        *(command or image.config["Entrypoint"]),
    ]
    confined = [tool("sh"), "-euc", CONFINE, "sh", image.root, *entered]
    child = scratch.spawn(
        f"{image.kind}-{next(_numbers)}",
        [tool("unshare"), "--mount", "--pid", "--fork", "--kill-child", *confined],
        env={"PATH": FOLDERS},
        stop_with=signal.SIGKILL,  # it hears nothing gentler while its child runs
    )
    return Container(child)
