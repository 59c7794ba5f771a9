"""tests/faults/campaign.py - faults, drawn by a seed, over generate, train and sweep: what survives, what is lost, what hangs.

Usage: campaign.py BIN [--seed 1] [--count 20] [--pause 30] [--keep]; a table on standard output, status 1 if anything was
lost, hung or wrong. A case runs a program into a fault, sees that it ends with a documented status and one message, then
gives the same command again, on other ranks, until it is done, and compares all results with those of an undisturbed run.
"""
import argparse
import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import h5py

LIMIT = 60  # seconds after which a start that is not held up counts as a hang; times 3 while the machine is busy
CONFIG = """
run: {physics: xy, seed: 3, log_seconds: 1}
xy: {L: 8, T: [0.6, 1, 1.6]}
generate: {chains: 4, samples: 400, burn_in: 32, pilot: 128, spacing: 2, save_seconds: 0}
data: {path: ../data/dataset.h5}
model: {encoder: [dense 16], decoder: [dense 16], latent: 2}
objective: {energy_weight: 5}
train: {steps: 800, batch: 16, shards: 4, validate_every: 50, save_every: 5, log_every: 50}
sweep: {axes: [objective.beta log 1 100 count 2]}
"""
STATE = {"generate": "generate.state", "train": "checkpoint", "sweep": "trials/0000/checkpoint"}
RESULT = {
    "generate": ["dataset.h5"],
    "train": ["checkpoint.h5", "best.h5"],
    "sweep": ["sweep.json"] + [f"trials/000{i}/{f}.h5" for i in (0, 1) for f in ("checkpoint", "best")],
}
ROOT = os.geteuid() == 0


class Bad(Exception):
    """A verdict: lost, hang or wrong, and why."""


