#!/usr/bin/env python3
"""Nothing is forced on a project that takes handoff's sources into its build: its own targets are compiled and linked, its
cache is filled and its files are installed as they were before. Usage: embedder_test.py SOURCE_FOLDER"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

source = pathlib.Path(sys.argv[1])
project = source / "tests/build/embedder"
failures = []


def expect(condition, complaint):
    if not condition:
        failures.append(complaint)


class Configured:
    """The project, with handoff in it or without."""

    def __init__(self, folder, *arguments):
        self.folder = folder
        command = ["cmake", "-G", "Ninja", "-S", project, "-B", folder, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",
                   "-DCMAKE_BUILD_TYPE=Release", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"the project can't be configured with {arguments}:\n{done.stdout}{done.stderr}")
        commands = json.loads((folder / "compile_commands.json").read_text())
        commands = [self.neutral(entry["command"]) for entry in commands]
        self.compiled = {re.search(r" -o (\S+)", command).group(1): command for command in commands}
        self.builds = self.neutral((folder / "build.ninja").read_text())
        self.rules = self.neutral((folder / "CMakeFiles/rules.ninja").read_text())
        cache = (folder / "CMakeCache.txt").read_text()
        self.cache = dict(re.findall(r"^(\w[^:\n]*):\w+=(.*)$", cache, re.M))

    def neutral(self, text):
        return text.replace(str(self.folder), "BUILD")

    def statement(self, output):
        """The lines of build.ninja about one output."""
        found = re.search(rf"^build [^:\n]*\b{re.escape(output)}\b[^:\n]*:.*\n(?:  .*\n)*", self.builds, re.M)
        return found.group(0) if found else f"{output} is not built"

    def installed(self):
        """What `cmake --install` looks for, and where it would put it."""
        scripts = sorted(self.folder.rglob("cmake_install.cmake"))
        lines = [line for script in scripts for line in script.read_text().splitlines() if "file(INSTALL" in line]
        return [self.neutral(line).strip() for line in lines]


def ours(project):
    return {name: command for name, command in project.compiled.items() if name.startswith("handoff/")}


def examine(alone, both):
    bystander = "CMakeFiles/bystander.dir/bystander.cc.o"
    expect(alone.compiled[bystander] == both.compiled[bystander],
           f"handoff changes how others are compiled:\n{alone.compiled[bystander]}\n{both.compiled[bystander]}")
    for output in (bystander, "programs/bystander"):
        expect(alone.statement(output) == both.statement(output),
               f"handoff changes how others are built:\n{alone.statement(output)}\n{both.statement(output)}")

    # A target that links handoff gets its folder of headers, and nothing else.
    output = next(name for name in alone.compiled if "consumer_object" in name)
    include = f"-I{source}/libhandoff/include "
    expect(include in both.compiled[output], f"handoff::handoff doesn't bring {include}: {both.compiled[output]}")
    expect(both.compiled[output].replace(include, "").split() == alone.compiled[output].split(),
           f"handoff changes how its users are compiled:\n{alone.compiled[output]}\n{both.compiled[output]}")
    for output in ("programs/consumer_shared", "programs/consumer_static"):
        expect("LINK_FLAGS" not in both.statement(output), f"handoff brings flags to its users: {both.statement(output)}")

    # The project's choices hold for handoff as well.
    expect(len(ours(both)) > 20, f"only {len(ours(both))} sources of handoff are compiled")
    compilers = re.findall(r"^rule CXX_COMPILER__handoff\w*\n(?:  .*\n)*", both.rules, re.M)
    expect(len(compilers) >= 4 and all("EMBEDDER=1" in rule and "ccache" not in rule for rule in compilers),
           f"handoff is not compiled by the project's launcher: {compilers}")
    for name in ours(both):
        expect(name.startswith("handoff/libhandoff/"), f"{name} is not of the library")
    expect("is not built" not in both.statement("archives/libhandoff.a"), "libhandoff.a is not where the project wants it")
    expect("-fPIC" in next(iter(ours(both).values())), "the objects for the archive are not position independent")

    # Other names in the cache might be somebody else's options. CMake's own come with project(), GNUInstallDirs and FetchContent.
    cmake = (r"CMAKE_INSTALL_|_GNUInstallDirs_|CMAKE_PROJECT_VERSION|CMAKE_DISABLE_FIND|FETCH|"
             r"handoff_(BINARY|SOURCE)_DIR$|handoff_IS_TOP_LEVEL$")
    more = [name for name in both.cache if name not in alone.cache and not re.match(f"HANDOFF|{cmake}", name)]
    expect(not more, f"handoff brings into the cache: {more}")
    changed = [name for name, value in alone.cache.items()
               if alone.neutral(value) != both.neutral(both.cache.get(name, "")) and name != "CMAKE_NUMBER_OF_MAKEFILES"]
    expect(not changed, f"handoff changes in the cache: {changed}")

    expect(both.installed() == alone.installed(),
           f"handoff is installed with the project: {both.installed()}")


with tempfile.TemporaryDirectory() as work:
    work = pathlib.Path(work)
    alone = Configured(work / "alone")
    # None of the packages that only the supervisor and the examples need can be found.
    absent = [f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON"
              for name in ("PkgConfig", "Protobuf", "spdlog", "CLI11", "nlohmann_json", "GTest", "benchmark", "Python3")]
    both = Configured(work / "both", f"-DHANDOFF={source}", *absent)

    examine(alone, both)
    hardened = Configured(work / "hardened", f"-DHANDOFF={source}", "-DHANDOFF_HARDEN=ON", "-DFETCH=ON", *absent)
    examine(alone, hardened)
    expect(not any("FORTIFY" in command for command in ours(both).values()), "handoff is hardened without being asked")
    expect(all("-D_FORTIFY_SOURCE" in command for command in ours(hardened).values()),
           "handoff is not hardened as it was asked")

for failure in failures:
    print(failure, file=sys.stderr)
print(f"{len(ours(both))} sources of handoff in a project of somebody else's, {len(failures)} failures")
sys.exit(1 if failures else 0)
