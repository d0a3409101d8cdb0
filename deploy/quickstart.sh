#!/usr/bin/env bash
# A working mesh on this machine's loopback, from a fresh clone, in one command.
set -euo pipefail

usage() {
  cat <<'EOT'
deploy/quickstart.sh [up] [--model ROLE=/path/to.gguf]... [--llama-server PATH]
deploy/quickstart.sh status | down | --help

up      (the default) installs what is missing, builds, fetches a llama-server, and
        starts a control plane, an edge on 127.0.0.1:8080 and an agent with two roles,
        planner and writer. Ends with a chat through the edge. Running it again is
        harmless: what runs is kept.
status  says what runs.
down    drains and stops all of it. State stays in .rolemesh/; remove that folder to
        start from nothing.

  --model ROLE=/path/to.gguf   serve ROLE from this model instead of the tiny one;
                               repeatable, also for further roles
  --llama-server PATH          use this llama-server instead of Debian's
  --slots N, --context N       slots and tokens per slot of models given by --model
                               (2 and 8192)

Environment: ROLEMESH_HOME (default .rolemesh in the clone) is where all state goes.
EOT
}

root=$(dirname "$(dirname "$(realpath "$0")")")
home=$(realpath -m "${ROLEMESH_HOME:-$root/.rolemesh}")
bin=$root/build/release/bin
logs=$home/logs
run=$home/run
edge_url=http://127.0.0.1:8080

action=up
llama_server=
slots=2
context=8192
declare -A models=()
roles=(planner writer)
while [ $# -gt 0 ]; do
  case $1 in
    up | status | down) action=$1 ;;
    --model)
      [[ ${2:-} == *=* ]] || { echo "quickstart: --model needs ROLE=/path/to.gguf" >&2; exit 2; }
      role=${2%%=*} path=$(realpath -m "${2#*=}")
      [[ $role =~ ^[a-z][a-z0-9._-]{0,62}$ ]] || { echo "quickstart: \"$role\" is not a role name (a-z, 0-9, - _ .)" >&2; exit 2; }
      [ -r "$path" ] || { echo "quickstart: --model $role: no readable file $path" >&2; exit 2; }
      models[$role]=$path
      [[ " ${roles[*]} " == *" $role "* ]] || roles+=("$role")
      shift ;;
    --llama-server)
      llama_server=$(realpath -m "${2:-}")
      [ -x "$llama_server" ] || { echo "quickstart: --llama-server: no program at $llama_server" >&2; exit 2; }
      shift ;;
    --slots) slots=${2:?}; shift ;;
    --context) context=${2:?}; shift ;;
    -h | --help | help) usage; exit 0 ;;
    *) echo "quickstart: unknown argument \"$1\"; see deploy/quickstart.sh --help" >&2; exit 2 ;;
  esac
  shift
done

mkdir -p "$home" "$logs" "$run"
chmod 700 "$home"

# --- progress and failure -------------------------------------------------------------

step_name=start
step_log=
step() {
  step_name=$1 step_log=$logs/$2.log
  printf '[%3ds] %s\n' "$SECONDS" "$step_name"
}
failed() {
  local code=$?
  {
    echo
    echo "quickstart failed at: $step_name"
    if [ -n "$step_log" ] && [ -s "$step_log" ]; then
      echo "the end of its log, $step_log:"
      tail -n 12 "$step_log" | sed 's/^/  | /'
    fi
    echo "mend that and run it again; what was done is kept."
  } >&2
  exit "$code"
}

# --- processes ------------------------------------------------------------------------

# The kernel's start time of a pid, so that a recycled pid is never ours.
started_at() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

is_running() {
  local pid stamp
  [ -r "$run/$1.pid" ] || return 1
  read -r pid stamp <"$run/$1.pid"
  [ -n "$pid" ] && [ "$(started_at "$pid")" = "$stamp" ]
}

launch() { # NAME PROGRAM ARGUMENT...
  local name=$1
  shift
  setsid nohup "$@" >>"$logs/$name.log" 2>&1 </dev/null &
  local pid=$!
  echo "$pid $(started_at "$pid")" >"$run/$name.pid"
}

wait_ready() { # NAME URL SECONDS
  local deadline=$((SECONDS + $3))
  until curl -fsS -o /dev/null --max-time 2 "$2" 2>/dev/null; do
    is_running "$1" || { echo "$1 ended; its log is $logs/$1.log" >&2; return 1; }
    [ $SECONDS -lt $deadline ] || { echo "$1 was not ready after $3 s ($2 says: $(curl -s --max-time 2 "$2"))" >&2; return 1; }
    sleep 0.1
  done
}

