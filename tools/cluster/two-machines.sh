#!/usr/bin/env bash
# Trains one model on two machines that have no scheduler.
#
#   tools/cluster/two-machines.sh HOST HOST OUT TRAIN_OPTION...
#   RANKS=2 THREADS=16 tools/cluster/two-machines.sh node1 node2 run --init wavlm-large --data list.csv --checkpoint-layers
#
# Run it on one of them, from the project's folder, and again to go on with a run that was stopped (Ctrl-C saves and
# leaves, which may take a step and the writing of some gigabytes). Both need: ssh from this one without a password; the
# same MPI; the same build, model and list under the same paths, from this folder on; OUT in a folder that they share. The
# options are those of train but for --out and --resume. "HOST HOST" twice the same tries it out on one machine.
set -euo pipefail

# ---- What to change, here or in the environment -------------------------------------------------------------------------
# Ranks a machine: one a NUMA domain ("lscpu | grep NUMA"), of which a machine with one socket often has one.
RANKS=${RANKS:-1}
# Cores a rank: those of a domain, without hyperthreads. Unless said, this machine's, divided among its ranks.
THREADS=${THREADS:-}
# Parts of a step's batch: the same number on any number of machines gives the same bits. A multiple of all ranks, and no
# more than recordings in a batch.
SHARDS=${SHARDS:-8}
# The mpirun of the MPI that train was built with: mpirun.openmpi and mpirun.mpich on Debian.
MPIRUN=${MPIRUN:-mpirun}
# Further options of it, such as Open MPI's --allow-run-as-root.
read -ra MPIRUN_OPTIONS <<<"${MPIRUN_OPTIONS:-}"
# The network interface between the two ("ip route get ADDRESS" names it). To be given where the machines have others, too,
# such as Docker's, which have the same address on both: MPI may try those and wait for ever.
INTERFACE=${INTERFACE:-}
TRAIN=${TRAIN:-build/tools/train}

complain() {
    echo "two-machines: $*" >&2
    exit 1
}
[ $# -ge 4 ] || complain "usage: tools/cluster/two-machines.sh HOST HOST OUT TRAIN_OPTION... (its first lines say more)"
one=$1 other=$2 out=$3
shift 3
[ -x "$TRAIN" ] || complain "$TRAIN is not there: build with -Dmpi=enabled, run this from the project's folder"
TRAIN=$(realpath "$TRAIN")
each=$RANKS
[ "$one" != "$other" ] || each=$((2 * RANKS))
cores=$(lscpu -p=CORE,SOCKET | grep -v '^#' | sort -u | wc -l)
: "${THREADS:=$((cores > each ? cores / each : 1))}"

# Threads stay on their cores. OpenMP then shows a program one CPU, so the number of threads is said below.
export OMP_PLACES=cores OMP_PROC_BIND=close
version=$("$MPIRUN" --version 2>&1) || complain "$MPIRUN does not run: MPIRUN=... names another"
case $version in
*"Open MPI"* | *OpenRTE* | *PRRTE*)
    # ppr:N:node:PE=n: N ranks a machine, each on n cores of its own, neighbouring ones; -x: into the others' environment.
    mpi=("$MPIRUN" --host "$one:$each,$other:$each" -np $((2 * RANKS)) --map-by "ppr:$each:node:PE=$THREADS" --bind-to core
        -x OMP_PLACES -x OMP_PROC_BIND
        ${INTERFACE:+--mca btl_tcp_if_include "$INTERFACE" --mca oob_tcp_if_include "$INTERFACE"})
    ;;
*HYDRA*)
    # -bind-to core:n: each rank on n cores of its own; the environment goes along by itself.
    mpi=("$MPIRUN" -hosts "$one,$other" -ppn "$RANKS" -n $((2 * RANKS)) -bind-to "core:$THREADS"
        ${INTERFACE:+-iface "$INTERFACE"})
    ;;
*) complain "$MPIRUN is neither Open MPI's nor MPICH's: $(head -n 1 <<<"$version")" ;;
esac

# What the ranks say goes into a log, too: MPICH's mpirun often leaves with 0 where its ranks left with another status, so
# that the line they end with decides.
log=$out.log
touch "$log"
began=$(($(wc -c <"$log") + 1))

# Ctrl-C and SIGTERM become SIGUSR1, which every mpirun hands on: of the others Open MPI's gives the ranks one second before
# it kills them, and saving takes longer. For that mpirun gets a process group of its own (-m). The second time ends it.
set -m
"${mpi[@]}" ${MPIRUN_OPTIONS[@]+"${MPIRUN_OPTIONS[@]}"} "$TRAIN" --shards "$SHARDS" --threads "$THREADS" "$@" \
    --out "$out" --resume 2>&1 </dev/null | tee -ai "$log" &
job=$(jobs -p %1)
trap 'kill -USR1 "$job" 2>/dev/null || true' INT TERM
status=0
wait %1 || status=$? # which a signal ends early
while kill -0 "$job" 2>/dev/null; do
    status=0
    wait %1 || status=$?
done
if tail -c "+$began" "$log" | grep '^train: done: ' >/dev/null; then exit 0; fi
[ "$status" != 0 ] || status=1
echo "two-machines: not done, $log says why; the same command goes on where it was stopped" >&2
exit "$status"
