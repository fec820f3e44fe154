"""Plays a release on real servers (see scripts/rehearse, which starts this in a mount namespace of its own)."""

import argparse
import pathlib
import shutil
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "scripts/release.d"))

import arm64  # noqa: E402
import empty_root  # noqa: E402
import faults  # noqa: E402
import page  # noqa: E402
import upgrade  # noqa: E402
from machine import Atlas, Failure, Process, Registry, lay_over, say, version_of, where_all_may_read  # noqa: E402

PARTS = {"page": page.play, "upgrade": upgrade.play, "faults": faults.play, "empty-root": empty_root.play, "arm64": arm64.play}


class Machine:
    """What every part of the rehearsal is played on."""

    def __init__(self, given, work):
        self.dist, self.next, self.work, self.top = given.dist.resolve(), given.next, work, TOP
        self.version = version_of(self.dist)
        lay_over()
        pairs = dict(pair.split("=", 1) for pair in given.server)
        self.servers = {name: where_all_may_read(file, f"bao-{name}") for name, file in pairs.items()}
        self.registry = Registry(work)
        self.atlas = Atlas(given.simulator, work)
        self.page = page.Page(self.dist, work, self.registry)

    def servers_running(self):
        lasting = [self.registry.process, self.atlas.process]
        return [process for process in Process.running if process not in lasting]

    def binary(self, architecture):
        return next(self.dist.glob(f"*_linux_{architecture}"))


def play(part, machine):
    """Whether a part went well; what it left running ends, so that the next one starts anew."""
    try:
        part(machine)
    except Failure as failure:
        say(f"FAILED: {failure}")
        for process in machine.servers_running():
            say(f"--- end of {process.log.name}:\n{process.text()[-1500:]}")
        return False
    finally:
        for process in machine.servers_running():
            process.stop()
        machine.registry.start_again()
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dist", required=True, type=pathlib.Path)
    parser.add_argument("--simulator", required=True)
    parser.add_argument("--next", required=True, type=pathlib.Path, help="the plugin of another version, for `upgrade`")
    parser.add_argument("--server", action="append", required=True, metavar="VERSION=FILE")
    parser.add_argument("part", nargs="*", default=[])
    given = parser.parse_args()
    unknown = set(given.part) - set(PARTS)
    if unknown:
        sys.exit(f"there is no part {', '.join(unknown)}: {', '.join(PARTS)}")
    work = pathlib.Path(tempfile.mkdtemp(prefix="rehearse"))
    work.chmod(0o755)
    failed = []
    try:
        machine = Machine(given, work)
        for name in given.part or PARTS:
            started = time.monotonic()
            say(f"== {name}")
            outcome = "ok" if play(PARTS[name], machine) else "FAILED"
            if outcome != "ok":
                failed.append(name)
            say(f"== {name}: {outcome} ({time.monotonic() - started:.0f} s)")
    finally:
        for process in list(Process.running):
            process.stop()
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
