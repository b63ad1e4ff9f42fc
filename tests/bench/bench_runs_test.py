#!/usr/bin/env python3
"""Runs handoff-bench with tiny numbers and checks that its JSON is what docs/performance.md says.

No figure is judged, since on a busy machine any of them may be anything.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

BENCHES = {"copy", "blackout", "upgrade", "section", "region", "memory", "supervisor", "services", "writes", "steady",
           "tls"}
UNITS = {"us", "B", "B/s", "1/s", "1", "ratio"}


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run([program, "--quick", "--folder", folder], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        report = json.loads(pathlib.Path(folder, "bench.json").read_text())
        chart = pathlib.Path(folder, "bench.svg").read_text()
    assert report["quick"] is True and report["runs"] == 1, report
    assert report["broken"] == {}, report["broken"]
    assert {"kernel", "cpus", "fds"} <= report["host"].keys(), report["host"]
    rows = report["rows"]
    assert {row["bench"] for row in rows} == BENCHES, {row["bench"] for row in rows}
    for row in rows:
        assert row["unit"] in UNITS, row
        assert row["target"] is None, f"tiny numbers are held to no target: {row}"
        if row["result"] is None:
            assert row["note"], f"not run, and nothing says why: {row}"
            continue
        for value in (row["result"], row["base"]):
            if value is not None:
                assert value["q1"] <= value["median"] <= value["q3"], row
        assert (row["base"] is None) == (row["ratio"] is None), row
        assert row["case"].strip() in ran.stdout, f"not in the table: {row}"
    for table in report["tables"]:
        assert len(table["lines"]) > 1 and table["title"] in ran.stdout, table
    servers = [line[0] for line in report["tables"][-1]["lines"][1:]]
    assert servers == ["handoff", "nginx", "haproxy"], servers
    assert {"floor", "copy and switch", "blackout"} <= report["series"].keys(), report["series"]
    assert chart.startswith("<svg") and chart.count("<polyline") == len(report["series"]), chart


main(sys.argv[1])
