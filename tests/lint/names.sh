#!/bin/sh
# Exported functions start with gb_, and the top of the repository holds what the README describes. Silent if all is
# well.
#
# GB_INLINE is static (base/lanes.h). A definition starts in the first column and its "{" stands alone in the first column, as clang-format leaves it.
# shellcheck disable=SC2016 # the programs are for awk
status=0
git ls-files 'libcore/*.[ch]' 'physics/*.[ch]' 'apps/*.[ch]' | xargs awk '
  FNR == 1 { head = "" }
  /^[A-Za-z_]/ { head = $0; line = FNR }
  /^\{/ && head != "" {
    if (head ~ /\(/ && head !~ /^(static|typedef|GB_INLINE) / && head !~ /[ *]gb_[a-z0-9_]+\(/ && head !~ /^int main\(/) {
      printf "%s:%d: exported without gb_: %s\n", FILENAME, line, head
      bad = 1
    }
    head = ""
  }
  /^[;}]/ { head = "" }
  END { exit bad }' || status=1
# Prototypes of headers too: what is not gb_ would be exported from elsewhere.
git ls-files 'libcore/*.h' 'physics/*.h' 'apps/*.h' | xargs awk '
  /^[A-Za-z_][A-Za-z0-9_ *]*[ *][A-Za-z0-9_]+\(.*[,;)]$/ && !/^(static|typedef|return|PHYSICS|GB_INLINE)/ && !/[ *]gb_[a-z0-9_]+\(/ {
    printf "%s:%d: exported without gb_: %s\n", FILENAME, FNR, $0
    bad = 1
  }
  END { exit bad }' || status=1
expected="CMakeLists.txt LICENSE README.md apps configs docs jobs libcore physics tests"
found=$(git ls-files | cut -d/ -f1 | sort -u | grep -v '^\.' | tr '\n' ' ')
for name in $found; do
  case " $expected " in
  *" $name "*) ;;
  *) echo "$name: does not belong to the top of the repository" && status=1 ;;
  esac
done
for name in $expected; do
  case " $found" in
  *" $name "*) ;;
  *) echo "$name: is missing from the top of the repository" && status=1 ;;
  esac
done
exit $status
