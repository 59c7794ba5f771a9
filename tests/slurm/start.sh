#!/bin/bash
# Starts a throw-away Slurm cluster of virtual nodes on this machine, on loopback.
# Debian packages: slurmctld slurmd slurm-client munge openmpi-bin util-linux.
#
#   eval "$(start.sh [-n NODES] [-c CPUS] [-m MB] [-H SECONDS] [-k SECONDS]
#                    [-T SECONDS] [-s MB] [-d DIR] [-P] [-v])"
#   start.sh -u DIR NODE...     starts what "stop.sh DIR NODE..." cut (n1.. or ctl)
#
#   -n NODES    virtual nodes n1..nNODES               (2; 1 with -P)
#   -c CPUS     cores Slurm believes each has          (this machine's)
#   -m MB       memory per core                        (512)
#   -H SECONDS  how long a requeued job is held back   (5)
#   -k SECONDS  KillWait, from SIGTERM to SIGKILL      (5)
#   -T SECONDS  SlurmdTimeout, until a silent node is DOWN  (30)
#   -s MB       size of each node's own /dev/shm       (512)
#   -d DIR      state folder: new or empty, short path (mktemp -d)
#   -P          plain: one node, no namespaces; the mode of a user without root
#   -v          verbose daemon logs
#
# Standard output is three export lines, also kept in DIR/env.sh.  Each node has
# its own host name, /etc/hosts, /dev/shm, munged and Open MPI parameters (UTS and
# mount namespaces); /tmp and every other file are shared, as on a cluster.  Parameters: Slurm's documentation,
# slurm.conf(5), version 22.05.
# shellcheck disable=SC2015,SC2016,SC2086
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
say() { printf 'slurm-local: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

nodes='' cpus=$(nproc) mem=512 hold=5 killwait=5 nodetimeout=30 shm=512 dir='' plain='' debug=info up=''
while getopts n:c:m:H:k:T:s:d:u:Pv opt; do
  case $opt in
    n) nodes=$OPTARG ;; c) cpus=$OPTARG ;; m) mem=$OPTARG ;; H) hold=$OPTARG ;;
    k) killwait=$OPTARG ;; T) nodetimeout=$OPTARG ;; s) shm=$OPTARG ;;
    d) dir=$OPTARG ;; u) up=$OPTARG ;; P) plain=1 ;; v) debug=debug2 ;;
    *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
done
shift $((OPTIND - 1))
PATH=$PATH:/usr/sbin:/sbin
for tool in slurmctld slurmd sinfo munged unshare nsenter setsid; do
  command -v "$tool" >/dev/null || die "$tool not found (apt-get install slurmctld slurmd slurm-client munge util-linux)"
done

