"""Writes an OCI image layout without any tool for containers.

One image for each architecture, of one layer that is not compressed (so that its digest depends on no
compressor), and an index over them. The root of an image holds the binary and the roots of certificates,
and nothing else: OpenBao takes the binary from there (`plugin` stanza), Vault runs the image.

Formats: OCI image specification 1.1 (image-layout.md, manifest.md, config.md, image-index.md).
"""

import hashlib
import io
import json
import pathlib
import tarfile

NAME = "vault-plugin-secrets-mongodbatlas"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
# A server of this architecture asks for this variant, and takes no other entry of an index.
VARIANTS = {"arm64": "v8"}


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def as_json(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


class Tar:
    """A tar archive that is the same for the same content."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.buffer = io.BytesIO()
        self.archive = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.USTAR_FORMAT)

    def _entry(self, name, mode):
        entry = tarfile.TarInfo(name)
        entry.mode, entry.mtime = mode, self.seconds
        return entry

    def folder(self, name):
        entry = self._entry(name, 0o755)
        entry.type = tarfile.DIRTYPE
        self.archive.addfile(entry)

    def file(self, name, content, mode):
        entry = self._entry(name, mode)
        entry.size = len(content)
        self.archive.addfile(entry, io.BytesIO(content))

    def content(self):
        self.archive.close()
        return self.buffer.getvalue()


class Image:
    """An image for several architectures: its blobs, and the digests by which others name them."""

    def __init__(self, binaries, certificates, labels, seconds):
        """`binaries` by the name of their architecture; `labels` hold the time and the version as well."""
        self.certificates, self.labels, self.seconds = certificates, labels, seconds
        self.blobs, self.sums, self.manifests, self.ids = {}, {}, {}, {}
        entries = [self._architecture(*pair) for pair in sorted(binaries.items())]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries, "annotations": labels}
        self._named = self._add(INDEX, as_json(index))
        self.index = self._named["digest"]

    def _add(self, media_type, content, **more):
        digest = digest_of(content)
        self.blobs[digest] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content), **more}

    def _layer(self, binary):
        tar = Tar(self.seconds)
        folder = pathlib.PurePosixPath(CERTIFICATES).parent
        for parent in [*reversed(folder.parents[:-1]), folder]:
            tar.folder(str(parent))
        tar.file(CERTIFICATES, self.certificates, 0o644)
        tar.file(NAME, binary, 0o755)
        return tar.content()

    def _architecture(self, architecture, binary):
        """One architecture's image: its entry for the index."""
        platform = {"architecture": architecture, "os": "linux"}
        if architecture in VARIANTS:
            platform["variant"] = VARIANTS[architecture]
        created = self.labels["org.opencontainers.image.created"]
        layer = self._add(LAYER, self._layer(binary))
        config = {
            **platform,
            "created": created,
            "config": {"Entrypoint": ["/" + NAME], "Labels": self.labels},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
            "history": [{"created": created, "created_by": "scripts/release"}],
        }
        of_config = self._add(CONFIG, as_json(config))
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": of_config, "layers": [layer]}
        entry = self._add(MANIFEST, as_json(manifest), platform=platform)
        self.sums[architecture] = hashlib.sha256(binary).hexdigest()
        self.manifests[architecture] = entry["digest"]
        self.ids[architecture] = of_config["digest"]
        return entry

    def files(self):
        """Every file of the layout by its name, in order."""
        version = self.labels["org.opencontainers.image.version"]
        named = {**self._named, "annotations": {"org.opencontainers.image.ref.name": version}}
        yield "index.json", as_json({"schemaVersion": 2, "manifests": [named]})
        yield "oci-layout", as_json({"imageLayoutVersion": "1.0.0"})
        for digest, content in sorted(self.blobs.items()):
            yield "blobs/" + digest.replace(":", "/"), content

    def archive(self):
        """The layout as one file."""
        tar = Tar(self.seconds)
        for name in ["blobs", "blobs/sha256"]:
            tar.folder(name)
        for name, content in self.files():
            tar.file(name, content, 0o644)
        return tar.content()