def content(path):
    """What counts of a result: of a data set all data, of other files all bytes."""
    if not path.endswith("dataset.h5"):
        with open(path, "rb") as f:
            return f.read()
    found = {}
    with h5py.File(path) as f:
        f.visititems(lambda name, d: found.update({name: bytes(d[()].tobytes()) if d.shape else d[()]})
                     if isinstance(d, h5py.Dataset) and name != "provenance/build" else None)
    return found


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Case:
    def __init__(self, top, bin_dir, program, draw, pause):
        self.bin, self.program, self.draw, self.pause = bin_dir, program, draw, pause
        self.cwd = tempfile.mkdtemp(dir=top, prefix=f"{program}.")
        self.dir = os.path.join(self.cwd, "run")
        shutil.copytree(os.path.join(top, "data"), os.path.join(self.cwd, "data"))
        os.mkdir(self.dir)
        self.mounted = False

    def path(self, name):
        return os.path.join(self.dir, name)

    def begin(self, ranks, inside="trap '' USR1 TERM", out="out", more=()):
        """Start the program on so many ranks; `inside`: a line of shell that each rank runs before it. (This shell must not
        die of a signal that is meant for the program.) `more`: arguments."""
        command = ["mpirun", "-n", str(ranks), "bash", "-c", inside + '\nexec "$0" "$@"', f"{self.bin}/greybox-{self.program}",
                   f"{self.cwd}/../case.yaml", f"run.dir={self.dir}", f"data.path={self.cwd}/data/dataset.h5", *more]
        self.begun = time.time()
        self.out = os.path.join(self.cwd, out)
        with open(self.out, "w") as f:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT,
                                    cwd=os.path.join(self.cwd, "data"))

    def ranks(self, p):
        try:
            with open(f"/proc/{p.pid}/task/{p.pid}/children") as f:
                return [int(x) for x in f.read().split()]
        except OSError:
            return []

    def some_ranks(self, p):
        """The ranks, once they are there."""
        while p.poll() is None and not self.ranks(p):
            time.sleep(0.01)
        return self.ranks(p)

    def end(self, p, ranks=(), more=0):
        """Wait for the end of a start and of its ranks: its status."""
        limit, idle = time.time() + 3 * LIMIT + more, 0
        while p.poll() is None:
            # Open MPI's launcher may lock itself up when its ranks were killed: no fault of the programs
            idle = 0 if any(alive(r) for r in self.ranks(p)) else idle + 1
            if idle > 100:
                p.kill()
            if time.time() > limit:
                p.kill()
                for r in ranks:
                    send(r, signal.SIGKILL)
                raise Bad("hang", f"no end after {3 * LIMIT + more} s")
            time.sleep(0.1)
        while any(alive(r) for r in ranks):
            if time.time() > limit:
                raise Bad("hang", "a rank is left behind")
            time.sleep(0.1)
        return p.returncode if p.returncode >= 0 else 128 - p.returncode

    def said(self):
        with open(self.out, errors="replace") as f:
            return f.read()

    def expect(self, status, allowed):
        """Is that a documented end: one of the statuses, with one message where there is to be one?"""
        if status not in allowed:
            raise Bad("wrong", f"status {status}, not one of {sorted(allowed)}: {self.said()[-400:]}")
        if 2 <= status <= 7 and self.said().count(": error: ") != 1:
            raise Bad("wrong", f"not one message: {self.said()[-600:]}")

    def go_on(self, seconds, saved=0):
        """The same command, until it is done; then the results must be those of an undisturbed run."""
        for _ in range(4):
            status = self.end(self.begin(self.draw.randint(1, 3)))
            if status == 0:
                break
        else:
            raise Bad("lost", f"it does not go on, status {status}: {self.said()[-400:]}")
        for name in RESULT[self.program]:
            if content(self.path(name)) != content(os.path.join(self.cwd, "..", self.program, name)):
                raise Bad("wrong", f"{name} is another")
        left = [n for _, _, names in os.walk(self.dir) for n in names if n.endswith(".part")]
        if left:
            raise Bad("wrong", f"left over: {left}")

    def interrupt(self, number, everyone, launcher, allowed, seconds):
        """Signal some processes at a random moment."""
        p = self.begin(self.draw.randint(1, 3))
        ranks = self.some_ranks(p)
        time.sleep(self.draw.uniform(0, seconds))
        ranks = self.ranks(p) or ranks
        if launcher and p.poll() is None:
            p.send_signal(number)
        for r in ranks if everyone else self.draw.sample(ranks, min(1, len(ranks))) if not launcher else []:
            send(r, number)
        self.expect(self.end(p, ranks), allowed)

    def stop_somewhere(self, seconds):
        """Something saved that is not the end, if the draw is kind; its path."""
        p = self.begin(self.draw.randint(1, 3))
        end = time.time() + 30
        state = self.path(STATE[self.program] + ".prev.h5")
        while p.poll() is None and not os.path.exists(state) and time.time() < end:
            time.sleep(0.01)
        time.sleep(self.draw.uniform(0, seconds / 2))
        ranks = self.ranks(p)
        for r in ranks:
            send(r, signal.SIGKILL)
        self.end(p, ranks)
        return self.path(self.unfinished() + ".h5")

    def unfinished(self):
        """The state that the next start goes on from. A trial that is done is not looked at again."""
        try:
            with open(self.path("trials.jsonl")) as f:
                done = any('"event":"done","trial":0,' in line for line in f)
        except OSError:
            done = False
        return STATE[self.program].replace("0000", "0001") if done else STATE[self.program]

    def mount(self, options):
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.dir], check=True)
        self.mounted = True

    def close(self, keep):
        if self.mounted:
            subprocess.run(["umount", "-l", self.dir], check=False)
        if not keep:
            shutil.rmtree(self.cwd, ignore_errors=True)


KILLED = {0, 134, 137, 139, 143}  # of mpirun when a process of it vanishes; 0: it was done before
STOPPED = {0, 75}


def a_rank_killed(c, s):
    c.interrupt(signal.SIGKILL, False, False, KILLED, s)


def all_killed(c, s):
    c.interrupt(signal.SIGKILL, True, True, KILLED, s)


def launcher_killed(c, s):
    c.interrupt(signal.SIGKILL, False, True, KILLED, s)


def term_to_a_rank(c, s):
    c.interrupt(signal.SIGTERM, False, False, STOPPED, s)


def usr1_to_the_launcher(c, s):
    """While it starts, mpirun has not learnt yet to pass it on, and dies of it."""
    c.interrupt(signal.SIGUSR1, False, True, STOPPED | {138}, s)


def usr1_to_a_rank(c, s):
    c.interrupt(signal.SIGUSR1, False, False, STOPPED, s)


