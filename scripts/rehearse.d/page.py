"""INSTALL.md, word for word: its configuration is pasted, its commands are typed."""

import os
import re
import shutil

from machine import NAME, Failure, Server, run, say, use


class Page:
    """The commands and configuration of INSTALL.md, by the heading they stand under."""

    def __init__(self, dist, work, registry):
        self.folder = work / "fetched"
        shutil.copytree(dist, self.folder)
        # The key for releases is not here: one that is made for it stands for it. The page names none.
        secret, public = work / "release.key", work / "release.pub"
        run("minisign", "-G", "-W", "-f", "-s", secret, "-p", public)
        version = next(dist.glob("*_oci.tar")).name.split("_")[1]
        run("minisign", "-S", "-s", secret, "-m", self.folder / "SHA256SUMS", "-t", f"{NAME} {version}")
        os.environ["KEY"] = public.read_text().split("\n")[1]
        # The image is not published yet: this registry stands for the real one, and for the user's own.
        text = (dist / "INSTALL.md").read_text()
        image = re.search(rf"(\S+)/{NAME}:v\S+@sha256:", text)[1].strip('"')
        text = text.replace(image, registry.name).replace("registry.example.com", registry.name)
        parts = re.split(r"^##+ (.*)$", text, flags=re.MULTILINE)
        self.sections = dict(zip(parts[1::2], parts[2::2]))

    def blocks(self, heading):
        if heading not in self.sections:
            raise Failure(f"INSTALL.md has no heading {heading!r}: {list(self.sections)}")
        return re.findall(r"^```(hcl|console)\n(.*?)^```", self.sections[heading], re.MULTILINE | re.DOTALL)

    @staticmethod
    def commands(text):
        return re.findall(r"^\$ ((?:.*\\\n)*.*)$", text, re.MULTILINE)

    def play(self, heading, server):
        """Does what stands under a heading."""
        for kind, text in self.blocks(heading):
            if kind == "hcl":
                server.write(text, add=True)
                continue
            for command in self.commands(text):
                self.type(command, server)

    def type(self, command, server):
        say(f"    $ {command}")
        match command:
            case "systemctl reload openbao":
                server.reload()
            case "systemctl restart openbao":
                server.restart()
            case _:
                return server.command(command, self.folder)
        return ""


def sums(dist):
    """The sums that are published, by file."""
    pairs = (line.split("  ") for line in (dist / "SHA256SUMS").read_text().splitlines())
    return {name: value for value, name in pairs}


# Each way, and on which servers it is for.
WAYS = [
    ("OpenBao 2.7 and later", "2.7"),
    ("OpenBao 2.7 and later, in one line", "2.7"),
    ("OpenBao 2.5 and 2.6", "2.6"),
    ("By hand", "2.7"),
    ("By hand", "2.6"),
]


def play(machine):
    """A new user with only dist/ and a fresh server, on each server in each way."""
    page, work = machine.page, machine.work
    published = next(value for name, value in sums(machine.dist).items() if name.endswith("_linux_amd64"))
    for number, (heading, version) in enumerate(WAYS):
        server = Server.fresh(machine.servers[version], work, f"page-{number}")
        if number == 0:
            say("  fetched files, and a registry of one's own")
            page.play("1. Check what you fetched", server)
            page.play("Without the internet", server)
        say(f"  a fresh OpenBao {version}: {heading}")
        page.play("2. Give the server a folder for plugins", server)
        page.play(heading, server)
        see_that_it_runs(page, server, machine.version, "" if "one line" in heading else published)
        use(server, machine.atlas)
        server.restart()
        use(server, machine.atlas)
        say("    ok: it issues and revokes, also after a restart")
        server.stop()


def see_that_it_runs(page, server, version, published):
    """The page's last two commands, and what they must print."""
    commands = [command for _, text in page.blocks("4. See that it runs") for command in page.commands(text)]
    printed = [page.type(command, server).strip() for command in commands]
    if printed != [version, published]:
        raise Failure(f"it runs as {printed}, and the release says {[version, published]}")
