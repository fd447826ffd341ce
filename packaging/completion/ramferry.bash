# Completion of ramferry for bash 4 and newer.
# Written by scripts/option-pages.mjs from src/options: change the table there, not this file.

_ramferry_commands='send receive migrate incoming qemu-migrate serve status inspect bench tune emu-manager guest features --help --version'
_ramferry_guest='source destination compare'

# Sets options, negated, positional, and value: what completes the value of option $2 of command $1.
_ramferry_table() {
  case $1 in
    'send')
      options='--compress-threads --compress-level --codec --adaptive --max-level --max-cpu --nice --chunk-size --window --max-bandwidth --downtime-limit --xbzrle-cache-size --compress-wait-thread --self-check --method --xenguest-version --format --flush-after --name --hypervisor-connections --allow --socket-mode --socket-group --tls --tls-creds --tls-key-passphrase-file --tls-psk-identity --tls-verify-peer --tls-hostname --tls-authz --memory-limit --zstd-binding --direct-io --sync --one-way --connect-timeout --io-timeout --reconnect --connections --force --config --history --dry-run --quiet --verbose --json --metrics --metrics-listen --metrics-name --log-file --help'
      negated='--no-adaptive --no-self-check --no-tls --no-direct-io --no-sync --no-one-way --no-force --no-history --no-dry-run --no-quiet --no-verbose --no-json'
      positional=address
      case $2 in
        --compress-threads | --compress-level | --max-level | --max-cpu | --nice | --chunk-size | --window | --max-bandwidth | --downtime-limit | --xbzrle-cache-size | --xenguest-version | --flush-after | --name | --hypervisor-connections | --allow | --socket-mode | --socket-group | --tls-psk-identity | --tls-hostname | --tls-authz | --memory-limit | --zstd-binding | --connect-timeout | --io-timeout | --reconnect | --connections | --metrics-listen | --metrics-name) value='nothing' ;;
        --codec) value='words none lz4 zstd zlib' ;;
        --compress-wait-thread | --tls-verify-peer) value='words on off' ;;
        --method) value='words xenguest stream' ;;
        --format) value='words auto raw libxc libxl xl xenopsd qemu libvirt opaque' ;;
        --tls-creds) value='directory' ;;
        --tls-key-passphrase-file | --config | --metrics | --log-file) value='file' ;;
      esac
      ;;
    'receive')
      options='--decompress-threads --max-size --pass-through --resume --hypervisor-connections --allow --socket-mode --socket-group --tls --tls-creds --tls-key-passphrase-file --tls-psk-identity --tls-verify-peer --tls-hostname --tls-authz --memory-limit --zstd-binding --direct-io --sync --one-way --connect-timeout --io-timeout --reconnect --connections --force --probe --quiet --verbose --json --metrics --metrics-listen --metrics-name --log-file --help'
      negated='--no-pass-through --no-resume --no-tls --no-direct-io --no-sync --no-one-way --no-force --no-probe --no-quiet --no-verbose --no-json'
      positional=address
      case $2 in
        --decompress-threads | --max-size | --hypervisor-connections | --allow | --socket-mode | --socket-group | --tls-psk-identity | --tls-hostname | --tls-authz | --memory-limit | --zstd-binding | --connect-timeout | --io-timeout | --reconnect | --connections | --metrics-listen | --metrics-name) value='nothing' ;;
        --tls-creds) value='directory' ;;
        --tls-key-passphrase-file | --metrics | --log-file) value='file' ;;
        --tls-verify-peer) value='words on off' ;;
      esac
      ;;
    'migrate')
      options='--qmp --ram --qemu-pid --ram-unchecked --downtime-limit --max-rounds --quit-source --verify-ram --compress-threads --compress-level --codec --adaptive --max-level --max-cpu --nice --chunk-size --max-bandwidth --xbzrle-cache-size --compress-wait-thread --self-check --flush-after --memory-limit --zstd-binding --connect-timeout --io-timeout --reconnect --force --quiet --verbose --json --metrics --metrics-listen --metrics-name --log-file --help'
      negated='--no-ram-unchecked --no-quit-source --no-verify-ram --no-adaptive --no-self-check --no-force --no-quiet --no-verbose --no-json'
      positional=address
      case $2 in
        --qmp) value='address' ;;
        --ram | --metrics | --log-file) value='file' ;;
        --qemu-pid | --downtime-limit | --max-rounds | --compress-threads | --compress-level | --max-level | --max-cpu | --nice | --chunk-size | --max-bandwidth | --xbzrle-cache-size | --flush-after | --memory-limit | --zstd-binding | --connect-timeout | --io-timeout | --reconnect | --metrics-listen | --metrics-name) value='nothing' ;;
        --codec) value='words none lz4 zstd zlib' ;;
        --compress-wait-thread) value='words on off' ;;
      esac
      ;;
    'incoming')
      options='--qmp --ram --qemu-pid --ram-unchecked --decompress-threads --max-size --memory-limit --zstd-binding --connect-timeout --io-timeout --reconnect --force --quiet --verbose --json --metrics --metrics-listen --metrics-name --log-file --help'
      negated='--no-ram-unchecked --no-force --no-quiet --no-verbose --no-json'
      positional=address
      case $2 in
        --qmp) value='address' ;;
        --ram | --metrics | --log-file) value='file' ;;
        --qemu-pid | --decompress-threads | --max-size | --memory-limit | --zstd-binding | --connect-timeout | --io-timeout | --reconnect | --metrics-listen | --metrics-name) value='nothing' ;;
      esac
      ;;
    'qemu-migrate')
      options='--qmp --destination-qmp --incoming --outgoing --downtime-limit --timeout --timeout-strategy --quit-source --compress-threads --compress-level --codec --adaptive --max-level --max-cpu --nice --chunk-size --max-bandwidth --xbzrle-cache-size --compress-wait-thread --self-check --flush-after --name --tls --tls-creds --tls-key-passphrase-file --tls-psk-identity --tls-verify-peer --tls-hostname --tls-authz --memory-limit --zstd-binding --connect-timeout --io-timeout --reconnect --connections --quiet --json --metrics --metrics-listen --metrics-name --log-file --help'
      negated='--no-quit-source --no-adaptive --no-self-check --no-tls --no-quiet --no-json'
      positional=address
      case $2 in
        --qmp | --destination-qmp | --incoming | --outgoing) value='address' ;;
        --downtime-limit | --timeout | --compress-threads | --compress-level | --max-level | --max-cpu | --nice | --chunk-size | --max-bandwidth | --xbzrle-cache-size | --flush-after | --name | --tls-psk-identity | --tls-hostname | --tls-authz | --memory-limit | --zstd-binding | --connect-timeout | --io-timeout | --reconnect | --connections | --metrics-listen | --metrics-name) value='nothing' ;;
        --timeout-strategy) value='words cancel ignore postcopy' ;;
        --codec) value='words none lz4 zstd zlib' ;;
        --compress-wait-thread | --tls-verify-peer) value='words on off' ;;
        --tls-creds) value='directory' ;;
        --tls-key-passphrase-file | --metrics | --log-file) value='file' ;;
      esac
      ;;
    'serve')
      options='--incoming --listen --outgoing --connect --guest --control --insecure --threads --memory-limit --max-transfers --shards --drain-timeout --config --compress-level --codec --adaptive --max-level --chunk-size --max-bandwidth --downtime-limit --xbzrle-cache-size --self-check --flush-after --max-size --allow --socket-mode --socket-group --tls --tls-creds --tls-key-passphrase-file --tls-psk-identity --tls-verify-peer --tls-hostname --tls-authz --zstd-binding --connect-timeout --io-timeout --reconnect --history --quiet --json --metrics --metrics-listen --log-file --help'
      negated='--no-insecure --no-adaptive --no-self-check --no-tls --no-history --no-quiet --no-json'
      positional=nothing
      case $2 in
        --incoming | --listen | --outgoing | --connect | --control) value='address' ;;
        --guest | --threads | --memory-limit | --max-transfers | --shards | --drain-timeout | --compress-level | --max-level | --chunk-size | --max-bandwidth | --downtime-limit | --xbzrle-cache-size | --flush-after | --max-size | --allow | --socket-mode | --socket-group | --tls-psk-identity | --tls-hostname | --tls-authz | --zstd-binding | --connect-timeout | --io-timeout | --reconnect | --metrics-listen) value='nothing' ;;
        --config | --tls-key-passphrase-file | --metrics | --log-file) value='file' ;;
        --codec) value='words none lz4 zstd zlib' ;;
        --tls-creds) value='directory' ;;
        --tls-verify-peer) value='words on off' ;;
      esac
      ;;
    'status')
      options='--control --open --close --json --help'
      negated='--no-json'
      positional=nothing
      case $2 in
        --control) value='address' ;;
        --open | --close) value='nothing' ;;
      esac
      ;;
    'inspect')
      options='--decompress-threads --memory-limit --zstd-binding --verify --json --help'
      negated='--no-verify --no-json'
      positional=file
      case $2 in
        --decompress-threads | --memory-limit | --zstd-binding) value='nothing' ;;
      esac
      ;;
    'bench')
      options='--codecs --levels --chunk-sizes --threads --before --repetitions --quick --peers --seed --zstd-binding --html --quiet --json --help'
      negated='--no-quick --no-peers --no-quiet --no-json'
      positional=file
      case $2 in
        --codecs) value='list none lz4 zstd zlib' ;;
        --levels | --chunk-sizes | --threads | --repetitions | --seed | --zstd-binding) value='nothing' ;;
        --before | --html) value='file' ;;
      esac
      ;;
    'tune')
      options='--bandwidth --probe --budget --compress-cpus --decompress-cpus --dirty-rate --downtime-limit --writer --verify --seed --zstd-binding --html --quiet --json --help'
      negated='--no-verify --no-quiet --no-json'
      positional=file
      case $2 in
        --bandwidth | --probe | --budget | --compress-cpus | --decompress-cpus | --dirty-rate | --downtime-limit | --seed | --zstd-binding) value='nothing' ;;
        --writer) value='words socket file discard' ;;
        --html) value='file' ;;
      esac
      ;;
    'emu-manager')
      options='--compress-level --codec --chunk-size --flush-after --decompress-threads --compress-threads --host-threads --memory-limit --xbzrle-cache-size --self-check --compress-vgpu --xenguest-version --zstd-binding --exec --syslog --check --metrics --metrics-listen --log-file --help'
      negated='--no-self-check --no-compress-vgpu --no-syslog --no-check'
      positional=nothing
      case $2 in
        --compress-level | --chunk-size | --flush-after | --decompress-threads | --compress-threads | --host-threads | --memory-limit | --xbzrle-cache-size | --xenguest-version | --zstd-binding | --metrics-listen) value='nothing' ;;
        --codec) value='words none lz4 zstd zlib' ;;
        --exec | --metrics | --log-file) value='file' ;;
      esac
      ;;
    'guest source')
      options='--size --profile --image --seed --format --working-set --pattern --downtime-limit --max-rounds --rounds --dirty-rate --max-bandwidth --one-way --connect-timeout --io-timeout --quiet --json --help'
      negated='--no-one-way --no-quiet --no-json'
      positional=address
      case $2 in
        --size | --seed | --working-set | --downtime-limit | --max-rounds | --rounds | --dirty-rate | --max-bandwidth | --connect-timeout | --io-timeout) value='nothing' ;;
        --profile) value='words idle busy' ;;
        --image) value='file' ;;
        --format) value='words qemu libxc-pv libxc-pvh xl-pv xl-pvh' ;;
        --pattern) value='words integers lines counters same' ;;
      esac
      ;;
    'guest destination')
      options='--ram-limit --one-way --connect-timeout --io-timeout --quiet --json --help'
      negated='--no-one-way --no-quiet --no-json'
      positional=address
      case $2 in
        --ram-limit | --connect-timeout | --io-timeout) value='nothing' ;;
      esac
      ;;
    'guest compare')
      options='--size --profile --image --seed --format --working-set --pattern --downtime-limit --max-rounds --rounds --dirty-rate --link --shaping --codec --compress-level --compress-threads --decompress-threads --quiet --json --help'
      negated='--no-quiet --no-json'
      positional=nothing
      case $2 in
        --size | --seed | --working-set | --downtime-limit | --max-rounds | --rounds | --dirty-rate | --link | --codec | --compress-level | --compress-threads | --decompress-threads) value='nothing' ;;
        --profile) value='words idle busy' ;;
        --image) value='file' ;;
        --format) value='words qemu libxc-pv libxc-pvh xl-pv xl-pvh' ;;
        --pattern) value='words integers lines counters same' ;;
        --shaping) value='words auto tc max-bandwidth' ;;
      esac
      ;;
    'features')
      options='--zstd-binding --json --help'
      negated='--no-json'
      positional=nothing
      case $2 in
        --zstd-binding) value='nothing' ;;
      esac
      ;;
  esac
}