stop() { # NAME SECONDS
  is_running "$1" || { rm -f "$run/$1.pid"; return 0; }
  local pid deadline=$((SECONDS + $2))
  read -r pid _ <"$run/$1.pid"
  kill -TERM "$pid"
  while is_running "$1"; do
    if [ $SECONDS -ge $deadline ]; then
      echo "  $1 did not stop in $2 s: killed"
      kill -KILL "$pid"
      sleep 0.2
    fi
    sleep 0.1
  done
  rm -f "$run/$1.pid"
  echo "  $1 stopped"
}

programs=(controlplane edge agent)

status() {
  local all=0
  for name in "${programs[@]}"; do
    if is_running "$name"; then
      echo "$name: runs, pid $(cut -d' ' -f1 <"$run/$name.pid"), log $logs/$name.log"
    else
      echo "$name: does not run"
      all=1
    fi
  done
  if [ $all -eq 0 ]; then
    echo
    "$bin/meshctl" --socket "$home/controlplane/controlplane.sock" status
  fi
  return $all
}

case $action in
  status) if status; then exit 0; else exit 1; fi ;;
  down)
    for name in agent edge controlplane; do stop "$name" 75; done
    exit 0 ;;
esac

# --- up -------------------------------------------------------------------------------

trap failed ERR
SECONDS=0
# Settings of an earlier mesh would be overwritten silently; here they are this run's.
unset ROLEMESH_SERVER ROLEMESH_IDENTITY ROLEMESH_SOCKET ROLEMESH_TOKEN

step "installing Debian packages" packages
"$root/deploy/setup/install_packages.sh" build run 2>&1 | tee "$step_log" | sed 's/^/       /'
test "${PIPESTATUS[0]}" -eq 0

step "building (the first time takes some minutes)" build
(
  cd "$root"
  cmake --preset release -DROLEMESH_TESTS="${ROLEMESH_TESTS:-OFF}" >"$step_log" 2>&1
  NINJA_STATUS='       [%f/%t] ' ninja -C build/release rolemesh-controlplane rolemesh-edge \
    rolemesh-agent meshctl 2>&1 | tee -a "$step_log" | awk '
      /^ *\[[0-9]+\/[0-9]+\]/ { if (++n % 40 == 0) { print "      " $1; fflush() } next } { print }'
  test "${PIPESTATUS[0]}" -eq 0
)

if [ -z "$llama_server" ]; then
  step "fetching Debian's llama-server" llama-server
  "$root/deploy/llama/get-llama-server.sh" "$home/llama" >"$step_log" 2>&1
  llama_server=$home/llama/bin/llama-server
fi

step "writing configuration" configuration
mkdir -p "$home/config" "$home/models"
cp -u "$root/deploy/llama/model/tiny-chat.gguf" "$home/models/"
cat >"$home/config/controlplane.yaml" <<EOT
mesh: quickstart
replica: cp-1
state_dir: $home/controlplane
listen: 127.0.0.1:7443
admin_listen: 127.0.0.1:9070
node_cidrs: [127.0.0.0/8]
default_role: planner
EOT
cat >"$home/config/edge.yaml" <<EOT
state_dir: $home/edge
control_planes: [127.0.0.1:7443]
listen: 127.0.0.1:8080
admin_listen: 127.0.0.1:9080
EOT
{
  cat <<EOT
state_dir: $home/agent
control_planes: [127.0.0.1:7443]
front: {listen: 127.0.0.1:8091}
admin_listen: 127.0.0.1:9091
llama_server: $llama_server
models_dirs:
  - $home/models
EOT
  for role in "${!models[@]}"; do echo "  - $(dirname "${models[$role]}")"; done | sort -u
  echo "instances:"
  for role in "${roles[@]}"; do
    if [ -n "${models[$role]:-}" ]; then
      printf '  - {name: %s, roles: [%s], model: "%s", slots: %s, context_per_slot: %s}\n' \
        "$role" "$role" "${models[$role]}" "$slots" "$context"
    else
      printf '  - {name: %s, roles: [%s], model: tiny-chat.gguf, slots: 2, context_per_slot: 2048, threads: 1}\n' \
        "$role" "$role"
    fi
  done
} >"$home/config/agent.yaml"

meshctl=("$bin/meshctl" --socket "$home/controlplane/controlplane.sock")