# spawn NAME COMMAND...: in a session of its own; pid and start time go to run/NAME
spawn() {
  local name=$1 pid stat; shift
  setsid "$@" </dev/null >>"$dir/log/$name.out" 2>&1 &
  pid=$!
  stat=$(cat "/proc/$pid/stat" 2>/dev/null) || die "$name did not start, see $dir/log/$name.out"
  set -- ${stat##*) }
  printf '%s %s\n' "$pid" "${20}" >"$dir/run/$name"
}
# A virtual host is a UTS and a mount namespace held open by one sleeping process,
# whose pid identifies the host's other processes to stop.sh.
make_host() {
  [ -z "$plain" ] || return 0
  spawn "host-$1" unshare --uts --mount --propagation private sh -c '
    set -e; name=$1 dir=$2 shm=$3
    echo "$name" >/proc/sys/kernel/hostname
    mount --bind "$dir/etc/hosts" /etc/hosts
    mount -t tmpfs -o "size=${shm}m,mode=1777" tmpfs /dev/shm
    mca=/etc/openmpi/openmpi-mca-params.conf
    if [ -e $mca ]; then mount --bind "$dir/etc/openmpi-mca-params.conf" $mca; fi
    : >"$dir/run/host-$name.ready"
    exec sleep infinity' sh "$1" "$dir" "$shm"
  wait_for "$dir/run/host-$1.ready" "$dir/log/host-$1.out"
}
# on_host NAME RUN COMMAND...: as spawn RUN COMMAND..., on that virtual host
on_host() {
  local pid run=$2
  if [ -n "$plain" ]; then shift 2; spawn "$run" "$@"; return; fi
  read -r pid _ <"$dir/run/host-$1"; shift 2
  spawn "$run" nsenter --target "$pid" --uts --mount -- "$@"
}
running() { # running NAME: that daemon of this cluster still runs
  local pid start stat
  [ -r "$dir/run/$1" ] && read -r pid start <"$dir/run/$1" && stat=$(cat "/proc/$pid/stat" 2>/dev/null) || return
  set -- ${stat##*) }
  [ "$1" != Z ] && [ "${20}" = "$start" ]
}
wait_for() { # wait_for FILE LOG
  local end=$((SECONDS + 60))
  until [ -e "$1" ]; do
    [ $SECONDS -lt $end ] || die "$1 did not appear in 60 s, see $2"
    sleep 0.05
  done
}
start_munge() {
  if running "munged-$1"; then return; fi
  rm -f "$dir/munge/$1.sock"
  spawn "munged-$1" munged --foreground --force --key-file="$dir/etc/munge.key" \
    --socket="$dir/munge/$1.sock" --pid-file="$dir/munge/$1.pid" \
    --log-file="$dir/log/munged-$1.log" --seed-file="$dir/munge/$1.seed"
  wait_for "$dir/munge/$1.sock" "$dir/log/munged-$1.out"
}
start_node() { # n1.. or ctl
  start_munge "$1"
  if [ "$1" = ctl ]; then
    running slurmctld || SLURM_CONF=$dir/etc/slurm.conf on_host ctl slurmctld slurmctld -D -i -f "$dir/etc/slurm.conf"
  else
    running "slurmd-$1" || SLURM_CONF=$dir/etc/$1/slurm.conf on_host "$1" "slurmd-$1" slurmd -D -N "$1" -f "$dir/etc/$1/slurm.conf"
  fi
}
wait_idle() { # wait_idle NODELIST
  local states end=$((SECONDS + 120)) # a loaded machine is slow
  while [ $SECONDS -lt $end ]; do
    states=$(sinfo -h -N -n "$1" -o %T 2>/dev/null | sort -u) || states=
    [ -n "$states" ] && ! grep -qvxE 'idle|mixed|allocated' <<<"$states" && return
    sleep 0.2
  done
  die "the nodes did not come up in 120 s (state: ${states:-none}), see $dir/log"
}

if [ -n "$up" ]; then
  dir=$(cd "$up" && pwd) && [ -O "$dir/.slurm-local" ] || die "no cluster of yours in $up"
  read -r nodes plain <"$dir/.slurm-local"
  [ "$plain" = plain ] || plain=''
  export SLURM_CONF=$dir/etc/slurm.conf
  [ $# -gt 0 ] || die "which nodes?"
  for n; do [ "$n" = ctl ] || [ -d "$dir/etc/$n" ] || die "no node $n"; start_node "$n"; done
  list=$(printf '%s\n' "$@" | grep -vx ctl | paste -sd, || :)
  wait_idle "${list:-n[1-$nodes]}"
  exit
fi

[ "$(id -u)" = 0 ] || plain=1
nodes=${nodes:-$([ -n "$plain" ] && echo 1 || echo 2)}
for v in "$nodes" "$cpus" "$mem" "$hold" "$killwait" "$nodetimeout" "$shm"; do
  case $v in '' | *[!0-9]* | 0*) die "not a positive whole number: '$v'" ;; esac
done
ctlhost=ctl
if [ -n "$plain" ]; then
  ctlhost=$(cat /proc/sys/kernel/hostname)
  [ "$nodes" = 1 ] || die "more than one node needs root (namespaces)"
  case $(getent ahostsv4 "$ctlhost" | head -n1) in
    127.*) ;; *) die "plain mode: the host name $ctlhost must resolve to 127.x.y.z (see /etc/hosts)" ;;
  esac
fi

if [ -z "$dir" ]; then dir=$(mktemp -d "${TMPDIR:-/tmp}/slurm.XXXXXX"); else
  mkdir -p "$dir"; dir=$(cd "$dir" && pwd)
  [ -z "$(ls -A "$dir")" ] || die "$dir is not empty"
