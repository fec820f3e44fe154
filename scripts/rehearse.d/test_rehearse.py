"""What the rehearsal is made of, without a release. Run by `scripts/test scripts`; takes a second."""

import os
import pathlib
import re
import struct
import subprocess
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "scripts/release.d"))

import names  # noqa: E402
from page import Page  # noqa: E402


class Places(unittest.TestCase):
    """Nothing that it needs may lie where it lays folders of its own."""

    def refused(self, **variables):
        made = subprocess.run([TOP / "scripts/rehearse"], capture_output=True, text=True, timeout=60, env={**os.environ, **variables})
        self.assertNotEqual(made.returncode, 0)
        return made.stderr

    def test_what_would_be_hidden_is_refused_before_anything_is_done(self):
        self.assertIn("the release is /opt/dist", self.refused(DIST="/opt/dist"))
        self.assertIn("the simulator of Atlas is /run/sim", self.refused(DIST="/nowhere", ATLAS_SIM="/run/sim"))
        self.assertIn("there is no release in /nowhere", self.refused(DIST="/nowhere", ATLAS_SIM="/optional/sim"))


class Names(unittest.TestCase):
    """The name server."""

    @staticmethod
    def asked(name, kind):
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        return struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, kind, 1)

    def test_it_knows_one_name_by_its_address_of_ipv4(self):
        question = self.asked("Atlas.Rehearsal.Test", names.KIND_A)
        name, told = names.answer(question)
        self.assertEqual(name, names.NAME)
        self.assertEqual(struct.unpack(">HHHHHH", told[:12]), (7, names.KNOWN, 1, 1, 0, 0))
        self.assertEqual(told[12 : len(question)], question[12:])
        self.assertEqual(told[-4:], bytes([127, 0, 0, 1]))
        _, told = names.answer(self.asked(names.NAME, 28))
        self.assertEqual(struct.unpack(">HHHHHH", told[:12]), (7, names.KNOWN, 1, 0, 0, 0))
        _, told = names.answer(self.asked("other.test", names.KIND_A))
        self.assertEqual(struct.unpack(">HHHHHH", told[:12]), (7, names.NO_SUCH_NAME, 1, 0, 0, 0))


class Waiting(unittest.TestCase):
    """The commands of the pages that wait for a version, with a server that lists what it is told to."""

    def setUp(self):
        self.commands = []
        for file in ["scripts/release.d/INSTALL.md", "docs/install.md", "README.md"]:
            text = (TOP / file).read_text().replace("@VERSION@", "v0.1.0")
            self.commands += [(file, command) for command in Page.commands(text) if "bao plugin list" in command and "sleep" in command]

    def typed(self, command, listed):
        # `bao` is a function of the shells, so that no file is needed; nobody waits for a minute here.
        function = f"() {{ printf '%s\\n' {listed}; }}"
        variables = {**os.environ, "BASH_FUNC_bao%%": function}
        quick = re.sub(r"^timeout 60 sh ", "timeout 1.5 bash ", command)
        return subprocess.run(["bash", "-c", quick], env=variables, capture_output=True, text=True, timeout=20)

    def test_they_end_when_the_download_fails(self):
        self.assertEqual(len(self.commands), 6)
        for file, command in self.commands:
            with self.subTest(file=file):
                self.assertTrue(command.startswith("timeout 60 sh -c "), command)
        _, command = self.commands[0]
        made = self.typed(command, "'other           v0.1.0'")
        self.assertEqual((made.returncode, made.stdout), (124, ""))

    def test_they_find_the_version_and_no_longer_one(self):
        for file, command in self.commands:
            with self.subTest(file=file):
                made = self.typed(command, "'mongodbatlas    v0.1.0'")
                self.assertEqual((made.returncode, made.stdout), (0, "mongodbatlas    v0.1.0\n"))
        _, command = self.commands[0]
        self.assertEqual(self.typed(command, "'mongodbatlas    v0.1.01'").returncode, 124)


if __name__ == "__main__":
    unittest.main()