step "starting the control plane on 127.0.0.1:7443" controlplane
if ! is_running controlplane; then
  [ -e "$home/controlplane/store.db" ] ||
    "$bin/rolemesh-controlplane" init --config "$home/config/controlplane.yaml" >>"$step_log" 2>&1
  launch controlplane "$bin/rolemesh-controlplane" --config "$home/config/controlplane.yaml"
fi
wait_ready controlplane http://127.0.0.1:9070/readyz 20

join() { # KIND NAME PROGRAM CONFIG TOKEN-ARGUMENT...
  local kind=$1 name=$2 program=$3 config=$4
  shift 4
  [ ! -e "$home/$kind/identity/certificate.pem" ] || return 0
  "${meshctl[@]}" token create --kind "$kind" --name "$name" "$@" 2>>"$step_log" |
    "$program" join --config "$config" --token-file - >>"$step_log" 2>&1
}

step "joining the edge, the agent and you by token" join
join edge edge-1 "$bin/rolemesh-edge" "$home/config/edge.yaml"
role_arguments=()
for role in "${roles[@]}"; do role_arguments+=(--role "$role"); done
if [ ! -e "$home/agent/identity/certificate.pem" ]; then
  "${meshctl[@]}" token create --kind node --name local "${role_arguments[@]}" 2>>"$step_log" |
    "$bin/rolemesh-agent" join --config "$home/config/agent.yaml" --token-file - >>"$step_log" 2>&1
fi
if [ ! -e "$home/operator/certificate.pem" ]; then
  "${meshctl[@]}" token create --kind operator --name quickstart 2>>"$step_log" |
    "$bin/meshctl" join --server 127.0.0.1:7443 --identity "$home/operator" --token-file - \
      >>"$step_log" 2>&1
fi

step "starting the agent with ${roles[*]}" agent
is_running agent || launch agent "$bin/rolemesh-agent" --config "$home/config/agent.yaml"
wait_ready agent http://127.0.0.1:9091/readyz 120

step "making an API key" key
key=
if [ -r "$home/quickstart.env" ]; then
  key=$(sed -n "s/^export OPENAI_API_KEY='\(.*\)'$/\1/p" "$home/quickstart.env")
  key_id=$(cut -d_ -f2 <<<"$key")
  "${meshctl[@]}" get keys -o json 2>>"$step_log" | grep -q "\"$key_id\"" || key=
fi
[ -n "$key" ] || key=$("${meshctl[@]}" key create --note quickstart 2>>"$step_log")
(
  umask 077
  cat >"$home/quickstart.env" <<EOT
# source this file; then curl, the OpenAI SDKs and meshctl find the mesh.
export OPENAI_BASE_URL='$edge_url/v1'
export OPENAI_API_KEY='$key'
export ROLEMESH_SERVER='127.0.0.1:7443'
export ROLEMESH_IDENTITY='$home/operator'
export PATH='$bin':"\$PATH"
EOT
)

step "starting the edge on $edge_url" edge
is_running edge || launch edge "$bin/rolemesh-edge" --config "$home/config/edge.yaml"
wait_ready edge http://127.0.0.1:9080/readyz 30

step "sending a chat to each role through the edge" chat
for role in "${roles[@]}"; do
  answer=
  for _ in $(seq 60); do # a large model may still be loading
    answer=$(curl -sS --max-time 300 "$edge_url/v1/chat/completions" \
      -H @- -H 'Content-Type: application/json' \
      -d "{\"model\":\"$role\",\"messages\":[{\"role\":\"user\",\"content\":\"Count to five.\"}],\"temperature\":0,\"max_tokens\":40}" \
      <<<"Authorization: Bearer $key" 2>>"$step_log" | tee -a "$step_log" |
      jq -r '.choices[0].message.content // empty') || true
    [ -z "$answer" ] || break
    sleep 2
  done
  [ -n "$answer" ] || { echo "no answer from role $role" >&2; false; }
  printf '       %s was asked to count to five and said: %s\n' "$role" "$answer"
done

cat <<EOT

RoleMesh is up after $SECONDS s.

  base URL  $edge_url/v1
  API key   $key
  roles     ${roles[*]}

  source ${home#"$PWD"/}/quickstart.env
  curl "\$OPENAI_BASE_URL/chat/completions" -H "Authorization: Bearer \$OPENAI_API_KEY" \\
    -H 'Content-Type: application/json' \\
    -d '{"model":"writer","messages":[{"role":"user","content":"Say: hello mesh"}]}'
  meshctl status

Stop it with deploy/quickstart.sh down.
EOT