def a_rank_paused(c, s):
    p = c.begin(c.draw.randint(2, 3))
    ranks = c.some_ranks(p)
    time.sleep(c.draw.uniform(0, s))
    one = c.draw.choice(c.ranks(p) or ranks or [0])
    if one:
        send(one, signal.SIGSTOP)
        time.sleep(c.pause)
        send(one, signal.SIGCONT)
    c.expect(c.end(p, more=c.pause), {0})


def a_rank_stopped(c, s):
    """For good: the others wait for it, until their watchdogs end the program. If they are done, nobody waits."""
    p = c.begin(c.draw.randint(2, 3), more=["run.watchdog=3"])
    ranks = c.some_ranks(p)
    while p.poll() is None and not os.path.exists(c.path("config.yaml")):  # before, the limit is the default
        time.sleep(0.01)
    time.sleep(c.draw.uniform(0, s))
    ranks = c.ranks(p) or ranks
    one = c.draw.choice(ranks or [0])
    if one:
        send(one, signal.SIGSTOP)
    while p.poll() is None and any(alive(r) for r in ranks if r != one):
        time.sleep(0.1)
        if time.time() > c.begun + 3 * LIMIT:
            break
    time.sleep(3)
    if p.poll() is None and c.said().count("nothing has moved") == 0:
        send(one, signal.SIGCONT)
    c.expect(c.end(p, ranks), {0, 8})


def damage(c, path):
    with open(path, "r+b") as f:
        at = c.draw.randrange(os.path.getsize(path))
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 1 << c.draw.randrange(8)]))


def state_damaged(c, s):
    path = c.stop_somewhere(s)
    if os.path.exists(path):
        damage(c, path)


def state_cut(c, s):
    path = c.stop_somewhere(s)
    if os.path.exists(path):
        os.truncate(path, c.draw.randrange(os.path.getsize(path)))


def bad_data(c, change):
    """The data set of a training is refused, and good again afterwards; one being made cannot be damaged by this."""
    if c.program == "generate":
        return state_cut(c, 1)
    path = os.path.join(c.cwd, "data/dataset.h5")
    shutil.copy(path, path + ".good")
    change(path)
    p = c.begin(c.draw.randint(1, 3))
    c.expect(c.end(p), {3})
    os.replace(path + ".good", path)


def data_damaged(c, _):
    bad_data(c, lambda path: damage(c, path))


def data_cut(c, _):
    bad_data(c, lambda path: os.truncate(path, c.draw.randrange(os.path.getsize(path))))


def disk_full(c, _):
    size = c.draw.choice([20, 60, 100, 200, 400, 800, 1500, 2500, 4000])
    if ROOT:
        c.mount(f"size={size}k")
        inside = ":"
    else:
        inside = f"trap '' XFSZ; ulimit -f {size}"
    p = c.begin(c.draw.randint(1, 3), inside)
    c.expect(c.end(p), {0, 3})
    if ROOT:
        subprocess.run(["mount", "-o", "remount,size=100m", c.dir], check=True)


def read_only(c, _):
    if ROOT:
        c.mount("size=10m,ro")
    else:
        os.chmod(c.dir, 0o555)
    p = c.begin(c.draw.randint(1, 3))
    c.expect(c.end(p), {3})
    if ROOT:
        subprocess.run(["mount", "-o", "remount,rw,size=100m", c.dir], check=True)
    else:
        os.chmod(c.dir, 0o755)


def missing_on_a_rank(c, _):
    """One rank has another file system: its path to the data set leads nowhere."""
    if c.program == "generate":
        return a_rank_killed(c, 1)
    inside = '[ "$OMPI_COMM_WORLD_RANK" != 1 ] || set -- "${@/%dataset.h5/missing.h5}"'
    p = c.begin(c.draw.randint(2, 3), inside)
    c.expect(c.end(p), {2, 3})


