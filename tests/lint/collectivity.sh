#!/bin/sh
# Every function that a header of libcore exports says whether it is local or collective, in the comment above it (which
# may serve several functions in a row). Silent if all is well.
#
# A prototype starts in the first column, as clang-format leaves it, and names gb_something( in its first line; a blank
# line ends the reach of a comment.
# shellcheck disable=SC2016 # the program is for awk
find libcore -name '*.h' | sort | xargs awk '
  FNR == 1 { doc = ""; inside = 0 }
  /^\/\*\*/ { doc = ""; inside = 1 }
  inside { doc = doc " " $0; if (/\*\//) inside = 0; next }
  /^[[:space:]]*$/ { doc = ""; next }
  /^([A-Za-z_].*[ *])?gb_[a-z0-9_]+\(/ {
    if (doc !~ /(^|[^A-Za-z])(Local|Collective over|Logically collective)([^A-Za-z]|$)/) {
      match($0, /gb_[a-z0-9_]+\(/)
      printf "%s:%d: %s) lacks \"Local.\", \"Collective over c.\" or \"Logically collective\"\n", FILENAME, FNR,
             substr($0, RSTART, RLENGTH)
      bad = 1
    }
  }
  END { exit bad }'
