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


def release(*arguments, top=TOP, cwd=None, typed=None, **variables):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RELEASE_") and name not in ["DIST", "CARGO_HOME"]}
    return run(str(top / "scripts/release"), *arguments, cwd=cwd, input=typed, timeout=60, env={**kept, **variables})


def make_key(secret, public):
    """A key that is not locked; gives the text of its public half."""
    made = run("minisign", "-G", "-W", "-f", "-s", secret, "-p", public)
    assert made.returncode == 0, made.stderr
    return public.read_text().split("\n")[1]


def commit(top, readme):
    """Commits what lies in a folder, with this README."""
    (top / "README.md").write_text(readme)
    author = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    for command in [["init", "--quiet"], ["add", "--all"], [*author, "commit", "--quiet", "--message", "test"]]:
        made = run("git", "-C", top, *command)
        assert made.returncode == 0, made.stderr


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
        cls.key = make_key(secret, public)
        cls.signing = {"RELEASE_KEY": str(secret), "RELEASE_TRIAL_KEY": cls.key}
        cls.version = release("--version").stdout.strip()
        cls.stem = f"{NAME}_{cls.version}"
        cls.dist = cls.place / "dist"
        cls.make(cls.dist, cls.signing)

    @classmethod
    def make(cls, dist, signing):
        made = release("--assemble", str(cls.parts), DIST=str(dist))
        assert made.returncode == 0, made.stderr
        made = release("--sign", DIST=str(dist), **signing)
        assert made.returncode == 0, made.stderr


class Release(Assembled):
    """Its files, and what its documented commands say of changed ones."""

    def setUp(self):
        self.work = self.place / "work"
        shutil.copytree(self.dist, self.work)
        self.addCleanup(shutil.rmtree, self.work)

    def documented(self, version=None):
        """Runs the commands of the first section of INSTALL.md, as printed there: what was fetched may be wholly a
        stranger's, but the key in $KEY is ours. True if all of them succeed."""
        page = (self.work / "INSTALL.md").read_text().replace(self.version, version or self.version)
        section = page.split("## 1. ")[1].split("\n## ")[0]
        commands = re.findall(r"^\$ ((?:.*\\\n)*.*)$", section, re.MULTILINE)
        self.assertEqual(len(commands), 1)
        variables = {**os.environ, "KEY": self.key}
        return all(run("sh", "-c", command, cwd=self.work, env=variables).returncode == 0 for command in commands)

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
        secret = self.place / "other"
        make_key(secret, self.place / "other.pub")
        made = run("minisign", "-S", "-s", secret, "-m", "SHA256SUMS", cwd=self.work)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertFalse(self.documented())

    def test_a_release_that_is_wholly_of_another_is_found_out_by_its_own_page(self):
        shutil.rmtree(self.work)
        secret = self.place / "thief"
        key = make_key(secret, self.place / "thief.pub")
        self.make(self.work, {"RELEASE_KEY": str(secret), "RELEASE_TRIAL_KEY": key})
        self.assertFalse(self.documented())
        self.assertIsNone(re.search("RW[A-Za-z0-9+/]{54}", (self.work / "INSTALL.md").read_text()))

    def test_a_binary_that_old_sums_do_not_name_is_found_out(self):
        (self.work / f"{NAME}_v9.9.9_linux_amd64").write_bytes(b"evil")
        self.assertFalse(self.documented("v9.9.9"))

    def test_a_page_under_another_name_is_found_out(self):
        shutil.copyfile(self.work / "INSTALL.md", self.work / "INSTALL.md.1")
        with (self.work / "INSTALL.md").open("a") as page:
            page.write("evil\n")
        self.assertFalse(self.documented())

    def test_the_last_command_alone_does_not_decide(self):
        """Hasty readers look at the last line: it is not reached where the signature is another's."""
        (self.work / "SHA256SUMS.minisig").unlink()
        section = (self.work / "INSTALL.md").read_text().split("## 1. ")[1].split("\n## ")[0]
        command = re.search(r"^\$ ((?:.*\\\n)*.*)$", section, re.MULTILINE)[1]
        made = run("sh", "-c", command, cwd=self.work, env={**os.environ, "KEY": self.key})
        self.assertNotIn("OK", made.stdout)

    def test_without_a_signature_the_page_finds_that_out(self):
        dist = self.place / "unsigned"
        made = release("--assemble", str(self.parts), DIST=str(dist))
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertFalse((dist / "SHA256SUMS.minisig").exists())
        (self.work / "SHA256SUMS.minisig").unlink()
        self.assertFalse(self.documented())

    def test_the_same_parts_give_the_same_bytes(self):
        again = self.place / "again"
        self.make(again, self.signing)
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


