"""A release of any two files as binaries: what dist/ holds, and that the commands of its INSTALL.md find out
whoever changes a byte of it. Run by `scripts/test scripts`; takes seconds."""

import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
NAME = "vault-plugin-secrets-mongodbatlas"
BINARIES = {"amd64": b"\x7fELF of amd64\n" * 1000, "arm64": b"\x7fELF of arm64\n" * 1000}


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, **more)


def release(*arguments, **variables):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RELEASE_")}
    return run(str(TOP / "scripts/release"), *arguments, env={**kept, **variables})


def sum_of(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


class Assembled(unittest.TestCase):
    """A release of the two, signed with a key made for it."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.place = pathlib.Path(cls.folder.name)
        cls.parts = cls.place / "parts"
        cls.parts.mkdir()
        for name, content in BINARIES.items():
            (cls.parts / name).write_bytes(content)
        for name in ["cdx.json", "THIRD-PARTY-LICENSES", "ca-certificates.crt", "buildinfo"]:
            (cls.parts / name).write_text(f"{{}} stands for {name}\n")
        secret, public = cls.place / "secret", cls.place / "public"
        made = run("minisign", "-G", "-W", "-f", "-s", secret, "-p", public)
        assert made.returncode == 0, made.stderr
        cls.signing = {"RELEASE_KEY": str(secret), "RELEASE_PUBLIC_KEY": public.read_text().split("\n")[1]}
        cls.version = release("--version").stdout.strip()
        cls.stem = f"{NAME}_{cls.version}"
        cls.dist = cls.place / "dist"
        made = release("--assemble", str(cls.parts), DIST=str(cls.dist), **cls.signing)
        assert made.returncode == 0, made.stderr


class Release(Assembled):
    """Its files, and what its documented commands say of changed ones."""

    def setUp(self):
        self.work = self.place / "work"
        shutil.copytree(self.dist, self.work)
        self.addCleanup(shutil.rmtree, self.work)

    def documented(self):
        """Runs the commands of INSTALL.md's first section, as printed (in the untouched page: a user has it from
        the release's own site). True if all of them succeed."""
        page = (self.dist / "INSTALL.md").read_text()
        section = page.split("## 1. ")[1].split("\n## ")[0]
        commands = re.findall(r"^\$ (.*)$", section, re.MULTILINE)
        self.assertEqual(len(commands), 2)
        return all(run("sh", "-c", command, cwd=self.work).returncode == 0 for command in commands)

    def change(self, name, at=None):
        file = self.work / name
        content = bytearray(file.read_bytes())
        content[len(content) // 2 if at is None else at] ^= 1
        file.write_bytes(content)

    def layer_at(self, content):
        """Where a byte of the binary stands in the archive of the layout: inside a layer's blob."""
        return (self.work / f"{self.stem}_oci.tar").read_bytes().index(content) + 7

    def test_what_is_published_is_complete_and_passes_its_own_check(self):
        expected = [f"{self.stem}_linux_amd64", f"{self.stem}_linux_arm64", f"{self.stem}_oci.tar", f"{self.stem}.cdx.json"]
        expected += ["THIRD-PARTY-LICENSES", "INSTALL.md", "buildinfo", "SHA256SUMS", "SHA256SUMS.minisig"]
        self.assertEqual(sorted(file.name for file in self.dist.iterdir()), sorted(expected))
        listed = [line.split("  ")[1] for line in (self.dist / "SHA256SUMS").read_text().splitlines()]
        self.assertEqual(listed, sorted(name for name in expected if not name.startswith("SHA256SUMS")))
        self.assertTrue(self.documented())

    def test_a_changed_binary_is_found_out(self):
        self.change(f"{self.stem}_linux_amd64")
        self.assertFalse(self.documented())

    def test_a_changed_bill_of_materials_is_found_out(self):
        self.change(f"{self.stem}.cdx.json")
        self.assertFalse(self.documented())

    def test_a_changed_layer_of_the_image_is_found_out(self):
        self.change(f"{self.stem}_oci.tar", self.layer_at(BINARIES["arm64"]))
        self.assertFalse(self.documented())

    def test_changed_sums_are_found_out(self):
        self.change(f"{self.stem}_linux_amd64")
        sums = self.work / "SHA256SUMS"
        old = sum_of(self.dist / f"{self.stem}_linux_amd64")
        sums.write_text(sums.read_text().replace(old, sum_of(self.work / f"{self.stem}_linux_amd64")))
        self.assertEqual(run("sha256sum", "--check", "SHA256SUMS", cwd=self.work).returncode, 0)
        self.assertFalse(self.documented())

    def test_sums_signed_by_another_are_found_out(self):
        secret, public = self.place / "other", self.place / "other.pub"
        run("minisign", "-G", "-W", "-f", "-s", secret, "-p", public)
        made = run("minisign", "-S", "-s", secret, "-m", "SHA256SUMS", cwd=self.work)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertFalse(self.documented())

    def test_a_key_that_does_not_belong_to_the_signature_is_refused(self):
        other = {**self.signing, "RELEASE_PUBLIC_KEY": "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"}
        made = release("--assemble", str(self.parts), DIST=str(self.place / "refused"), **other)
        self.assertNotEqual(made.returncode, 0)
        self.assertIn("RELEASE_PUBLIC_KEY", made.stderr)

    def test_without_a_key_the_page_says_that_nothing_is_signed(self):
        dist = self.place / "unsigned"
        made = release("--assemble", str(self.parts), DIST=str(dist))
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertIn("NOT SIGNED", made.stdout)
        self.assertIn("**This build is not signed**", (dist / "INSTALL.md").read_text())
        self.assertFalse((dist / "SHA256SUMS.minisig").exists())

    def test_the_same_parts_give_the_same_bytes(self):
        again = self.place / "again"
        release("--assemble", str(self.parts), DIST=str(again), **self.signing)
        for file in self.dist.iterdir():
            # The signature holds no time: the same key signs the same sums in the same way.
            self.assertEqual(file.read_bytes(), (again / file.name).read_bytes(), file.name)

    def test_a_file_that_names_a_folder_of_this_machine_is_refused(self):
        for name in ["arm64", "cdx.json", "ca-certificates.crt"]:
            parts = self.place / f"parts-{name}"
            shutil.copytree(self.parts, parts)
            with (parts / name).open("ab") as file:
                file.write(f"\0{TOP}/src/main.rs\0".encode())
            made = release("--assemble", str(parts), DIST=str(self.place / "naming"))
            self.assertNotEqual(made.returncode, 0)
            self.assertIn(f"names {TOP}", made.stderr)


class Layout(Assembled):
    """The image, as a registry or a server reads it."""

    def setUp(self):
        super().setUp()
        with tarfile.open(self.dist / f"{self.stem}_oci.tar") as archive:
            files = [entry for entry in archive if entry.isfile()]
            self.blobs = {entry.name: archive.extractfile(entry).read() for entry in files}
        self.index = self.read(json.loads(self.blobs["index.json"])["manifests"][0])

    def blob(self, descriptor):
        content = self.blobs["blobs/" + descriptor["digest"].replace(":", "/")]
        self.assertEqual(len(content), descriptor["size"])
        self.assertEqual("sha256:" + hashlib.sha256(content).hexdigest(), descriptor["digest"])
        return content

    def read(self, descriptor):
        return json.loads(self.blob(descriptor))

    def test_servers_of_both_architectures_find_theirs(self):
        platforms = [entry["platform"] for entry in self.index["manifests"]]
        arm64 = {"architecture": "arm64", "os": "linux", "variant": "v8"}
        self.assertEqual(platforms, [{"architecture": "amd64", "os": "linux"}, arm64])

    def test_the_root_holds_the_published_binary_and_the_certificates(self):
        for entry in self.index["manifests"]:
            architecture = entry["platform"]["architecture"]
            manifest = self.read(entry)
            config = self.read(manifest["config"])
            layer = self.blob(manifest["layers"][0])
            self.assertEqual(config["config"]["Entrypoint"], [f"/{NAME}"])
            self.assertEqual(config["rootfs"]["diff_ids"], [manifest["layers"][0]["digest"]])
            with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
                files = {entry.name: entry for entry in archive if entry.isfile()}
                self.assertEqual(sorted(files), ["etc/ssl/certs/ca-certificates.crt", NAME])
                self.assertEqual(files[NAME].mode, 0o755)
                binary = archive.extractfile(files[NAME]).read()
            self.assertEqual(binary, (self.dist / f"{self.stem}_linux_{architecture}").read_bytes())

    def test_the_page_names_what_is_there(self):
        page = (self.dist / "INSTALL.md").read_text()
        index = json.loads(self.blobs["index.json"])["manifests"][0]["digest"]
        self.assertIn(f":{self.version}@{index}\"", page)
        for entry in self.index["manifests"]:
            self.assertIn(entry["digest"], page)
            self.assertIn(self.read(entry)["config"]["digest"], page)
        for name in BINARIES:
            self.assertIn(sum_of(self.dist / f"{self.stem}_linux_{name}"), page)

    def test_the_tag_is_the_version_that_the_plugin_tells(self):
        annotations = json.loads(self.blobs["index.json"])["manifests"][0]["annotations"]
        self.assertEqual(annotations, {"org.opencontainers.image.ref.name": self.version})
        cargo = (TOP / "Cargo.toml").read_text()
        self.assertEqual(self.version, "v" + re.search(r'^version = "(.*)"', cargo, re.MULTILINE).group(1))


if __name__ == "__main__":
    unittest.main()
