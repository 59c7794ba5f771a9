# tests/regression/common.bash - what the scripts beside it share. ctest gives BUILD and SOURCE.
# shellcheck shell=bash disable=SC2034
set -euo pipefail
: "${BUILD:?the build folder}" "${SOURCE:?the source folder}"
dir=$(mktemp -d "${TMPDIR:-/tmp}/greybox.XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export OMPI_MCA_odls_base_sigkill_timeout=0 # seconds that mpirun waits, after a failure, before it kills what is left
generate=$BUILD/bin/greybox-generate

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# run RANKS COMMAND...: its output goes to the file `out`, its status to $status. More than a minute is a hang.
# 0 ranks: one process without a launcher.
run() {
  local launch=(mpirun -n "$1")
  [ "$1" != 0 ] || launch=()
  shift
  status=0
  timeout -k 5 60 "${launch[@]}" "$@" </dev/null >out 2>&1 || status=$?
  [ $status -lt 124 ] || [ $status -gt 127 ] || fail "status $status (124: it hangs): $*: $(tail -n 3 out)"
}

# expect STATUS TEXT: what the last run returned, and said (an extended regular expression).
expect() {
  [ "$status" = "$1" ] || fail "status $status where $1 is expected: $(tail -n 3 out)"
  grep -qE -- "$2" out || fail "the output lacks \"$2\": $(tail -n 3 out)"
}

# same A B [except-config]: two data sets agree in every dataset and attribute but the attribute /provenance/ranks, and
# with a third word /provenance/config.
same() {
  {
    h5diff --exclude-path /provenance "$1" "$2" && h5diff "$1" "$2" /provenance/build &&
      { [ $# = 3 ] || h5diff "$1" "$2" /provenance/config; }
  } >differences 2>&1 || fail "$1 and $2 differ: $(head -n 5 differences)"
}

# report_on "RANKS ..." FOLDER NAME CONFIG [key=value ...]: greybox-report into FOLDER, on each of these numbers of ranks, with
# the same report.json, which is kept as NAME.json.
report_on() {
  local numbers=$1 folder=$2 name=$3 n
  shift 3
  for n in $numbers; do
    run "$n" "$BUILD/bin/greybox-report" "$@"
    expect 0 "$folder/report\.html"
    [ "$n" = "${numbers%% *}" ] && cp "$folder/report.json" "$name.json"
    cmp "$name.json" "$folder/report.json" || fail "report.json of $folder on $n ranks is not that on ${numbers%% *}"
  done
}

# --- for scripts that kill: a run in the background, and what is left of it.

# begin RANKS COMMAND...: sets $launcher.
begin() {
  local n=$1
  shift
  mpirun -n "$n" "$@" >out 2>&1 &
  launcher=$!
}

# find_ranks: their process ids into the array `ranks`, none if the launcher has ended.
find_ranks() {
  mapfile -t ranks < <(pgrep -P "$launcher" || true)
}

# end: wait for the launcher, set $status.
end() {
  local quiet=0
  while kill -0 "$launcher" 2>/dev/null; do # mpirun may lock itself up at its end, when its ranks were killed
    if pgrep -r D,R,S,T -P "$launcher" >/dev/null; then quiet=0; else quiet=$((quiet + 1)); fi
    [ $quiet -lt 100 ] || kill -9 "$launcher" 2>/dev/null || true
    sleep 0.1
  done 2>/dev/null
  status=0
  wait "$launcher" 2>/dev/null || status=$?
}

# kill_some: with -9, the launcher, one rank, or all at once.
kill_some() {
  case $((RANDOM % 3)) in
    0) kill -9 "$launcher" 2>/dev/null || true ;;
    1) kill -9 "${ranks[@]: -1}" 2>/dev/null || true ;;
    2) kill -9 "$launcher" "${ranks[@]}" 2>/dev/null || true ;;
  esac
}

# was_killed: is $status that of a killed run? 139: mpirun of Open MPI 4.1 itself crashes at times if a rank vanishes
# while it starts.
was_killed() {
  [ "$status" = 137 ] || { [ "$status" = 139 ] && grep -q "mpirun(" out; }
}

# alive PID...: is one of them running? A zombie is not.
alive() {
  local p
  for p in "$@"; do
    case $(ps -o stat= -p "$p" 2>/dev/null) in
      "" | Z*) ;;
      *) return 0 ;;
    esac
  done
  return 1
}

# gone PID...: no process of a run may stay behind. A rank whose launcher is killed notices within a few seconds.
gone() {
  local i
  for i in $(seq 100); do
    alive "$@" || return 0
    sleep 0.1
  done
  fail "processes are left behind: $*"
}

# pause LEAST MOST: milliseconds, drawn.
pause() {
  sleep "$(printf '0.%03d' $((RANDOM % ($2 - $1) + $1)))"
}

# kill_often KILLS FOLDER START CHECK [AFTER]: kill a run into FOLDER so many times, then let it come to its end. START N
# begins it for the Nth time, on whatever ranks, and waits for the moment to kill it; CHECK is called after every run that
# came to its end, AFTER after every kill. A run that was over too soon starts anew, so that a fast machine kills as often
# as a slow one.
kill_often() {
  local wanted=$1 folder=$2 start=$3 check=$4 after=${5:-true} kills=0 n
  rm -rf "$folder"
  for n in $(seq $((3 * wanted + 30))); do
    "$start" "$n"
    find_ranks
    [ $kills -ge "$wanted" ] || kill_some
    end
    gone "${ranks[@]}"
    if [ "$status" != 0 ]; then
      was_killed || fail "$folder: status $status after a kill: $(tail -n 3 out)"
      kills=$((kills + 1))
      "$after"
      continue
    fi
    "$check"
    [ $kills -lt "$wanted" ] || return 0
    rm -rf "$folder"
  done
  fail "$folder: $kills kills in $n starts, last status $status"
}
