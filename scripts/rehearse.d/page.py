"""INSTALL.md, word for word: its configuration is pasted, its commands are typed."""

import os
import re
import shutil

from machine import FOLDER, NAME, PLUGINS, USER_ID, Failure, Server, run, say, use, version_of


class Page:
    """The commands and configuration of INSTALL.md, by the heading they stand under."""

    def __init__(self, dist, work, registry):
        self.version = version_of(dist)
        self.folder = work / f"fetched-{self.version}"
        shutil.copytree(dist, self.folder)
        # The key for releases is not here: one that is made for it stands for it. The page names none.
        secret, public = work / "release.key", work / "release.pub"
        if not secret.exists():
            run("minisign", "-G", "-W", "-s", secret, "-p", public)
        run("minisign", "-S", "-s", secret, "-m", self.folder / "SHA256SUMS", "-t", f"{NAME} {self.version}")
        os.environ["KEY"] = public.read_text().split("\n")[1]
        # The image is not published yet: this registry stands for the real one, and for the user's own.
        text = (dist / "INSTALL.md").read_text()
        self.image = re.search(rf"(\S+/{NAME}):v\S+@sha256:", text)[1].strip('"')
        text = text.replace(self.image, f"{registry.name}/{NAME}").replace("registry.example.com", registry.name)
        parts = re.split(r"^##+ (.*)$", text, flags=re.MULTILINE)
        self.sections = dict(zip(parts[1::2], parts[2::2]))

    def blocks(self, heading):
        if heading not in self.sections:
            raise Failure(f"INSTALL.md has no heading {heading!r}: {list(self.sections)}")
        return re.findall(r"^```(hcl|console)\n(.*?)^```", self.sections[heading], re.MULTILINE | re.DOTALL)

    @staticmethod
    def commands(text):
        return re.findall(r"^\$ ((?:.*\\\n)*.*)$", text, re.MULTILINE)

    def play(self, heading, server, without=()):
        """Does what stands under a heading, without the commands that begin so."""
        for kind, text in self.blocks(heading):
            if kind == "hcl":
                server.write(text, add=True)
                continue
            for command in self.commands(text):
                if not command.startswith(tuple(without)):
                    self.type(command, server)

    def stanza(self, heading):
        """The configuration under a heading; nothing for the way by hand."""
        return "".join(text for kind, text in self.blocks(heading) if kind == "hcl")

    def type(self, command, server):
        say(f"    $ {command}")
        match command:
            case "systemctl reload openbao":
                server.reload()
            case "systemctl restart openbao":
                server.restart()
            case _ if variable := re.match(r"[A-Z]+(?==)", command):
                # Each command has a shell of its own here.
                os.environ[variable[0]] = server.command(f'{command} && printf %s "${variable[0]}"', self.folder)
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
        see_that_it_runs(page, server, heading, published)
        use(server, machine.atlas)
        server.restart()
        use(server, machine.atlas)
        say("    ok: it issues and revokes, also after a restart")
        server.stop()
    beside_others(machine, published)


def see_that_it_runs(page, server, heading, published):
    """The page's commands for that, and what they must print. Of a stanza without a checksum only the file tells."""
    of_version, of_server, of_file = [command for _, text in page.blocks("4. Check that it runs") for command in page.commands(text)]
    has_sum = "one line" not in heading
    expected = [(of_version, page.version), (of_server, published if has_sum else "")]
    if not has_sum:
        expected.append((of_file, published))
    for command, value in expected:
        printed = page.type(command, server).split()
        # A file's name follows its checksum.
        if printed[:1] != ([value] if value else []):
            raise Failure(f"{command!r} prints {printed}, and the release says {value!r}")


def beside_others(machine, published):
    """A server with a folder of its own, in which another plugin lies: it keeps both, as the page says."""
    others = FOLDER / "others"
    server = Server.fresh(machine.servers["2.7"], machine.work, "page-beside-others")
    others.mkdir()
    os.chown(others, USER_ID, USER_ID)
    # The same binary stands for another plugin.
    shutil.copy(machine.binary("amd64"), others / "another")
    server.write(f'plugin_directory = "{others}"\n', add=True)
    server.restart()
    of_another = server.command(f"sha256sum {others}/another").split()[0]
    server.command(f"bao plugin register -sha256={of_another} -command=another -version={machine.version} secret another")
    server.command("bao secrets enable another")
    say("  an OpenBao 2.7 that has a folder with another plugin in it")
    page = machine.page
    settings = page.stanza("2. Give the server a folder for plugins")
    kept = [line for line in settings.splitlines(keepends=True) if not line.startswith("plugin_directory")]
    if len(kept) != len(settings.splitlines()) - 1:
        raise Failure(f"INSTALL.md does not set plugin_directory once: {settings}")
    before = server.config.read_text()
    server.write(before.replace(str(others), str(PLUGINS)))
    page.type("install -d -o openbao -g openbao /opt/openbao/plugins", server)
    server.restart()
    printed = server.command("bao read another/status", check=False)
    if "No value found" not in printed:
        raise Failure(f"INSTALL.md says that another folder takes the plugin of a mount away, and the mount answers {printed}")
    PLUGINS.rmdir()
    server.write(before + "".join(kept))
    page.type("systemctl restart openbao", server)
    page.play("OpenBao 2.7 and later", server)
    see_that_it_runs(page, server, "OpenBao 2.7 and later", published)
    use(server, machine.atlas)
    server.command("bao read another/status")
    if PLUGINS.exists() or not (others / f"secret-mongodbatlas-{machine.version}").exists():
        raise Failure(f"the image was not put into {others}")
    say("    ok: it issues and revokes, and the other plugin's mount is served as before")
    server.stop()
    shutil.rmtree(others)
