"""The machine that a release is played on: folders that lie over the real ones, a user, a registry, Atlas, servers."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

NAME = "vault-plugin-secrets-mongodbatlas"
USER, USER_ID = "openbao", 64100
FOLDER = pathlib.Path("/opt/openbao")
PLUGINS = FOLDER / "plugins"
CONFIG = pathlib.Path("/etc/openbao/openbao.hcl")
PATIENCE = 60


class Failure(Exception):
    """Something is not as the release says."""


def say(text):
    print(text, flush=True)


def run(*command, check=True, **more):
    """Runs a command, and gives what it printed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))} failed:\n{done.stdout}")
    return done.stdout


def wait_for(found, what, seconds=PATIENCE):
    """Waits until `found` gives something, and gives it on."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.1)
    raise Failure(f"waited {seconds} s in vain for {what}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def version_of(dist):
    """The version that a release names its files by."""
    return next(dist.glob("*_oci.tar")).name.split("_")[1]


def lay_over():
    """Makes /etc, /opt and /run this namespace's own, with the user of OpenBao's packages."""
    for place in ["/run", "/opt"]:
        run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", place)
    above = pathlib.Path("/run/above")
    for folder in [above, above / "upper", above / "work"]:
        folder.mkdir()
    run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/etc,upperdir={above}/upper,workdir={above}/work", "/etc")
    with open("/etc/passwd", "a") as users, open("/etc/group", "a") as groups:
        users.write(f"{USER}:x:{USER_ID}:{USER_ID}::{FOLDER}:/usr/sbin/nologin\n")
        groups.write(f"{USER}:x:{USER_ID}:\n")
    for folder in [FOLDER, FOLDER / "sockets", CONFIG.parent]:
        folder.mkdir(exist_ok=True)
        os.chown(folder, USER_ID, USER_ID)


def where_all_may_read(file, name):
    """The file at a place that the server's user reaches, whoever's home it lies in."""
    place = pathlib.Path("/run/programs") / name
    place.parent.mkdir(exist_ok=True)
    place.touch()
    run("mount", "--bind", file, place)
    return place


class Process:
    """A process that ends with the rehearsal."""

    running = []

    def __init__(self, command, log, **more):
        self.log = pathlib.Path(log)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, **more)
        Process.running.append(self)

    def ended(self):
        return self.process.poll() is not None

    def text(self):
        return self.log.read_text(errors="replace")

    def stop(self):
        if not self.ended():
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self in Process.running:
            Process.running.remove(self)


class Registry:
    """A registry of images on this machine: plain HTTP, which servers take for loopback addresses."""

    def __init__(self, work):
        self.work, self.port = work, free_port()
        self.name = f"127.0.0.1:{self.port}"
        self.config = work / "registry.yml"
        storage = {"filesystem": {"rootdirectory": str(work / "registry")}, "delete": {"enabled": True}}
        self.config.write_text(json.dumps({"version": "0.1", "storage": storage, "http": {"addr": self.name}}))
        pathlib.Path("/etc/containers").mkdir(exist_ok=True)
        pathlib.Path("/etc/containers/registries.conf").write_text(f'[[registry]]\nlocation = "{self.name}"\ninsecure = true\n')
        policy = pathlib.Path("/etc/containers/policy.json")
        if not policy.exists():
            policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self.start()

    def start(self):
        self.process = Process(["docker-registry", "serve", self.config], self.work / "registry.log")
        wait_for(lambda: listens(self.port), "the registry")

    def stop(self):
        self.process.stop()

    def start_again(self):
        if self.process.ended():
            self.start()

    def push(self, image, tag):
        """An image of oci.py, under this tag; gives the digest of its index."""
        archive = self.work / "pushed.tar"
        archive.write_bytes(image.archive())
        run("skopeo", "copy", "--all", "--preserve-digests", f"oci-archive:{archive}", f"docker://{self.name}/{NAME}:{tag}")
        return image.index

    def blob(self, digest):
        """The file that the registry holds a blob in."""
        value = digest.removeprefix("sha256:")
        return self.work / "registry/docker/registry/v2/blobs/sha256" / value[:2] / value / "data"


class Atlas:
    """The simulator of Atlas."""

    def __init__(self, simulator, work):
        self.process = Process([simulator], work / "atlas.json")
        line = wait_for(lambda: self.process.text().strip(), "the simulator")
        self.start = json.loads(line.splitlines()[0])
        self.url, self.organization = self.start["api"], self.start["org_id"]
        self.public_key, self.private_key = self.start["api_key"]["public_key"], self.start["api_key"]["private_key"]

    def keys(self):
        """Descriptions of the API keys that Atlas holds, without the engine's own."""
        with urllib.request.urlopen(f"{self.start['control']}/state") as answer:
            state = json.load(answer)
        return [key["desc"] for key in state["keys"] if key["desc"] != "seed"]


