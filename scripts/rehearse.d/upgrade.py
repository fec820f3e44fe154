"""From one release to the next and back, as INSTALL.md of the next one says, with leases that live through it."""

import io
import json
import os
import shutil
import sys
import tarfile

import oci
from machine import NAME, Failure, Server, configure, issue, run, say, see_keys, version_of
from page import Page, see_that_it_runs, sums

UPGRADE = "5. Upgrade from an earlier release"
BACK = "Go back"
END = "When nobody wants to go back"
# Each way, on a server that it is for.
WAYS = [
    ("OpenBao 2.7 and later", "2.7"),
    ("OpenBao 2.7 and later, in one line", "2.7"),
    ("OpenBao 2.5 and 2.6", "2.6"),
    ("By hand", "2.7"),
]


def in_image(archive, name):
    """A file of the image in an archive, of whichever architecture comes first."""
    with tarfile.open(archive) as layout:
        for entry in layout:
            content = layout.extractfile(entry).read() if entry.isfile() else b""
            if content[257:262] == b"ustar":
                with tarfile.open(fileobj=io.BytesIO(content)) as layer:
                    return layer.extractfile(name).read()
    raise Failure(f"{archive} holds no layer with {name}")


def next_release(machine):
    """A release of the plugin that was built as another version, put together as each release is. Only its binary
    for amd64 is new; the one for arm64 is not run here."""
    parts, dist = machine.work / "parts", machine.work / "next"
    parts.mkdir()
    told = run(machine.next, "--version").strip()
    version = told.removeprefix(f"{NAME} ")
    if version in [told, machine.version]:
        raise Failure(f"the plugin to upgrade to says that it is {told}")
    shutil.copy(machine.next, parts / "amd64")
    shutil.copy(machine.binary("arm64"), parts / "arm64")
    shutil.copy(next(machine.dist.glob("*.cdx.json")), parts / "cdx.json")
    for name in ["THIRD-PARTY-LICENSES", "buildinfo"]:
        shutil.copy(machine.dist / name, parts)
    (parts / "ca-certificates.crt").write_bytes(in_image(next(machine.dist.glob("*_oci.tar")), oci.CERTIFICATES))
    command = [sys.executable, "-B", machine.top / "scripts/release.d/assemble.py", "--parts", parts, "--dist", dist]
    command += ["--version", version, "--image", machine.page.image, "--source-url", "https://example.com/sources"]
    run(*command, "--commit", "0" * 40, "--seconds", "0")
    return dist


def see_version(server, version):
    """That the mount is served by this release: by what the server and what the plugin say."""
    told = [server.command(f"bao read -field={field}").strip() for field in ["running_plugin_version sys/mounts/mongodbatlas", "version mongodbatlas/status"]]
    if told != [version, version]:
        raise Failure(f"the mount should be served by {version}, and is by {told}")


def make_known(page, heading, server):
    """What the page says under a way, for a server on which the engine is enabled already."""
    if page.stanza(heading):
        server.write(page.stanza(heading), add=True)
    else:
        page.play(heading, server, without=["bao secrets enable"])


class Upgrade:
    """One server, which has the first release in one way, and gets the second one in the same."""

    def __init__(self, machine, pages, heading, version):
        self.atlas, self.heading = machine.atlas, heading
        self.first, self.second = pages
        number = WAYS.index((heading, version))
        self.server = Server.fresh(machine.servers[version], machine.work, f"upgrade-{number}")
        self.leases = []

    def issue(self, when):
        self.leases.append(issue(self.server))
        see_keys(self.atlas, len(self.leases), when)

    def renew(self):
        for lease in self.leases:
            self.server.command(f"bao lease renew {lease}")

    def install_first(self):
        self.first.play("2. Give the server a folder for plugins", self.server)
        self.first.play(self.heading, self.server)
        configure(self.server, self.atlas)
        self.with_first = self.server.config.read_text()
        see_version(self.server, self.first.version)
        self.issue("after the first release issued")

    def upgrade(self):
        make_known(self.second, self.heading, self.server)
        see_version(self.server, self.first.version)
        self.second.play(UPGRADE, self.server)
        if os.environ["OLD"] != self.first.version:
            raise Failure(f"the page noted {os.environ['OLD']!r} as the earlier version")
        published = sums(self.second.folder)[f"{NAME}_{self.second.version}_linux_amd64"]
        see_that_it_runs(self.second, self.server, self.heading, published)
        see_version(self.server, self.second.version)
        self.renew()
        self.issue("after the second release issued")

    def go_back(self):
        self.second.play(BACK, self.server)
        see_version(self.server, self.first.version)
        self.renew()
        self.issue("after the first release issued again")

    def end(self):
        """Once more to the second release; then the first one goes, and the server is started anew."""
        self.second.play(UPGRADE, self.server)
        first = self.first.stanza(self.heading)
        if first:
            text = self.server.config.read_text()
            if text.count(first) != 1:
                raise Failure(f"the first release's stanza is not in the configuration once: {text}")
            self.server.write(text.replace(first, ""))
        else:
            self.server.command(f"bao plugin deregister -version={self.first.version} secret mongodbatlas")
        self.second.play(END, self.server)
        self.server.restart()
        see_version(self.server, self.second.version)
        listed = self.server.command("bao plugin list secret")
        if self.first.version in listed:
            raise Failure(f"the first release is still known: {listed}")
        self.renew()
        self.issue("after the start with the second release alone")
        self.server.command("bao lease revoke -sync -prefix mongodbatlas/")
        see_keys(self.atlas, 0, "after all leases were revoked")
        left = self.server.command("bao list -format=json mongodbatlas/issued", check=False)
        if json.loads(left) not in [{}, []]:
            raise Failure(f"the journal still holds {left}")
        self.server.stop()


def replaced(machine, pages):
    """What the page warns of: the new stanza in the place of the old one takes the mount's plugin away at the next
    start. The old one brings it back."""
    upgrade = Upgrade(machine, pages, *WAYS[0])
    upgrade.install_first()
    server, both = upgrade.server, upgrade.with_first
    server.write(both.replace(upgrade.first.stanza(upgrade.heading), upgrade.second.stanza(upgrade.heading)))
    server.restart()
    printed = server.command("bao read mongodbatlas/status", check=False)
    say(f"  a new stanza in the place of the old one: {printed.strip()}")
    if "No value found" not in printed and "backend is nil" not in printed:
        raise Failure("INSTALL.md says that the mount has no plugin then, and it has one")
    server.write(both)
    server.restart()
    upgrade.renew()
    server.command("bao lease revoke -sync -prefix mongodbatlas/")
    see_keys(machine.atlas, 0, "after all leases were revoked")
    server.stop()


def play(machine):
    dist = next_release(machine)
    pages = [machine.page, Page(dist, machine.work, machine.registry)]
    say(f"  {machine.version} to {version_of(dist)}")
    for number, (heading, version) in enumerate(WAYS):
        say(f"  an OpenBao {version} with {machine.version}: {heading}")
        upgrade = Upgrade(machine, pages, heading, version)
        if number == 0:
            for page in pages:
                page.play("1. Check what you fetched", upgrade.server)
                page.play("Without the internet", upgrade.server)
        upgrade.install_first()
        upgrade.upgrade()
        upgrade.go_back()
        upgrade.end()
        say("    ok: issued by each, renewed by the other, all revoked; Atlas holds nothing")
    replaced(machine, pages)