# Files, and prefixes of addresses where the word has none yet. COMPREPLY gets them.
_ramferry_complete() {
  local kind=$1 current=$2 before=$3 words
  case $kind in
    words\ *) mapfile -t COMPREPLY < <(compgen -W "${kind#words }" -- "$current") ;;
    list\ *)
      words=${kind#list }
      local done=
      [[ $current != *,* ]] || done=${current%,*},
      mapfile -t COMPREPLY < <(compgen -P "$done" -W "$words" -- "${current##*,}")
      ;;
    directory)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      ;;
    file | address)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      if [[ $kind == address && $before != *: ]]; then
        mapfile -t words < <(compgen -W 'tcp: tcp-listen: unix: unix-listen: fd: exec: file:' -- "$current")
        if ((${#words[@]})); then
          compopt -o nospace 2>/dev/null
          COMPREPLY+=("${words[@]}")
          return
        fi
      fi
      compopt -o filenames 2>/dev/null
      ;;
  esac
}

_ramferry() {
  local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]-} first=2 option= before= index=$((COMP_CWORD - 1))
  local options= negated= positional=nothing value=
  COMPREPLY=()
  if [[ $command == guest ]]; then
    command="guest ${COMP_WORDS[2]-}"
    first=3
  fi
  if ((COMP_CWORD < first)); then
    if ((COMP_CWORD == 1)); then
      mapfile -t COMPREPLY < <(compgen -W "$_ramferry_commands" -- "$current")
    else
      mapfile -t COMPREPLY < <(compgen -W "$_ramferry_guest" -- "$current")
    fi
    return
  fi
  # Readline gives `--codec=zs` as three words, and `unix:/run/x` too.
  if [[ $current == [=:] ]]; then
    before=$current
    current=
  elif [[ ${COMP_WORDS[index]} == [=:] ]]; then
    before=${COMP_WORDS[index]}
    index=$((index - 1))
  fi
  if [[ $before == : ]]; then
    # Only these addresses go on with the name of a file.
    case ${COMP_WORDS[index]} in unix | unix-listen | file) ;; *) return ;; esac
    index=$((index - 1))
  fi
  ((index < first)) || option=${COMP_WORDS[index]}
  [[ $option != '=' ]] || option=${COMP_WORDS[index - 1]}
  _ramferry_table "$command" "$option"
  if [[ -n $value ]]; then
    _ramferry_complete "$value" "$current" "$before"
  elif [[ $current == --no-* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$negated $options" -- "$current")
  elif [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  else
    _ramferry_complete "$positional" "$current" "$before"
  fi
}

complete -F _ramferry ramferry
