"""The library on a system without the packages that only the supervisor and the examples need."""
import os
import subprocess
import unittest
from pathlib import Path

from machines import SCRATCH

SCRIPT = Path(__file__).with_name("library_only.sh")


class LibraryAloneTest(unittest.TestCase):
    def test_it_is_built_installed_and_used_in_a_debian_of_its_own(self) -> None:
        # Its files lie in the run's tmpfs, and end with the run.
        environment = {**os.environ, "TMPDIR": str(SCRATCH)}
        ran = subprocess.run(
            [SCRIPT], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.assertIn("library_only.sh: built by add_subdirectory()", ran.stdout, "it has not come to its end")
