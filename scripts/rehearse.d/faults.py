"""What goes wrong for users is made to go wrong: each message is as docs/install.md tells it."""

import os
import re
import shutil

import oci
from machine import NAME, PLUGINS, USER_ID, Failure, Server, say, use, wait_for

BASE = """
plugin_directory     = "/opt/openbao/plugins"
plugin_auto_download = true
plugin_auto_register = true
"""
NEWER = """
plugin "secret" "mongodbatlas" {{
  image = "{image}"
  {more}
}}
"""
OLDER = """
plugin "secret" "mongodbatlas" {{
  image       = "{image}"
  version     = "{version}"
  binary_name = "{binary}"
  sha256sum   = "{sum}"
}}
"""


class Faults:
    """A server of each version, and what was pushed for them."""

    def __init__(self, machine):
        self.machine, self.registry, self.version = machine, machine.registry, machine.version
        self.name = f"{machine.registry.name}/{NAME}"
        self.documented = self.words((machine.top / "docs/install.md").read_text())
        self.missing, self.seen = [], []
        self.binaries = {name: machine.binary(name).read_bytes() for name in ["amd64", "arm64"]}
        self.digest = self.push(self.version, self.binaries)

    @staticmethod
    def words(text):
        return re.sub(r"[\s`|\\]+", " ", text)

    def push(self, tag, binaries):
        return self.registry.push(self.image(binaries), tag)

    @staticmethod
    def image(binaries):
        labels = {"org.opencontainers.image.version": "any", "org.opencontainers.image.created": "2026-01-01T00:00:00Z"}
        return oci.Image(binaries, b"", labels, 0)

    def server(self, version, name):
        server = Server.fresh(self.machine.servers[version], self.machine.work, name)
        PLUGINS.mkdir()
        os.chown(PLUGINS, USER_ID, USER_ID)
        server.write(BASE, add=True)
        server.restart()
        self.kept = server.config.read_text()
        return server

    def newer(self, tag=None, digest=None, more=""):
        pin = f"@{digest}" if digest else ""
        return NEWER.format(image=f"{self.name}:{tag or self.version}{pin}", more=more)

    def older(self, **changed):
        sum_of_amd64 = self.image(self.binaries).sums["amd64"]
        values = {"image": self.name, "version": self.version, "binary": NAME, "sum": sum_of_amd64, **changed}
        return OLDER.format(**values)

    def reload(self, server, what, stanza, message):
        """The stanza is refused at a reload, with this message in the log; the server goes on."""
        server.config.write_text(self.kept + stanza)
        since = len(server.process.text())
        server.reload()
        self.note(what, server.said(since, message), message)
        if not server.is_active():
            raise Failure(f"{what}: the server is not active any more")

    def start(self, server, what, stanza, message):
        """The server does not start with the stanza; what it prints is the message."""
        server.stop()
        server.config.write_text(self.kept + stanza)
        since = len(server.process.text())
        server.launch()
        wait_for(server.process.ended, f"{what}: the end of the server")
        self.note(what, server.said(since, message), message)

    def note(self, what, line, message):
        line = re.sub(r"127\.0\.0\.1:\d+", "registry.example.com", line.strip())
        line = re.sub(r"^\S+Z ", "", line)
        say(f"  {what}\n    {line}")
        self.seen.append((what, line))
        if self.words(message.replace("\\", "")) not in self.documented:
            self.missing.append(f"{what}: {message}")


def downloads(faults):
    """What a server says that takes the image by one line."""
    server = faults.server("2.7", "faults-newer")
    other = "sha256:" + "0" * 64
    faults.reload(server, "wrong digest", faults.newer(digest=other), "MANIFEST_UNKNOWN: manifest unknown")
    faults.reload(server, "no such tag", faults.newer(tag="v9.9.9", more=f'sha256sum = "{"0" * 64}"'), "MANIFEST_UNKNOWN: manifest unknown")
    faults.reload(server, "wrong sum (2.7)", faults.newer(digest=faults.digest, more=f'sha256sum = "{"0" * 64}"'), "plugin hash mismatch")
    faults.reload(server, "neither digest nor sum", faults.newer(), "sha256sum must be set if image is not pinned by digest")
    lone = faults.push("v0.0.1", {"arm64": faults.binaries["arm64"]})
    faults.reload(server, "no image for this architecture", faults.newer(tag="v0.0.1", digest=lone), "no child with platform linux/amd64 in index")
    other_tag = faults.push("v9.9.8", faults.binaries)
    faults.reload(server, "wrong version", faults.newer(tag="v9.9.8", digest=other_tag), "plugin version mismatch")
    tampered(faults, server)
    not_writable(faults, server)
    no_folder(faults, server)
    stopped(faults, server)
    server.stop()


