"""The binary for arm64, emulated: what it says of itself, and a server of this machine that issues and revokes by it."""

import hashlib
import os
import shutil

from machine import FOLDER, NAME, PLUGINS, USER_ID, Failure, Server, run, say, use, where_all_may_read


def play(machine):
    emulator = shutil.which("qemu-aarch64-static")
    told = run(emulator, machine.binary("arm64"), "--version").strip()
    say(f"  --version: {told}")
    if told != f"{NAME} {machine.version}":
        raise Failure(f"the release is {machine.version}")
    variables = {**os.environ, "TMPDIR": str(FOLDER / "sockets")}
    say("  --self-test:\n" + run(emulator, machine.binary("arm64"), "--self-test", env=variables))
    server = Server.fresh(machine.servers["2.7"], machine.work, "arm64")
    PLUGINS.mkdir()
    os.chown(PLUGINS, USER_ID, USER_ID)
    emulator = where_all_may_read(emulator, "emulator")
    shutil.copy(machine.binary("arm64"), FOLDER / "arm64")
    script = PLUGINS / NAME
    script.write_text(f'#!/bin/sh\nexec {emulator} {FOLDER}/arm64 "$@"\n')
    script.chmod(0o755)
    server.write(f'plugin_directory = "{PLUGINS}"\n', add=True)
    server.restart()
    sum_of = hashlib.sha256(script.read_bytes()).hexdigest()
    server.command(f"bao plugin register -sha256={sum_of} -command={NAME} -version={machine.version} secret mongodbatlas")
    server.command("bao secrets enable mongodbatlas")
    use(server, machine.atlas)
    say("  under qemu: handshake, issues and revokes")
    server.stop()