class Signing(Assembled):
    """Which key signs, and that no build sees it."""

    def signed(self, typed=None, **variables):
        dist = self.place / "to-sign"
        shutil.copytree(self.dist, dist)
        self.addCleanup(shutil.rmtree, dist)
        (dist / "SHA256SUMS.minisig").unlink()
        made = release("--sign", DIST=str(dist), typed=typed, **variables)
        self.assertEqual(made.returncode == 0, (dist / "SHA256SUMS.minisig").exists())
        return made

    def test_a_key_that_does_not_belong_to_the_signature_is_refused(self):
        other = {**self.signing, "RELEASE_TRIAL_KEY": "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"}
        made = self.signed(**other)
        self.assertNotEqual(made.returncode, 0)
        self.assertIn("this signature is not of the key", made.stderr)

    def test_a_key_that_the_readme_does_not_name_is_refused(self):
        self.assertNotEqual(self.signed(RELEASE_KEY=self.signing["RELEASE_KEY"]).returncode, 0)

    def test_files_that_name_no_owner_yet_are_not_signed_with_the_real_key(self):
        top = self.place / "checkout"
        shutil.copytree(TOP / "scripts", top / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copyfile(TOP / "Cargo.toml", top / "Cargo.toml")
        commit(top, f"The key: `{self.key}`.")
        parts = self.place / "parts-of-the-checkout"
        shutil.copytree(self.parts, parts)
        head = run("git", "-C", top, "rev-parse", "HEAD").stdout
        (parts / "buildinfo").write_text(f"commit: {head}")
        published = {"IMAGE": f"ghcr.io/somebody/{NAME}", "SOURCE_URL": f"https://github.com/somebody/{NAME}"}
        nobody = {"IMAGE": f"ghcr.io/OWNER/{NAME}", "SOURCE_URL": f"https://github.com/OWNER/{NAME}"}
        for variables, is_signed in [(nobody, False), ({**published, "SOURCE_URL": nobody["SOURCE_URL"]}, False), (published, True)]:
            dist = self.place / "owned"
            made = release("--assemble", str(parts), top=top, DIST=str(dist), **variables)
            self.assertEqual(made.returncode, 0, made.stderr)
            made = release("--sign", top=top, DIST=str(dist), RELEASE_KEY=self.signing["RELEASE_KEY"])
            self.assertEqual(made.returncode == 0, is_signed, made.stderr)
            self.assertEqual("names OWNER" in made.stderr, not is_signed, made.stderr)

        commit(top, f"The key: `{self.key}`, and more.")
        made = release("--sign", top=top, DIST=str(dist), RELEASE_KEY=self.signing["RELEASE_KEY"])
        self.assertNotEqual(made.returncode, 0)
        self.assertIn("is of another commit", made.stderr)

    def test_a_program_that_others_have_put_before_the_system_s_own_does_not_get_the_key(self):
        first = self.place / "first"
        first.mkdir()
        for name in ["minisign", "realpath", "dirname", "sed", "git", "sha256sum"]:
            (first / name).write_text(f'#!/bin/sh\necho {name} >>{first}/asked\nexec /usr/bin/{name} "$@"\n')
            (first / name).chmod(0o755)
        made = self.signed(**self.signing, PATH=f"{first}:{os.environ['PATH']}")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertFalse((first / "asked").exists())

    def test_the_password_of_a_locked_key_is_typed_or_given(self):
        secret, public = self.place / "locked", self.place / "locked.pub"
        made = run("minisign", "-G", "-f", "-s", secret, "-p", public, input="word\nword\n")
        self.assertEqual(made.returncode, 0, made.stderr)
        signing = {"RELEASE_KEY": str(secret), "RELEASE_TRIAL_KEY": public.read_text().split("\n")[1]}
        self.assertEqual(self.signed(**signing, typed="word\n").returncode, 0)
        self.doCleanups()
        self.assertEqual(self.signed(**signing, RELEASE_KEY_PASSWORD="word").returncode, 0)

    def test_a_changed_file_is_not_signed(self):
        dist = self.place / "changed"
        shutil.copytree(self.dist, dist)
        (dist / "INSTALL.md").write_text("evil")
        self.assertNotEqual(release("--sign", DIST=str(dist), **self.signing).returncode, 0)

    def test_a_file_that_the_sums_do_not_name_is_not_signed(self):
        dist = self.place / "more"
        shutil.copytree(self.dist, dist)
        (dist / "more").write_text("evil")
        made = release("--sign", DIST=str(dist), **self.signing)
        self.assertNotEqual(made.returncode, 0)
        self.assertIn("does not name", made.stderr)

    def test_a_build_does_not_take_the_key(self):
        for name in ["RELEASE_KEY", "RELEASE_KEY_PASSWORD"]:
            made = release(DIST=str(self.place / "never"), **{name: self.signing["RELEASE_KEY"]})
            self.assertNotEqual(made.returncode, 0)
            self.assertIn("RELEASE_KEY is for --sign alone", made.stderr)


class Building(unittest.TestCase):
    """The order of a build."""

    def test_all_crates_are_fetched_before_the_hour_of_the_build(self):
        # On a machine that has built nothing yet, what the licences are read from is else missing at the end.
        with tempfile.TemporaryDirectory() as folder:
            steps = "build_binary check_binary write_bill write_licences write_certificates write_buildinfo"
            script = f'''
                fail() {{ exit 1; }}; say() {{ :; }}; RELEASE_D={HERE}; . "$RELEASE_D/build"
                for step in {steps}; do eval "$step() {{ echo $step >&2; }}"; done
                cargo() {{ echo "$PWD cargo $*" >&2; }}; CARGO=cargo
                build_parts {folder} {folder}/parts
            '''
            made = run("bash", "-euc", script)
            self.assertEqual(made.returncode, 0, made.stderr)
            self.assertEqual(made.stderr.splitlines()[:2], [f"{folder} cargo fetch --quiet --locked", "build_binary"])


class Checkout(unittest.TestCase):
    """What a checkout and what lies around it must be, before anything is built or deleted."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.place = pathlib.Path(folder.name)
        self.top = self.place / "checkout"
        shutil.copytree(TOP / "scripts", self.top / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copyfile(TOP / "Cargo.toml", self.top / "Cargo.toml")
        self.commit("no key yet")

    def commit(self, readme):
        commit(self.top, readme)

    def refused(self, message, *arguments, cwd=None, **variables):
        made = release(*arguments, top=self.top, cwd=cwd, **variables)
        self.assertNotEqual(made.returncode, 0)
        self.assertIn(message, made.stderr)

    def test_the_key_is_the_one_line_of_the_readme(self):
        key, other = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3", "RW" + "a" * 54
        self.refused("names no key", "--key")
        self.commit(f"The key: `{key}`.")
        self.assertEqual(release("--key", top=self.top).stdout, f"{key}\n")
        (self.top / "README.md").write_text(other)
        self.assertEqual(release("--key", top=self.top).stdout, f"{key}\n", "not of the commit")
        self.commit(f"{key} {other}")
        self.refused("more than one", "--key")

    def test_what_was_fetched_is_compared_or_refused_and_stays(self):
        published = self.place / "published"
        published.mkdir()
        binary = published / f"{NAME}_v0.1.0_linux_amd64"
        binary.write_text("evil")
        (published / "SHA256SUMS").write_text(f"{sum_of(binary)}  {binary.name}\n")
        # Named from where the caller stands, or as a whole.
        self.refused("fetch all of its files", "--prove", DIST=str(published))
        self.refused(f"{published} does not hold", "--prove", DIST="published", cwd=self.place)
        self.assertEqual(binary.read_text(), "evil")

    def test_a_folder_with_something_else_is_not_deleted(self):
        home = self.place / "home"
        home.mkdir()
        (home / "letter").write_text("dear")
        self.refused("something else than a release", DIST=str(home))
        # Nor is one with a release beside it.
        (home / "SHA256SUMS").write_text(f"{'0' * 64}  {NAME}_v0.1.0_linux_amd64\n")
        self.refused("something else than a release", DIST=str(home))
        self.assertTrue((home / "letter").exists())

    def test_a_folder_where_any_user_may_put_a_configuration_of_cargo_is_refused(self):
        self.place.chmod(0o1777)
        self.refused(f"any user may write to {self.place}", CARGO_HOME=str(self.place / "cargo"))

    def test_a_crate_that_was_changed_in_the_cargo_home_is_not_taken(self):
        users, own, lock = self.place / "users", self.place / "own", self.place / "Cargo.lock"
        cache = users / "registry/cache/index"
        cache.mkdir(parents=True)
        for name in ["good", "changed"]:
            (cache / f"{name}.crate").write_text(name)
        lock.write_text("".join(f'checksum = "{sum_of(cache / f"{name}.crate")}"\n' for name in ["good", "changed"]))
        (cache / "changed.crate").write_text("evil")
        made = run("bash", "-euc", '. "$1"; USERS_CARGO_HOME=$2; make_cargo_home "$3" "$4"', "-", HERE / "build", users, own, lock)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertEqual([file.name for file in own.rglob("*.crate")], ["good.crate"])

    def test_what_is_not_committed_makes_no_release(self):
        with (self.top / "scripts/release.d/INSTALL.md").open("a") as page:
            page.write("evil\n")
        self.refused("not committed", CARGO_HOME=str(self.place / "cargo"))

    def test_a_configuration_of_cargo_that_a_stranger_has_put_there_is_refused(self):
        # Of whatever becomes of these checks, none may begin to build.
        (self.top / "scripts/release.d/bill.py").write_text("changed")
        work, home = self.place / "shared/work", self.place / "cargo"
        for folder in [work, home, self.place / "shared/.cargo"]:
            folder.mkdir(parents=True)
        strange = self.place / "shared/.cargo/config.toml"
        strange.write_text('[build]\nrustc-wrapper = "/tmp/evil"\n')
        variables = {"RELEASE_WORK": str(work), "CARGO_HOME": str(home)}
        self.refused(f"would obey {strange}", **variables)
        strange.unlink()
        own = home / "config.toml"
        for text in ['[build]\nrustc-wrapper = "evil"', 'build.rustc-wrapper = "evil"', "[patch.crates-io]", '[source.x]\n["build"]',
                     '[source.x]\ndirectory = "/tmp/evil"', '[registries.x]\ncredential-provider = ["evil"]']:
            own.write_text(text)
            self.refused(f"would obey {own}", **variables)
        own.write_text('# mine\n[net]\nretry = 3\n[source.crates-io]\nreplace-with = "mirror"\n[registries.mirror]\n')
        self.refused("not committed", **variables)


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
