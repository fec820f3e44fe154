"""An empty root: the server and the plugin, static both, and nothing else. No shell, no library, no /proc, no
/dev, no certificates, a root that cannot be written, another user; sockets and storage on tmpfs. Atlas has a name
that only a name server knows."""

import os
import pathlib
import shutil

from machine import NAME, Failure, Server, run, say, use
from names import Front, NameServer

USER_ID = 64200


def prepare(machine, root, name_server):
    """The root, with modules for names that a static binary must not load (`resolve`)."""
    root.mkdir()
    run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", root)
    for folder in ["plugins", "sockets", "data", "etc"]:
        (root / folder).mkdir()
    shutil.copy(machine.servers["2.7"], root / "bao")
    shutil.copy(machine.binary("amd64"), root / "plugins" / NAME)
    (root / "etc/nsswitch.conf").write_text("hosts: resolve files dns\ngroup: systemd files\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (root / "etc/resolv.conf").write_text(f"nameserver {name_server.address}\n")
    for folder in ["sockets", "data"]:
        run("mount", "-t", "tmpfs", "-o", f"mode=0700,uid={USER_ID},gid={USER_ID}", "tmpfs", root / folder)


def play(machine):
    root = pathlib.Path("/run/root")
    name_server, front = NameServer(), Front(machine.atlas, machine.work)
    prepare(machine, root, name_server)

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
    in_root = " ".join(sorted(os.listdir(root)))
    use(server, machine.atlas, f"base_url={front.url}", f"ca_certificate=@{front.authority}")
    host = front.url.removeprefix("https://").rsplit(":", 1)[0]
    if host not in name_server.asked:
        raise Failure(f"the name server was asked for {name_server.asked}, and not for {host}")
    say(f"  {in_root}: issues and revokes as user {USER_ID}, with `hosts: resolve files dns`, at {host}, which only the name server knows")
    server.stop()
