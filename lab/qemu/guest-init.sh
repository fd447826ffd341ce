#!/bin/busybox sh
# The whole user space of the test guest; it needs only busybox. The script counts on the serial console ten times a
# second. It obeys lines from there and answers each with one line, `answer …` (`machine.ts` sends and reads them).
#   echo TEXT         repeats TEXT
#   fill              reads the disk, if there is one, into the page cache
#   sum               prints a checksum of the disk or of /seed, read from the page cache, which was migrated
#   dirty BLOCKS WORK rewrites BLOCKS × 64 KiB every 100 ms, cyclically in a file of WORK × 64 KiB
#   lines BLOCKS WORK as `dirty`, but only the last 64 bytes of each page change
#   still             stops `dirty` and `lines`
#   check             `good` when every block of that file has its last written contents; else, or before `still`, `bad`
busybox mkdir -p /proc /mem
busybox mount -t proc none /proc
busybox mount -t devtmpfs none /dev
busybox mount -t tmpfs -o size=80% none /mem
for module in /modules/*.ko; do
  [ ! -e "$module" ] || busybox insmod "$module"
done
exec </dev/ttyS0 >/dev/ttyS0 2>&1
busybox stty -echo

source=/seed
[ ! -b /dev/vda ] || source=/dev/vda
blocks=$(($(busybox wc -c <"$source") / 65536))

count() {
  n=0
  while :; do
    n=$((n + 1))
    echo "tick $n"
    busybox sleep 0.1
  done
}

# block FROM COUNT: writes 64 KiB blocks of the source to standard output.
block() {
  [ "$2" -eq 0 ] || busybox dd if="$source" bs=65536 skip="$1" count="$2" 2>/dev/null
}

# Sets `now` to centiseconds since boot, without starting a process.
now() {
  read -r up _ </proc/uptime
  now=${up%.*}${up#*.}
}

# piece ROUND FROM COUNT: the contents that round ROUND writes to these blocks of the file. Every round differs from the
# one before: other blocks of the source, or with `lines` the same text with another letter at the end of each page.
piece() {
  if [ "$mode" = lines ]; then
    letters=ABCDEFGHIJKLMNOPQRSTUVWXY
    [ "$3" -eq 0 ] || busybox dd if=/mem/base bs=65536 skip="$2" count="$3" 2>/dev/null |
      busybox tr Z "$(busybox expr substr $letters $(($1 % 25 + 1)) 1)"
  else
    block $(($1 % (blocks / work) * work + $2)) "$3"
  fi
}

# Pages of digits; the last line of each page is 63 times Z. The argument is in blocks of 16 pages.
base() {
  busybox awk -v pages=$(($1 * 16)) 'BEGIN {
    line = "ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ"
    for (page = 0; page < pages; page++) {
      for (row = 0; row < 63; row++) printf "%09d%054d\n", rand() * 1e9, rand() * 1e9
      print line
    }
  }' >/mem/base
}

dirty() {
  step=$1 work=$2 place=$2
  now
  next=$now
  while [ ! -e /mem/stop ]; do
    at=$((place % work))
    count=$step
    [ $((at + count)) -le "$work" ] || count=$((work - at))
    piece $((place / work)) $at "$count" |
      busybox dd of=/mem/work bs=65536 seek="$at" conv=notrunc 2>/dev/null
    place=$((place + count))
    now
    next=$((next + 10))
    # A writer that falls behind its pace does not catch up.
    if [ "$next" -le "$now" ]; then next=$now; else busybox sleep "0.$(((next - now) / 10))$(((next - now) % 10))"; fi
  done
  # The rename makes the file appear whole: `still` waits for it to exist, and `check` reads it at once.
  echo "$mode $work $place" >/mem/placed
  busybox mv /mem/placed /mem/place
}

check() {
  mode='' work='' place=''
  read -r mode work place </mem/place
  # A division by zero would end this shell. It is init, so the kernel would panic.
  if [ -z "$place" ] || [ "$work" -eq 0 ]; then
    echo "answer bad: /mem/place has no figures"
    return
  fi
  at=$((place % work))
  round=$((place / work))
  wanted=$({
    piece $round 0 $at
    piece $((round - 1)) $at $((work - at))
  } | busybox md5sum)
  found=$(busybox md5sum </mem/work)
  if [ "$wanted" = "$found" ]; then echo "answer good $place"; else echo "answer bad $place"; fi
}

echo ready
count &
while :; do
  read -r word first second || busybox sleep 1
  case $word in
    echo) echo "answer $first${second:+ $second}" ;;
    fill) busybox cat "$source" >/dev/null && echo "answer $blocks" ;;
    sum) echo "answer $(busybox md5sum <"$source")" ;;
    dirty | lines)
      busybox rm -f /mem/stop /mem/place
      mode=$word work=$second
      [ "$mode" = dirty ] || base "$work"
      piece 0 0 "$work" >/mem/work
      dirty "$first" "$work" &
      echo "answer $word"
      ;;
    still)
      : >/mem/stop
      while [ ! -e /mem/place ]; do busybox sleep 0.1; done
      echo "answer still"
      ;;
    check) check ;;
  esac
done
