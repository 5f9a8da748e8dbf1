"""Speed and memory of a whole mesh behind Envoy, each case against a reference of the same run.

    python -m tests.bench [--size MIB] [--small N] [--only CASE ...] [--json FILE]

Prints a table and writes `bench.json`. It never fails on time: machines differ, ratios count.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from tests.bench.cases import CASES, Bench, Result
from tests.bench.meters import Usage, watched
from tests.support.mesh import Mesh

MIB = 1 << 20


def main() -> int:
    """Run the cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="the large document (default: 1024)")
    parser.add_argument("--small", type=int, default=3200, metavar="N", help="requests of a small case (3200)")
    parser.add_argument("--only", nargs="+", choices=list(CASES), metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="where the figures go")
    options = parser.parse_args()
    # The default limit of an element is 1 GiB, which the document just reaches.
    mesh = Mesh.start()
    results: dict[str, tuple[Result, Usage]] = {}
    try:
        bench = Bench(mesh, options.size * MIB, options.small)
        for name, case in CASES.items():
            if options.only and name not in options.only and name != "upload large":
                continue  # the others need the large document
            with watched(mesh.reread()) as usage:
                result = case(bench)
            results[name] = (result, usage)
            print(_line(name, result, usage), flush=True)
    finally:
        mesh.close()
    options.json.parent.mkdir(parents=True, exist_ok=True)
    figures = {name: {**asdict(result), **asdict(usage)} for name, (result, usage) in results.items()}
    options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def _line(name: str, result: Result, usage: Usage) -> str:
    goal = f" (goal {result.goal:g})" if result.goal else ""
    against = (
        f" | reference {result.reference:8.0f} | ratio {result.ours / result.reference:5.2f}{goal}"
        if result.reference
        else ""
    )
    against += f" | bare hops {result.bare:6.0f} | ratio {result.ours / result.bare:5.2f}" if result.bare else ""
    rss = ", ".join(f"{process} {peak / MIB:.0f}" for process, peak in usage.peak_rss.items())
    cpu = ", ".join(f"{process} {seconds:.1f}" for process, seconds in usage.cpu.items() if seconds >= 0.05)
    note = f"\n    {result.note}" if result.note else ""
    return f"{name:20} {result.ours:8.0f} {result.unit}{against}{note}\n    peak MiB: {rss}\n    CPU s: {cpu}"


if __name__ == "__main__":
    sys.exit(main())
