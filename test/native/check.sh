#!/bin/sh
# Runs the given test programs, shows what those that fail print, and ends with
# `N passed, N failed` over all. A program that ends without such a line of its
# own, or fails without counting a failure, counts as one failed test.

passed=0
failed=0
for program in "$@"; do
  output=$("$program" 2>&1)
  status=$?
  line=$(printf '%s\n' "$output" |
    grep -E '^[0-9]+ passed, [0-9]+ failed$' | tail -n 1)
  ok=${line%% passed*}
  not_ok=${line##*, }
  not_ok=${not_ok%% *}
  if [ -z "$line" ] || { [ "$status" -ne 0 ] && [ "$not_ok" -eq 0 ]; }; then
    not_ok=$((${not_ok:-0} + 1))
    output="$output
$program: exit code $status"
  fi
  passed=$((passed + ${ok:-0}))
  failed=$((failed + not_ok))
  [ "$not_ok" -eq 0 ] || printf '%s: %s\n' "$(basename "$program")" "$output"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
