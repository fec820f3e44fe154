"""A name server that knows one name, and TLS before Atlas under that name."""

import random
import socket
import ssl
import struct
import threading

from machine import Failure, free_port, run

NAME = "atlas.rehearsal.test"
ADDRESS = "127.0.0.1"
PORT = 53
KIND_A, CLASS_IN = 1, 1
KNOWN, NO_SUCH_NAME = 0x8580, 0x8583


def answer(question):
    """What is asked for, and the answer to it (RFC 1035, 4.1)."""
    number = question[:2]
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode())
        at += 1 + question[at]
    name = ".".join(labels).lower()
    kind = struct.unpack_from(">H", question, at + 1)[0]
    records = b""
    if name == NAME and kind == KIND_A:
        # The name is the question's, at its place in the message.
        records = struct.pack(">HHHIH", 0xC00C, KIND_A, CLASS_IN, 60, 4) + socket.inet_aton(ADDRESS)
    flags = KNOWN if name == NAME else NO_SUCH_NAME
    head = number + struct.pack(">HHHHH", flags, 1, 1 if records else 0, 0, 0)
    return name, head + question[12 : at + 5] + records


class NameServer:
    """Answers on port 53 of a loopback address that is nobody else's. `asked` are the names."""

    def __init__(self):
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # The resolver of the system may have some of them; one that has all leaves none.
        for _ in range(20):
            self.address = f"127.{random.randint(64, 254)}.{random.randint(1, 254)}.{random.randint(1, 254)}"
            try:
                self.socket.bind((self.address, PORT))
                break
            except OSError as error:
                refused = error
        else:
            raise Failure(f"no loopback address has port {PORT} free for a name server: {refused}")
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            question, asker = self.socket.recvfrom(4096)
            name, told = answer(question)
            self.asked.append(name)
            self.socket.sendto(told, asker)


def make_certificate(folder):
    """An authority, and its certificate for the name: the files of the authority's, the certificate and its key."""
    authority, authority_key = folder / "authority.pem", folder / "authority.key"
    request, extensions = folder / "atlas.csr", folder / "atlas.ext"
    certificate, key = folder / "atlas.pem", folder / "atlas.key"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run("openssl", "req", "-x509", *kind, "-subj", "/CN=rehearsal", "-keyout", authority_key, "-out", authority)
    run("openssl", "req", "-new", *kind, "-subj", f"/CN={NAME}", "-keyout", key, "-out", request)
    extensions.write_text(f"subjectAltName=DNS:{NAME}\n")
    signing = ["-CA", authority, "-CAkey", authority_key, "-CAcreateserial", "-extfile", extensions]
    run("openssl", "x509", "-req", "-in", request, *signing, "-out", certificate)
    return authority, certificate, key


class Front:
    """TLS on a port of its own, behind which Atlas is."""

    def __init__(self, atlas, folder):
        self.behind = int(atlas.url.rsplit(":", 1)[1])
        self.authority, certificate, key = make_certificate(folder)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.listener = socket.create_server((ADDRESS, free_port()))
        self.url = f"https://{NAME}:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            caller, _ = self.listener.accept()
            threading.Thread(target=self.connect, args=[caller], daemon=True).start()

    def connect(self, caller):
        try:
            caller = self.context.wrap_socket(caller, server_side=True)
            atlas = socket.create_connection((ADDRESS, self.behind))
        except OSError:
            caller.close()
            return
        threading.Thread(target=pass_on, args=[atlas, caller], daemon=True).start()
        pass_on(caller, atlas)


def pass_on(source, target):
    """Whatever comes from one, to the other, to the end of either."""
    try:
        while some := source.recv(65536):
            target.sendall(some)
    except OSError:
        pass
    for end in [source, target]:
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
