#!/bin/bash
# stop.sh [DIR] [-k]     ends a cluster of start.sh and removes DIR (-k keeps it);
#                        DIR is $SLURM_LOCAL_DIR by default
# stop.sh DIR NODE...    cuts the power of those nodes (ctl: the controller): SIGKILL
#                        to all they run; "start.sh -u DIR NODE..." brings them back
# Ends only what start.sh started (pid and start time are both checked) and the
# job processes that its nodes launched, each by its pid.
# shellcheck disable=SC2015,SC2016,SC2086
set -euo pipefail
say() { printf 'slurm-local: %s\n' "$*" >&2; }
keep='' words=()
for a; do case $a in -k) keep=1 ;; *) words+=("$a") ;; esac; done
dir=${words[0]:-${SLURM_LOCAL_DIR:-}}; cut=("${words[@]:1}")
[ -n "$dir" ] && [ -O "$dir/.slurm-local" ] || { say "no cluster of yours in '${dir:-}'"; exit 1; }
dir=$(cd "$dir" && pwd)
read -r _ plain <"$dir/.slurm-local"
[ "$plain" = plain ] || plain=''
export SLURM_CONF=$dir/etc/slurm.conf

# alive PID [START]: it runs, is no zombie, and began at START
alive() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  set -- "$1" "${2:-}" ${stat##*) }
  [ "$3" != Z ] && { [ -z "$2" ] || [ "${22}" = "$2" ]; }
}
pid_of() { # pid_of NAME: prints the pid if that daemon still runs
  local pid start
  [ -r "$dir/run/$1" ] && read -r pid start <"$dir/run/$1" && alive "$pid" "$start" && echo "$pid"
}
# The job processes of a node: those in the UTS namespace that its holder, still
# alive, made; in plain mode, the slurmstepd and job processes that have this
# cluster's SLURM_CONF in their environment.
members() { # members NODE
  local p self holder
  if [ -z "$plain" ]; then
    holder=$(pid_of "host-$1") || return 0
    self=$(readlink "/proc/$holder/ns/uts")
    [ "$self" != "$(readlink /proc/self/ns/uts)" ] || return 0
    self=${self//[/\\[}
    find /proc/[0-9]*/ns/uts -maxdepth 0 -lname "$self" 2>/dev/null | cut -d/ -f3 | grep -vx "$holder" || :
  else
    grep -lzsxF -e "SLURM_CONF=$dir/etc/slurm.conf" -e "SLURM_CONF=$dir/etc/$1/slurm.conf" /proc/[0-9]*/environ |
      while IFS=/ read -r _ _ p _; do
        if grep -qzs '^SLURM_JOB_ID=' "/proc/$p/environ" || grep -qzs '^slurmstepd' "/proc/$p/cmdline"; then echo "$p"; fi
      done || :
  fi
}
kill_members() { # until none is left: a process may fork while we look
  local i p some
  for ((i = 0; i < 50; i++)); do
    some=
    for p in $(members "$1"); do alive "$p" && { kill -KILL "$p" 2>/dev/null || :; some=1; }; done
    [ -z "$some" ] && return
    sleep 0.1
  done
  say "some processes of $1 did not end"
}
end() { # end NAME: SIGTERM, 5 s, SIGKILL
  local pid i
  pid=$(pid_of "$1") || return 0
  kill -TERM "$pid" 2>/dev/null || :
  for ((i = 0; i < 50; i++)); do alive "$pid" || return 0; sleep 0.1; done
  kill -KILL "$pid" 2>/dev/null || :
}

if [ ${#cut[@]} -gt 0 ]; then
  for n in "${cut[@]}"; do
    d=slurmd-$n; [ "$n" != ctl ] || d=slurmctld
    [ -f "$dir/run/$d" ] || { say "no node $n"; exit 1; }
    ! pid=$(pid_of "$d") || kill -KILL "$pid"
    kill_members "$n"
    end "munged-$n"
    ! pid=$(pid_of "host-$n") || nsenter --target "$pid" --mount find /dev/shm -mindepth 1 -delete
  done
  exit 0
fi

daemons() { local f; for f in "$dir/run/$1"-*; do f=${f##*/}; case $f in *.ready | *'*') ;; *) echo "$f" ;; esac; done; }
# jobs first, by scancel, while the controller still answers
if pid_of slurmctld >/dev/null && jobs=$(timeout 5 squeue -h -o %A 2>/dev/null | sort -u) && [ -n "$jobs" ]; then
  timeout 10 scancel $jobs 2>/dev/null || :
  for ((i = 0; i < 40; i++)); do
    [ -n "$(timeout 5 squeue -h -t R,CG 2>/dev/null || :)" ] || break
    sleep 0.25
  done
fi
end slurmctld
for d in $(daemons slurmd); do end "$d"; kill_members "${d#slurmd-}"; done
[ -n "$plain" ] || kill_members ctl
for d in $(daemons munged) $(daemons host); do end "$d"; done
if [ -n "$keep" ]; then say "kept $dir"; exit 0; fi
rm -rf "${dir:?}"/{ctld,etc,log,munge,run,spool,tmp} "$dir/env.sh" "$dir/.slurm-local"
rmdir "$dir" || say "$dir has files that are not the cluster's"
