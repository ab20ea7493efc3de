#!/usr/bin/env bash
# A training step on two hosts of this machine: network namespaces joined by a veth pair whose rate is bounded (tc tbf), so
# that ranks talk TCP through the kernel as they would between machines. As root, with iproute2 and Open MPI; BENCH is a build
# with -Dmpi=enabled. One line a measurement, as bench prints it.
#
#   [MPIRUN=mpirun.openmpi] bench/network.sh BENCH RATE... [-- OPTIONS OF bench train]      RATE as tc has it: 1gbit 10gbit 25gbit
#
# Both hosts share this machine's cores and caches: the kernel's work on packets, which a network card would take over, is in
# the times.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
bench=$(realpath "$1")
shift
rates=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do rates+=("$1") && shift; done
[ $# = 0 ] || shift

folder=$(mktemp -d)
host() { echo "wavlm-bench-$1"; }
clean() {
    for i in 1 2; do ip netns del "$(host $i)" 2>/dev/null || true; done
    rm -rf "$folder"
}
trap clean EXIT

# Open MPI starts its daemon on the other host by this instead of ssh.
cat >"$folder/enter" <<'END'
#!/bin/sh
name=wavlm-bench-${1##*.}
shift
exec ip netns exec "$name" /bin/sh -c "$*"
END
chmod +x "$folder/enter"

for i in 1 2; do ip netns add "$(host $i)"; done
ip link add veth1 netns "$(host 1)" type veth peer name veth2 netns "$(host 2)"
for i in 1 2; do
    ip -n "$(host $i)" addr add 10.99.0.$i/24 dev veth$i
    ip -n "$(host $i)" link set veth$i up
    ip -n "$(host $i)" link set lo up
done

for rate in "${rates[@]}"; do
    for i in 1 2; do
        ip netns exec "$(host $i)" tc qdisc replace dev veth$i root tbf rate "$rate" burst 4mb latency 50ms
    done
    printf '%s: ' "$rate"
    ip netns exec "$(host 1)" "${MPIRUN:-mpirun}" --allow-run-as-root --bind-to none -np 2 -H 10.99.0.1:1,10.99.0.2:1 \
        --mca plm_rsh_agent "$folder/enter" --mca btl tcp,self --mca btl_tcp_if_include 10.99.0.0/24 \
        --mca oob_tcp_if_include 10.99.0.0/24 "$bench" --threads 1 "$@" train 2>/dev/null
done
