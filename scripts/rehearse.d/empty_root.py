"""An empty root: the server and the plugin, static both, and nothing else. No shell, no library, no /proc, no
/dev, no certificates, a root that cannot be written, another user; sockets and storage on tmpfs."""

import os
import pathlib
import shutil

from machine import NAME, Server, run, say, use

USER_ID = 64200


def prepare(machine, root):
    """The root, with modules for names that a static binary must not load (`resolve`)."""
    root.mkdir()
    run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", root)
    for folder in ["plugins", "sockets", "data", "etc"]:
        (root / folder).mkdir()
    shutil.copy(machine.servers["2.7"], root / "bao")
    shutil.copy(machine.binary("amd64"), root / "plugins" / NAME)
    (root / "etc/nsswitch.conf").write_text("hosts: resolve files dns\ngroup: systemd files\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    for folder in ["sockets", "data"]:
        run("mount", "-t", "tmpfs", "-o", f"mode=0700,uid={USER_ID},gid={USER_ID}", "tmpfs", root / folder)


def play(machine):
    root = pathlib.Path("/run/root")
    prepare(machine, root)

    def enter():
        os.chroot(root)
        os.chdir("/")
        os.setgroups([])
        os.setgid(USER_ID)
        os.setuid(USER_ID)

    variables = {"TMPDIR": "/sockets", "HOME": "/data"}
    server = Server("/bao", machine.work, "empty-root", "/bao.hcl", variables, preexec_fn=enter)
    (root / "bao.hcl").write_text(server.base("/data") + 'plugin_directory = "/plugins"\n')
    run("mount", "-o", "remount,ro", root)
    server.start()
    # The command line is the administrator's, on another machine.
    server.binary = machine.servers["2.7"]
    server.set_up()
    sum_of = server.command(f"sha256sum {machine.binary('amd64')} | cut -d' ' -f1").strip()
    server.command(f"bao plugin register -sha256={sum_of} -command={NAME} -version={machine.version} secret mongodbatlas")
    server.command("bao secrets enable mongodbatlas")
    url = machine.atlas.url.replace("127.0.0.1", "localhost")
    use(server, machine.atlas, url)
    say(f"  {' '.join(sorted(os.listdir(root)))}: issues and revokes as user {USER_ID} at {url.rsplit(':', 1)[0]}, with `hosts: resolve files dns`")
    server.stop()
