"""The library's own tests, on Debian's kernel."""
import unittest

import google_suite

PROGRAMS = ("library_test", "library_process_test")


def load_tests(loader: unittest.TestLoader, tests: unittest.TestSuite, pattern: str) -> unittest.TestSuite:
    """unittest asks a module for its cases by this name."""
    return unittest.TestSuite(case for program in PROGRAMS for case in google_suite.cases(program))
