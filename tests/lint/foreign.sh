#!/bin/sh
# Each foreign library has one door: its header is included in one file, so that it can be replaced there. MPI is called
# by comm and by the programs only. Silent if all is well.
bad=$(
  # header, the file that may include it
  while read -r header owner; do
    grep -rnE "#[[:space:]]*include[[:space:]]*[<\"]([^>\"]*/)?$header" --include='*.[ch]' libcore physics apps |
      grep -vE "^$owner:" | sed "s#\$#   <- only $owner includes it#"
  done <<'LIST'
yaml\.h> libcore/config/yaml.c
hdf5(_hl)?\.h libcore/io/h5(_inside)?.[ch]
H5[A-Za-z]*\.h libcore/io/h5(_inside)?.[ch]
(xxhash|xxh3)\.h libcore/base/hash.c
Random123/ libcore/base/rng.c
petsc[a-z]+\.h libcore/sim/(petsc|integrate|rodas|ts).[ch]
tsimpl\.h libcore/sim/rodas.c
tsimpl\.h libcore/sim/rodas.c
mpi\.h libcore/comm/comm.h
LIST
  # jansson, which writes reports and logs, may be used in several files of io and report, but never in an interface
  grep -rnE '#[[:space:]]*include[[:space:]]*[<"]jansson\.h' --include='*.h' libcore physics apps |
    sed 's|$|   <- not in a header|'
  # ScaLAPACK and BLACS have no headers
  grep -rnE '(^|[^A-Za-z0-9_])(Cblacs_|Csys2blacs_|Cpd|p[ds][a-z0-9]+_)[a-z0-9_]*[[:space:]]*\(' --include='*.[ch]' libcore physics apps |
    grep -vE '^libcore/linalg/dist\.c:' | sed 's|$|   <- only libcore/linalg/dist.c calls ScaLAPACK|'
  # calls, not the words of a comment
  grep -rnE '(^|[^A-Za-z0-9_])MPI_[A-Z][a-z_]+[[:space:]]*\(' --include='*.[ch]' libcore physics |
    grep -vE '^libcore/comm/[a-z0-9_]+\.c:|^libcore/io/run\.c:[0-9]+:[[:space:]]*MPI_Get_library_version\(' |
    grep -vE '^[^:]+:[0-9]+:[[:space:]]*(/?\*|//)' |
    sed 's|$|   <- MPI is called in libcore/comm and apps only|'
)
[ -z "$bad" ] && exit 0
printf '%s\n' "$bad"
exit 1
