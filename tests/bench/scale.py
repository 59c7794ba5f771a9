"""tests/bench/scale.py - training on up to 1024 ranks, SIMULATED: what this machine measures, on a network that is a file.

Usage (by run.sh): scale.py BUILD FOLDER

Measured here: alpha and beta of messages in shared memory, time per byte of adding vectors (bench_pingpong), time of a step of
greybox-train on tests/bench/train/conv.yaml on one core for several batches, fitted as T_FIX + rows T_ROW. Taken from documents: the network,
a fat tree of 100 Gb/s per node and direction and 1.5 us from node to node (NETWORK, LATENCY), as of EDR or HDR100 InfiniBand, with 0.4 us of
processor time per message sent or received. SimGrid's SMPI then runs tests/bench/scale/skeleton.c: the messages of
comm/exchange.h, and for comparison one MPI_Allreduce after the backward pass, both with the choices of algorithm of Open MPI. SMPI
does not count the additions inside MPI_Allreduce.

Per number of rows a rank has, `efficiency` is the simulated rate of a rank over that of one core alone with 128 rows (what the
benchmark of one core measures); `same_rows` is over that of one core with as many rows: what the network alone takes. fixed_batch:
efficiency where all ranks share so many rows. rows_for_80_percent: the least power of two with an efficiency of 0.8. T_FIX holds Adam on all
weights, which ranks share in truth and which the skeleton adds once more as shared: the results are on the slow side. Every such line says
"simulated". One JSON object a line. Environment: NETWORK (Gb/s), LATENCY (us),
PER_NODE (ranks on a node, 32), RANKS ("16 64 256 1024"), T_FIX, T_ROW (seconds; measured if not given)."""

import json
import os
import shutil
import subprocess
import sys

import train

HERE = os.path.dirname(os.path.abspath(__file__))
BUCKET, MESSAGE = 1 << 17, 1 << 10  # comm/exchange.c: floats of a bucket, and of what a rank owns of one, at least
ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
BATCHES = (8, 32, 128)  # of the measured steps
STRONG = (2048, 16384)  # batches that all ranks share

# Weights and multiplications of a sample, layer by layer, of tests/bench/train/conv.yaml. The heads are one layer.
LAYERS = [
    (608, 9 * 2 * 32 * 256), (18496, 9 * 32 * 64 * 64), (73856, 9 * 64 * 128 * 16), (524544, 2048 * 256),
    (8224, 256 * 32), (4352, 16 * 256), (526336, 256 * 2048), (73792, 9 * 128 * 64 * 16), (18464, 9 * 64 * 32 * 64),
    (867, 9 * 32 * 3 * 256),
]


def say(**line):
    print(json.dumps(line), flush=True)


def fat_tree(path, nodes, per_node, network, alpha, beta):
    """Two levels of switches with as many links up as down; eight nodes on a leaf. A path has four links, or two."""
    shape = f"2;8,{nodes // 8};1,8;1,1" if nodes > 8 else f"1;{nodes};1;1"
    with open(path, "w") as out:
        out.write(f"""<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="fat" prefix="node" radical="0-{nodes - 1}" suffix="" speed="1Gf" core="{per_node}"
           bw="{network['bytes']}Bps" lat="{network['latency'] / (4 if nodes > 8 else 2)}s"
           loopback_bw="{1 / beta}Bps" loopback_lat="{alpha}s" topology="FAT_TREE" topo_parameters="{shape}"/>
</platform>
""")


class Simulation:
    def __init__(self, folder, per_node, network, machine, cost):
        self.folder, self.per_node, self.network, self.machine, self.cost = folder, per_node, network, machine, cost
        self.program, self.layers = f"{folder}/skeleton", f"{folder}/layers"
        subprocess.run(["smpicc", "-O2", "-Wall", "-o", self.program, f"{HERE}/scale/skeleton.c"], check=True)
        with open(self.layers, "w") as out:
            out.writelines(f"{weights} {macs}\n" for weights, macs in LAYERS)

    def step(self, mode, ranks, rows):
        """Seconds of a simulated step, and of its passes."""
        nodes = max(1, ranks // self.per_node)
        platform, hosts = f"{self.folder}/platform.xml", f"{self.folder}/hosts"
        fat_tree(platform, nodes, self.per_node, self.network, *self.machine[:2])
        with open(hosts, "w") as out:
            out.writelines(f"node{n}\n" for n in range(nodes) for _ in range(min(ranks, self.per_node)))
        overhead = f"0:{self.network['overhead']}:0"
        settings = ["simulate-computation:no", "coll-selector:ompi", "bw-factor:0:0.95", "lat-factor:0:1",
                    f"os:{overhead}", f"or:{overhead}"]
        command = ["smpirun", "-np", str(ranks), "-hostfile", hosts, "-platform", platform]
        command += [f"--cfg=smpi/{s}" for s in settings]
        command += ["--cfg=network/weight-S:0", "--cfg=network/crosstraffic:0", "--log=root.thresh:error", self.program]
        command += [mode, str(self.per_node), str(rows), "1", *map(repr, self.cost), repr(self.machine[2])]
        command += [str(max(BUCKET, ranks * MESSAGE)), self.layers]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"scale.py: the simulation of {ranks} ranks failed with status {done.returncode}")
        return tuple(map(float, done.stdout.split()[-2:]))


