"""Puts a release together: names its files, writes the image layout, INSTALL.md and SHA256SUMS.

It takes any binaries, so that it can be tried without a build. The folder PARTS holds `amd64` and `arm64` (the
binaries), `cdx.json`, `THIRD-PARTY-LICENSES`, `ca-certificates.crt` and `buildinfo` (see build).
"""

import argparse
import datetime
import hashlib
import pathlib
import shutil
import sys

import install_page
import oci

ARCHITECTURES = ["amd64", "arm64"]


def place_files(given, stem):
    """The files that are published as they were built."""
    for architecture in ARCHITECTURES:
        name = f"{stem}_linux_{architecture}"
        shutil.copyfile(given.parts / architecture, given.dist / name)
        (given.dist / name).chmod(0o755)
    shutil.copyfile(given.parts / "cdx.json", given.dist / f"{stem}.cdx.json")
    for name in ["THIRD-PARTY-LICENSES", "buildinfo"]:
        shutil.copyfile(given.parts / name, given.dist / name)


def write_image(given, stem):
    binaries = {name: (given.parts / name).read_bytes() for name in ARCHITECTURES}
    created = datetime.datetime.fromtimestamp(given.seconds, datetime.timezone.utc)
    labels = {
        "org.opencontainers.image.title": oci.NAME,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.source": given.source_url,
        "org.opencontainers.image.revision": given.commit,
        "org.opencontainers.image.version": given.version,
        "org.opencontainers.image.created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    certificates = (given.parts / "ca-certificates.crt").read_bytes()
    image = oci.Image(binaries, certificates, labels, given.seconds)
    (given.dist / f"{stem}_oci.tar").write_bytes(image.archive())
    return image


def write_sums(dist):
    files = sorted(file for file in dist.iterdir() if not file.name.startswith("SHA256SUMS"))
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (dist / "SHA256SUMS").write_text("".join(lines))


def named_places(dist, places):
    """Which file names a folder of this machine. Nothing in dist/ is compressed, so that a search finds it."""
    for file in sorted(dist.iterdir()):
        content = file.read_bytes()
        for place in places:
            if place.rstrip("/").encode() + b"/" in content:
                yield f"{file.name} names {place}, a folder of this machine"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--parts", required=True, type=pathlib.Path)
    parser.add_argument("--dist", required=True, type=pathlib.Path)
    parser.add_argument("--version", required=True)
    parser.add_argument("--image", required=True, help="its name at the registry, without a tag")
    parser.add_argument("--source-url", required=True)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--seconds", required=True, type=int, help="time of the release, since 1970")
    parser.add_argument("--place", action="append", default=[], help="a folder that no file may name")
    given = parser.parse_args()
    stem = f"{oci.NAME}_{given.version}"
    given.dist.mkdir(parents=True, exist_ok=True)
    place_files(given, stem)
    image = write_image(given, stem)
    (given.dist / "INSTALL.md").write_text(install_page.fill(image, given.version, given.image, given.source_url))
    write_sums(given.dist)
    faults = list(named_places(given.dist, [place for place in given.place if place.rstrip("/")]))
    sys.exit("\n".join(faults) if faults else 0)


if __name__ == "__main__":
    main()