def two_runs(c, s):
    first = c.begin(2, out="first")
    ranks = c.some_ranks(first)
    end = time.time() + 20
    while first.poll() is None and time.time() < end:
        if os.path.exists(c.path("lock")) and os.path.getsize(c.path("lock")):
            break
        time.sleep(0.01)
    for r in c.ranks(first):  # or it would be done before the second one has waited
        send(r, signal.SIGSTOP)
    busy = first.poll() is None and os.path.getsize(c.path("lock")) > 0
    second = c.begin(1)
    status = c.end(second)
    for r in c.ranks(first):
        send(r, signal.SIGCONT)
    c.expect(status, {7} if busy else {0, 7})
    c.out = os.path.join(c.cwd, "first")
    c.expect(c.end(first, ranks), {0})


def stale_lock(c, s):
    with open(c.path("lock"), "w") as f:
        f.write(f"greybox-{c.program} job=17 host={os.uname().nodename} pid={c.draw.randint(1, 10**6)} since=2020-01-01T00:00:00Z\n")


def clocks_differ(c, s):
    """Files of a node whose clock is a day fast, or slow."""
    c.stop_somewhere(s)
    when = time.time() + c.draw.choice([-86400, 86400])
    for folder, _, names in os.walk(c.dir):
        for name in names:
            os.utime(os.path.join(folder, name), (when, when))


FAULTS = [a_rank_killed, all_killed, launcher_killed, term_to_a_rank, usr1_to_the_launcher, usr1_to_a_rank, a_rank_paused, a_rank_stopped,
          state_damaged, state_cut, data_damaged, data_cut, disk_full, read_only, missing_on_a_rank, two_runs, stale_lock, clocks_differ]


def references(top, bin_dir):
    """Undisturbed runs, and how long they take."""
    seconds = {}
    with open(f"{top}/case.yaml", "w") as f:
        f.write(CONFIG)
    for program in RESULT:
        begin = time.time()
        subprocess.run(["mpirun", "-n", "2", f"{bin_dir}/greybox-{program}", "case.yaml", f"run.dir={program}", "data.path=generate/dataset.h5"],
                       cwd=top, check=True, stdout=subprocess.DEVNULL)
        seconds[program] = time.time() - begin
        if program == "generate":
            os.mkdir(f"{top}/data")
            shutil.copy(f"{top}/generate/dataset.h5", f"{top}/data")
    return seconds


def main():
    a = argparse.ArgumentParser()
    a.add_argument("bin")
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--count", type=int, default=20)
    a.add_argument("--only", type=int, help="repeat this case of the campaign alone")
    a.add_argument("--pause", type=float, default=30, help="seconds that a rank is stopped")
    a.add_argument("--keep", action="store_true", help="keep the directories of bad cases")
    a = a.parse_args()
    os.environ.update({"OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none",
                       "OMPI_MCA_mpi_yield_when_idle": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                       "OMPI_MCA_odls_base_sigkill_timeout": "0"})
    top = tempfile.mkdtemp(prefix="greybox.faults.")
    draw = random.Random(a.seed)
    tally = {f.__name__: collections.Counter() for f in FAULTS}
    try:
        seconds = references(top, os.path.abspath(a.bin))
        for i in range(a.count):
            fault, program = FAULTS[i % len(FAULTS)], draw.choice(list(RESULT))  # every fault comes as often
            own = random.Random(draw.random())
            if a.only not in (None, i):
                continue
            c = Case(top, os.path.abspath(a.bin), program, own, a.pause)
            verdict, why = "survived", ""
            try:
                fault(c, seconds[program])
                c.go_on(seconds[program])
            except Bad as bad:
                verdict, why = bad.args
            tally[fault.__name__][verdict] += 1
            if verdict != "survived":
                print(f"case {i}: {fault.__name__}, {program}: {verdict}: {why} ({c.cwd})", file=sys.stderr, flush=True)
            c.close(a.keep and verdict != "survived")
    finally:
        if not a.keep:
            shutil.rmtree(top, ignore_errors=True)
    verdicts = ("survived", "lost", "hang", "wrong")
    total = collections.Counter()
    print("| fault | cases | survived | lost | hangs | wrong |\n|---|---|---|---|---|---|")
    for name, n in tally.items():
        total.update(n)
        print(f"| {name.replace('_', ' ')} | {sum(n.values())} | " + " | ".join(str(n[v]) for v in verdicts) + " |")
    print(f"| all | {sum(total.values())} | " + " | ".join(str(total[v]) for v in verdicts) + " |")
    return total["survived"] != sum(total.values())


if __name__ == "__main__":
    sys.exit(main())
