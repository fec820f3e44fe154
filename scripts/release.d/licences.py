"""Prints the licences of all that is linked into the binary: for each crate of the bill of materials what its
manifest says and the texts that come with its source, and the copyright files of Debian's packages.

Whether each of these licences is one that we take is checked elsewhere (`cargo deny check licenses`).
"""

import argparse
import json
import pathlib
import re
import subprocess

IS_TEXT = re.compile(r"^(licen[cs]e|copying|copyright|notice|unlicense)([-._].*)?$", re.IGNORECASE)
IS_CODE = {".rs", ".py", ".pl", ".go", ".h", ".c", ".cc"}
LINE = "=" * 100


def crates(source, bill):
    """Manifest of every crate in the bill but the plugin's own."""
    command = ["/usr/bin/cargo", "metadata", "--format-version=1", "--locked", "--offline"]
    metadata = json.loads(subprocess.run(command, cwd=source, check=True, capture_output=True).stdout)
    known = {(package["name"], package["version"]): package for package in metadata["packages"]}
    for row in bill["components"]:
        if row["purl"].startswith("pkg:cargo/"):
            yield known[row["name"], row["version"]]


def texts(folder):
    """The licence files of a crate, also of sources that it brings with it."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file() and IS_TEXT.match(file.name))
    for file in files:
        if file.suffix not in IS_CODE:
            yield str(file.relative_to(folder)), file.read_text(errors="replace").strip()


def by_text(packages):
    """Every text once, with those that it is of; a crate without one stands under what its manifest says."""
    found = {}
    for package in packages:
        name = f"{package['name']} {package['version']} ({package['license']})"
        own = list(texts(pathlib.Path(package["manifest_path"]).parent))
        for file, text in own:
            found.setdefault(text, []).append(f"{name}: {file}")
        if not own:
            authors = ", ".join(re.sub(r" *<.*?>", "", author) for author in package["authors"])
            text = f"(Its source holds no text of the licence. Of: {authors or package['repository']})"
            found.setdefault(text, []).append(name)
    return sorted(found.items(), key=lambda pair: pair[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True, type=pathlib.Path)
    parser.add_argument("--bill", required=True, type=pathlib.Path)
    parser.add_argument("--package", action="append", default=[], help="a package of Debian whose code is linked or shipped")
    given = parser.parse_args()
    packages = crates(given.source, json.loads(given.bill.read_text()))
    print("What is published with vault-plugin-secrets-mongodbatlas beside its own code, and under which licence.")
    print("Its own is Apache-2.0. The C library is linked statically; scripts/release of the sources links it anew.")
    for text, users in by_text(packages):
        print("", LINE, *users, LINE, "", text, sep="\n")
    for package in given.package:
        text = pathlib.Path(f"/usr/share/doc/{package}/copyright").read_text(errors="replace").strip()
        print("", LINE, f"Debian's package {package}", LINE, "", text, sep="\n")


if __name__ == "__main__":
    main()
