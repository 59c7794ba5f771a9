"""tests/bench/tables.py - the JSON lines of `run.sh train allreduce scale hybrid soak` as the tables of docs/PERFORMANCE.md.

Usage: tests/bench/run.sh train allreduce scale hybrid soak | tee lines | /usr/bin/python3 tests/bench/tables.py"""

import json
import sys


def number(x):
    """Four significant digits, no exponents."""
    if x is None:
        return ""
    return f"{x:,.0f}".replace(",", " ") if abs(x) >= 1000 else f"{x:.4g}"


def table(head, rows):
    if not rows:
        return
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def training(lines):
    rows = []
    for line in lines:
        verdict = "" if line.get("gate") is None else f"{line['gate']:g}: " + ("reached" if line["pass"] else "**missed**")
        memory = " / ".join(number(line.get(key)) for key in ("peak_mib_per_rank", "other_peak_mib") if line.get(key))
        rows.append([line["name"].split(" ", 1)[1], f"{number(line['value'])} ({number(line['best'])}) {line['unit']}",
                     f"{line['against']}: {number(line['other'])} ({number(line['other_best'])})" if line.get("against") else "",
                     number(line["ratio"]), verdict, memory])
    table(["what", "ours, median (best)", "against", "ratio of best", "wanted", "peak MiB"], rows)


def allreduce(lines):
    keys = ["allreduce", "in_place", "window", "ours", "ours_between_nodes"]
    head = ["bytes", "MPI_Allreduce", "in place", "bare window", "ours", "ours, as two nodes", "MPI's better / ours"]
    table(head, [[number(x["bytes"])] + [number(x[k]) for k in keys] + [number(x["ratio"])] for x in lines])


def scale(lines):
    per_cent = lambda x: f"{100 * x:.1f} %"
    for key, what in (("efficiency", "efficiency by rows per rank"), ("same_rows", "the same against one core with as many rows")):
        if lines:
            print(f"Simulated, {what}:\n")
        rows = [[x["name"].split()[2]] + [per_cent(e) for e in x[key].values()] for x in lines]
        table(["ranks", *(lines[0][key] if lines else ())], rows)
    rows = [[x["name"].split()[2], str(x["rows_for_80_percent"]), number(x["exchange_alone_ms"]),
             ", ".join(f"{batch}: {per_cent(e)}" for batch, e in x["fixed_batch"].items()),
             ", ".join(f"{rows} rows: {per_cent(e)}" for rows, e in x["efficiency_of_allreduce"].items())] for x in lines]
    table(["ranks (simulated)", "rows for 80 %", "exchange alone, ms", "fixed batch", "MPI_Allreduce instead"], rows)


def soak(lines):
    rows = [[x["name"], number(x["value"]), " → ".join(map(number, x["mib_per_rank"])), number(x["peak_mib_per_rank"]),
             number(x["step_time_late_over_early"])] for x in lines]
    table(["what", "samples/s", "MiB per rank, 2nd → last quarter", "peak MiB", "time of a step, last over 2nd quarter"], rows)


def main():
    lines = [json.loads(line) for line in sys.stdin if line.startswith("{")]
    training([x for x in lines if x["name"].startswith("train ")])
    training([x for x in lines if x["name"].startswith("hybrid ")])
    allreduce([x for x in lines if x["name"].startswith("sum of floats")])
    scale([x for x in lines if x.get("simulated")])
    soak([x for x in lines if x["name"].startswith("soak ")])


if __name__ == "__main__":
    main()