BASE = """storage "raft" {{
  path    = "{data}"
  node_id = "one"
}}
listener "tcp" {{
  address         = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_disable     = true
}}
api_addr     = "http://127.0.0.1:{port}"
cluster_addr = "http://127.0.0.1:{cluster}"
"""


class Server:
    """A server as its package starts it: another user, one configuration file, storage of its own."""

    def __init__(self, binary, work, name, config=CONFIG, variables=None, **starting):
        self.binary, self.port, self.log = binary, free_port(), work / f"{name}.log"
        self.config, self.starting = config, starting
        self.address, self.token, self.key = f"http://127.0.0.1:{self.port}", "", None
        self.variables = variables or {"PATH": os.environ["PATH"], "HOME": str(FOLDER), "TMPDIR": str(FOLDER / "sockets")}
        self.process = None

    def base(self, data):
        return BASE.format(data=data, port=self.port, cluster=free_port())

    @classmethod
    def fresh(cls, binary, work, name):
        """One that nobody has configured yet."""
        for old in [PLUGINS, FOLDER / "data"]:
            shutil.rmtree(old, ignore_errors=True)
        server = cls(binary, work, name)
        (FOLDER / "data").mkdir()
        os.chown(FOLDER / "data", USER_ID, USER_ID)
        server.write(server.base(FOLDER / "data"))
        server.start()
        server.set_up()
        return server

    def write(self, text, add=False):
        self.config.write_text((self.config.read_text() + "\n" if add else "") + text)

    def launch(self):
        """Starts the process, whatever comes of it."""
        command = ["setpriv", f"--reuid={USER_ID}", f"--regid={USER_ID}", "--clear-groups", self.binary]
        if "preexec_fn" in self.starting:
            command = [self.binary]
        self.process = Process([*command, "server", f"-config={self.config}"], self.log, env=self.variables, **self.starting)

    def start(self):
        self.launch()
        up = lambda: listens(self.port) or self.process.ended()
        wait_for(up, "the server")
        if self.process.ended():
            raise Failure(f"the server ended:\n{self.process.text()[-2000:]}")

    def stop(self):
        self.process.stop()

    def set_up(self):
        made = self.call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self.token, self.key = made["root_token"], made["keys"][0]
        self.unseal()

    def unseal(self):
        self.call("PUT", "sys/unseal", {"key": self.key})
        wait_for(self.is_active, "the server to become active")

    def is_active(self):
        try:
            return "initialized" in self.call("GET", "sys/health")
        except urllib.error.HTTPError:
            return False

    def restart(self):
        self.stop()
        self.start()
        self.unseal()

    def reload(self):
        self.process.process.send_signal(signal.SIGHUP)

    def call(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.address}/v1/{path}", data=data, method=method)
        request.add_header("X-Vault-Token", self.token)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read() or b"{}")

    def command(self, line, folder=None, check=True):
        """Runs a line as an administrator types it."""
        bin_folder = self.log.parent / "bin" / self.log.stem
        if not bin_folder.exists():
            bin_folder.mkdir(parents=True)
            (bin_folder / "bao").symlink_to(self.binary)
        variables = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "BAO_ADDR": self.address, "BAO_TOKEN": self.token}
        return run("bash", "-c", line, check=check, cwd=folder, env=variables, timeout=2 * PATIENCE)

    def said(self, since, pattern):
        """The line of the log, after the first `since` bytes, that has the pattern."""
        return wait_for(lambda: re.search(f".*{pattern}.*", self.process.text()[since:]), f"{pattern!r} in {self.log}")[0]


def configure(server, atlas, *more):
    """What the engine signs in with, and a role; `more` are fields of the configuration."""
    login = f"public_key={atlas.public_key} private_key={atlas.private_key}"
    fields = " ".join(more or [f"base_url={atlas.url}"])
    server.command(f"bao write mongodbatlas/config {login} {fields}")
    server.command(f"bao write mongodbatlas/roles/auditor organization_id={atlas.organization} roles=ORG_READ_ONLY ttl=30m")


def issue(server):
    """A credential; gives its lease."""
    return json.loads(server.command("bao read -format=json mongodbatlas/creds/auditor"))["lease_id"]


def see_keys(atlas, count, when):
    """That Atlas holds so many keys which the engine made."""
    if len(atlas.keys()) != count:
        raise Failure(f"{when}, Atlas should hold {count} keys and holds {atlas.keys()}")


def use(server, atlas, *more):
    """Configures, issues and revokes, and looks into Atlas after each."""
    configure(server, atlas, *more)
    lease = issue(server)
    see_keys(atlas, 1, "after one was issued")
    server.command(f"bao lease revoke -sync {lease}")
    see_keys(atlas, 0, "after it was revoked")