def tampered(faults, server):
    """Whoever may write into the registry's storage changes a byte of the binary."""
    binaries = {name: content + b"another" for name, content in faults.binaries.items()}
    image = faults.image(binaries)
    faults.registry.push(image, "v0.0.2")
    layer = next(digest for digest, content in image.blobs.items() if binaries["amd64"][-4096:] in content)
    file = faults.registry.blob(layer)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    pinned = f'sha256sum = "{image.sums["amd64"]}"'
    stanza = faults.newer(tag="v0.0.2", digest=image.index, more=pinned)
    faults.reload(server, "a changed layer in the registry, with a sum", stanza, "plugin hash mismatch")
    # OpenBao does not read the layer to its end, so nobody compares its digest. If this fails, it does by now:
    # then INSTALL.md and docs/install.md warn too much.
    server.config.write_text(faults.kept + faults.newer(tag="v0.0.2", digest=image.index))
    since = len(server.process.text())
    server.reload()
    line = server.said(since, "downloaded plugin: plugin=secret-mongodbatlas")
    say(f"  a changed layer in the registry, without a sum: OpenBao takes it\n    {line}")
    # INSTALL.md's command for the file of such a stanza finds it out.
    of_file = server.command(f"sha256sum {PLUGINS}/secret-mongodbatlas-v0.0.2").split()[0]
    if of_file == image.sums["amd64"]:
        raise Failure("the changed layer has the checksum of the right one")
    # And in the archive, on its way into a registry of one's own.
    source = next(faults.machine.dist.glob("*_oci.tar"))
    changed = faults.machine.work / "changed.tar"
    content = bytearray(source.read_bytes())
    content[content.index(faults.binaries["amd64"][-4096:]) + 5] ^= 1
    changed.write_bytes(content)
    # Into a folder: a registry that has the right layer already is not sent the changed one.
    copied = faults.machine.work / "copied"
    printed = server.command(f"skopeo copy --all oci-archive:{changed} oci:{copied}:v0.0.3", check=False)
    if "Digest did not match" not in printed:
        raise Failure(f"skopeo took a changed archive: {printed}")
    faults.note("a changed layer in the archive", printed.strip().splitlines()[-1], "Digest did not match")


def not_writable(faults, server):
    shutil.rmtree(PLUGINS)
    PLUGINS.mkdir()
    faults.reload(server, "folder that the server may not write", faults.newer(digest=faults.digest), "failed to create plugin directory")
    os.chown(PLUGINS, USER_ID, USER_ID)


def no_folder(faults, server):
    PLUGINS.rmdir()
    faults.start(server, "no folder", "", "expand plugin directory: lstat")
    PLUGINS.mkdir()
    os.chown(PLUGINS, USER_ID, USER_ID)
    server.start()
    server.unseal()


def stopped(faults, server):
    """Without a registry: a server that has the image starts, one that has not does not."""
    stanza = faults.newer(digest=faults.digest)
    server.config.write_text(faults.kept + stanza)
    server.reload()
    wait_for(lambda: faults.version in server.command("bao plugin list secret | grep mongodbatlas", check=False), "the plugin")
    server.command("bao secrets enable mongodbatlas")
    faults.registry.stop()
    server.restart()
    use(server, faults.machine.atlas)
    say("  registry stopped, image in the folder\n    the server starts, issues and revokes")
    shutil.rmtree(PLUGINS / ".oci-cache")
    for link in PLUGINS.iterdir():
        link.unlink()
    faults.start(server, "registry stopped, folder empty", stanza, "connection refused")
    kept, faults.kept = faults.kept, faults.kept + 'plugin_download_behavior = "continue"\n'
    server.config.write_text(faults.kept + stanza)
    since = len(server.process.text())
    server.start()
    server.call("PUT", "sys/unseal", {"key": server.key})
    what = 'the same with plugin_download_behavior = "continue": the server stays on standby'
    message = "failed getting plugin: error while validating the command path"
    faults.note(what, server.said(since, message), message)
    faults.kept = kept
    faults.registry.start()


def downloads_of_older(faults):
    """What a server says that takes the image by the long stanza."""
    server = faults.server("2.6", "faults-older")
    faults.reload(server, "wrong sum (2.6)", faults.older(sum="0" * 64), "plugin hash mismatch")
    faults.reload(server, "wrong binary_name", faults.older(binary="mongodbatlas"), "not found in root of OCI image")
    faults.reload(server, "wrong version (2.6)", faults.older(version="v9.9.8"), "plugin version mismatch")
    digest = f"{faults.version}@{faults.digest}"
    faults.reload(server, "a digest, which 2.6 does not take", faults.older(version=digest), "plugin version mismatch")
    server.stop()


def play(machine):
    faults = Faults(machine)
    downloads(faults)
    downloads_of_older(faults)
    report = os.environ.get("REHEARSE_MESSAGES")
    if report:
        with open(report, "w") as file:
            file.writelines(f"- {what}: `{line}`\n" for what, line in faults.seen)
    if faults.missing:
        raise Failure("docs/install.md does not explain:\n  " + "\n  ".join(faults.missing))