fi
case $dir in *[!A-Za-z0-9._/-]*) die "$dir: Slurm takes no spaces or odd characters in a path" ;; esac
[ ${#dir} -le 60 ] || die "$dir is too long: Unix socket paths below it must stay under 108 bytes"
chmod 711 "$dir" # munged wants every folder above its socket searchable by all
mkdir "$dir"/{ctld,etc,log,munge,run,spool,tmp}
echo "$nodes ${plain:+plain}" >"$dir/.slurm-local" # the mark that stop.sh looks for
chmod 711 "$dir/munge"
trap '[ $? = 0 ] || { say "starting failed; stopping what was started"; "$here/stop.sh" "$dir" -k >&2 || :; }' EXIT
(umask 077; head -c 128 /dev/urandom >"$dir/etc/munge.key")

# the first free run of ports below the ephemeral range, one per daemon
port=
for ((try = 0; try < 50 && ! port; try++)); do
  base=$((20000 + RANDOM % 1200 * 10)); free=1
  for ((i = 0; i <= nodes; i++)); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$((base + i))") 2>/dev/null; then free=; break; fi
  done
  [ -n "$free" ] && port=$base
done
[ -n "$port" ] || die "no free ports"

{ printf '127.0.0.1 localhost ctl'; for ((i = 1; i <= nodes; i++)); do printf ' n%d' "$i"; done; printf '\n::1 ip6-localhost\n'; } >"$dir/etc/hosts"
cat >"$dir/etc/openmpi-mca-params.conf" <<END
# loopback is Open MPI's last choice; here it is the only network
btl = self,vader,tcp
btl_tcp_if_include = lo
oob_tcp_if_include = lo
hwloc_base_binding_policy = none
mpi_yield_when_idle = 1
orte_abort_on_non_zero_status = 1
END
cat >"$dir/env.sh" <<END
export SLURM_CONF=$dir/etc/slurm.conf
export SLURM_LOCAL_DIR=$dir
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
END
# so that a job submitted with --export=NONE works too; one NAME=value a line
cat >"$dir/etc/task-prolog" <<END
#!/bin/sh
echo "export SLURM_CONF=$dir/etc/slurm.conf"
echo "export OMPI_ALLOW_RUN_AS_ROOT=1"
echo "export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"
END
chmod 755 "$dir/etc/task-prolog"

node_lines() {
  local i host
  for ((i = 1; i <= nodes; i++)); do
    host=n$i; [ -z "$plain" ] || host=$ctlhost
    echo "NodeName=n$i NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + i)) CPUs=$cpus Boards=1 SocketsPerBoard=1 CoresPerSocket=$cpus ThreadsPerCore=1 RealMemory=$((mem * cpus)) State=UNKNOWN"
  done
}
make_conf() { # make_conf MUNGE
  local line
  while IFS= read -r line; do
    if [ "$line" = @NODES@ ]; then node_lines; continue; fi
    line=${line//@CTLHOST@/$ctlhost} line=${line//@PORT@/$port} line=${line//@USER@/$(id -un)}
    line=${line//@DIR@/$dir} line=${line//@MUNGE@/$1} line=${line//@HOLD@/$hold}
    line=${line//@KILLWAIT@/$killwait} line=${line//@NODETIMEOUT@/$nodetimeout}
    line=${line//@DEBUG@/$debug} line=${line//@MEM@/$mem}
    printf '%s\n' "$line"
  done <"$here/slurm.conf.in"
}
make_conf ctl >"$dir/etc/slurm.conf"
for ((i = 1; i <= nodes; i++)); do
  mkdir "$dir/etc/n$i"; make_conf "n$i" >"$dir/etc/n$i/slurm.conf"
  # slurmd loads a cgroup plugin even when nothing uses it: the detection fails
  # where no cgroup is mounted, v2 wants systemd, and v1 touches nothing when idle
  echo CgroupPlugin=cgroup/v1 >"$dir/etc/n$i/cgroup.conf"
done

export SLURM_CONF=$dir/etc/slurm.conf
make_host ctl; start_node ctl
for ((i = 1; i <= nodes; i++)); do
  mkdir "$dir/spool/n$i" "$dir/tmp/n$i"; chmod 1777 "$dir/tmp/n$i"
  make_host "n$i"; start_node "n$i"
done
wait_idle "n[1-$nodes]"
say "$nodes node(s) up in $dir"
cat "$dir/env.sh"