def fit(points):
    """T_FIX and T_ROW of the line with the least squares of relative errors."""
    w = [1 / t**2 for _, t in points]
    mean = lambda values: sum(a * b for a, b in zip(w, values)) / sum(w)
    x, y = mean([rows for rows, _ in points]), mean([t for _, t in points])
    slope = mean([(rows - x) * (t - y) for rows, t in points]) / mean([(rows - x) ** 2 for rows, _ in points])
    return max(0.0, y - slope * x), slope


def measure_cost(bench):
    """A step on one core as T_FIX + rows T_ROW: the least time of each batch, which other load on the machine disturbs least."""
    if "T_FIX" in os.environ and "T_ROW" in os.environ:
        return float(os.environ["T_FIX"]), float(os.environ["T_ROW"])
    best = dict.fromkeys(BATCHES, 0.0)
    for _ in range(bench.rounds):
        for batch in BATCHES:
            rate = bench.ours("conv", 1, f"train.batch={batch}", "train.shards=1", of_lines=max)
            best[batch] = max(best[batch], rate)
    points = [(batch, batch / rate) for batch, rate in best.items()]
    say(name="step of conv on one core", measured=True, unit="ms", rows=[b for b, _ in points],
        value=[round(1e3 * t, 3) for _, t in points])
    return fit(points)


def main():
    build, folder = sys.argv[1:3]
    if not shutil.which("smpicc"):
        print("scale.py: SimGrid's SMPI is not installed (Debian: libsimgrid-dev); nothing is simulated", file=sys.stderr)
        return
    bench = train.Bench(build, folder)
    per_node = int(os.environ.get("PER_NODE", "32"))
    network = {"bytes": float(os.environ.get("NETWORK", "100")) * 1e9 / 8, "latency": float(os.environ.get("LATENCY", "1.5")) * 1e-6,
               "overhead": 4e-7}
    pair = ["mpirun", "-n", "2", "--bind-to", "core", f"{build}/tests/bench_pingpong"]
    machine = tuple(map(float, bench.output(pair, env=bench.environment).split()))
    say(name="messages in shared memory", measured=True, alpha_us=machine[0] * 1e6, gigabytes_per_second=round(1e-9 / machine[1], 2),
        adding_gigabytes_per_second=round(1e-9 / machine[2], 2))
    cost = measure_cost(bench)
    say(name="cost of conv", t_fix_ms=round(1e3 * cost[0], 3), t_row_ms=round(1e3 * cost[1], 4), weights=sum(w for w, _ in LAYERS),
        network_gigabit=network["bytes"] * 8e-9, latency_us=network["latency"] * 1e6, ranks_per_node=per_node)
    simulation = Simulation(folder, per_node, network, machine, cost)
    alone = lambda rows: (cost[0] + rows * cost[1]) / rows  # seconds per row of one core
    for ranks in map(int, os.environ.get("RANKS", "16 64 256 1024").split()):
        shared = {batch: batch // ranks for batch in STRONG if batch % ranks == 0}
        all_rows = sorted({*ROWS, *shared.values()})
        ours = {rows: simulation.step("ours", ranks, rows)[0] / rows for rows in all_rows}
        plain = {rows: simulation.step("allreduce", ranks, rows)[0] / rows for rows in (8, ROWS[-1])}
        step, passes = simulation.step("ours", ranks, 0)
        efficiency = {rows: round(alone(ROWS[-1]) / t, 4) for rows, t in ours.items()}
        say(name=f"conv on {ranks} ranks", simulated=True, efficiency={r: efficiency[r] for r in ROWS},
            same_rows={r: round(alone(r) / ours[r], 4) for r in ROWS},
            efficiency_of_allreduce={r: round(alone(ROWS[-1]) / t, 4) for r, t in plain.items()},
            rows_for_80_percent=next((r for r in ROWS if efficiency[r] >= 0.8), None),
            fixed_batch={batch: efficiency[rows] for batch, rows in shared.items()},
            exchange_alone_ms=round(1e3 * (step - passes), 3))


if __name__ == "__main__":
    main()
