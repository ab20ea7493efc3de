#!/usr/bin/env bash
# The scripts for clusters, with stand-ins for srun, scontrol and mpirun that run one process: what they start, when a
# training goes on in another job, and that shares of a list are the whole.
#
#   cluster.sh TRAIN INFER TESTS    TESTS: this folder
set -u
train=$(realpath "$1") infer=$(realpath "$2") tests=$(realpath "$3")
scripts=$(realpath "$tests/../tools/cluster")
. "$tests/scripts/checks.sh"
export LC_ALL=C
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
mkdir bin
export PATH=$folder/bin:$PATH TRAIN=$train INFER=$infer
logged() { grep -qF -- "$2" "$1"; } # logged FILE TEXT

# ---- train.sbatch ------------------------------------------------------------------------------------------------------
# srun: with a file `status`, a step that ends so; with a file `warned`, Slurm's signal meets the program behind its first
# step.
cat >bin/srun <<'EOF'
#!/usr/bin/env bash
printf '%s ' "$@" >srun.log
while [[ ${1-} == --* ]]; do shift; done
[ ! -e status ] || exit "$(cat status)"
[ -e warned ] || exec "$@"
"$@" &
while [ ! -s run/metrics.jsonl ] && kill -0 $! 2>/dev/null; do sleep 0.02; done
kill -USR1 $!
wait $!
EOF
printf '#!/bin/sh\necho "$*" >>scontrol.log\n' >bin/scontrol
chmod +x bin/*
start() { # start OUT OPTIONS...: a job's start; sets $status
    local out=$1
    shift
    status=0
    SLURM_JOB_ID=17 SLURM_CPUS_PER_TASK=1 SHARDS=4 "$scripts/train.sbatch" "$out" --init "$tests/golden/base" \
        --data "$tests/data/list.csv" --crop 0.5 --dropout 0 --lr 1e-3 "$@" >out 2>err || status=$?
}
steps() { grep -c '"lr"' run/metrics.jsonl; }

touch warned && start run --steps 1000000
check "stopped by the warning: $status, $(cat err)" [ "$status" = 138 ]
check "put back into the queue" [ "$(cat scontrol.log)" = "requeue 17" ]
check "saved" [ -s run/state.safetensors ]
check "in shards" eval 'ls run/state.*.4-of-4.safetensors >ls.log'
for option in --mpi=pmix --cpus-per-task=1 --cpu-bind=cores --kill-on-bad-exit=0 '--threads 1 ' '--out run ' --resume; do
    check "srun gets $option" logged srun.log "$option"
done
rm warned scontrol.log
before=$(steps)
start run --steps $((before + 3))
check "the next start: $status, $(cat err)" [ "$status" = 0 ]
check "goes on" grep -q "resumed behind step $before " err
check "to the end" [ "$(steps)" = $((before + 3)) ]
check "and is not put back" [ ! -e scontrol.log ]
start whole --steps $((before + 3))
check "a run of one start: $status" [ "$status" = 0 ]
check "the same model" cmp run/best/model.safetensors whole/best/model.safetensors
check "the same metrics" cmp run/metrics.jsonl whole/metrics.jsonl

echo 138 >status && start run --steps 1000000
check "a start that got no further: $status" [ "$status" = 138 ]
check "says so" grep -q 'longer --time' err
for other in 1 2 3 137 143; do
    echo "$other" >status && start fresh
    check "srun's status $other: $status" [ "$status" = "$other" ]
done
rm status
start run --steps 1 --lr 1e-2
check "train's own refusal: $status" [ "$status" = 2 ]
check "is seen" grep -q -- '--lr' err
check "none of these is put back" [ ! -e scontrol.log ]
status=0 && "$scripts/train.sbatch" run 2>err || status=$?
check "wrong usage: $status" [ "$status" = 1 ]
check "says how" grep -q '^usage: sbatch' err

# ---- label.sbatch ------------------------------------------------------------------------------------------------------
label() { # label TASK LIST OUT OPTIONS...: a task of the array; sets $status
    local task=$1
    shift
    status=0
    SLURM_ARRAY_TASK_ID=$task SLURM_CPUS_PER_TASK=1 SHARES=3 "$scripts/label.sbatch" "$@" >out 2>err || status=$?
}
all() { # all LIST OUT OPTIONS...: every task
    local task
    for task in 2 0 1; do
        label "$task" "$@"
        check "$1, task $task: $status, $(cat err)" [ "$status" = 0 ]
    done
}
joined() { awk 'FNR > 1 || NR == 1' "$1"/share-*.csv; }
model=$(realpath "$tests/../weights/default")
mkdir archive
cp "$tests"/data/*.wav archive
# Cells of several lines, quotes in cells, one that is none since it does not begin its cell, an empty line, CR LF.
{
    printf 'file,note\r\n'
    printf '%s,"a\nb, ""c"\n' EB0_neutral_1.wav
    printf '"%s","""\n\n"\n' IC0_surprised_3.wav
    printf '\n%s,5" disc\n%s,""\n%s,\r\n' KD0_anger_54.wav KS0_happiness_54.wav SM0_sadness_16.wav
    printf '%s,"a""\n""b,"\n%s,"x"",""y"' TP0_fear_27.wav WR0_neutral_5.wav
} >archive/list.csv
cp "$tests/data/list.csv" archive/plain.csv
tr ',' '\t' <"$tests/data/list.csv" | cut -f 1-4 >archive/plain.tsv
(cd archive && ls ./*.wav >plain.txt)
for list in list.csv plain.csv plain.tsv plain.txt; do
    "$infer" --model "$model" --quiet -o "whole-$list" "archive/$list" 2>err
    check "$list: all at once: $(cat err)" [ -s "whole-$list" ]
    all "archive/$list" "out-$list" --model "$model" --quiet
    joined "out-$list" >joined
    check "$list: shares are the whole" cmp joined "whole-$list"
    check "$list: no cut list is left" [ -z "$(find archive -name '.*' -type f)" ]
done
check "seven rows, a share each has" [ "$(cat out-plain.csv/share-*.csv | wc -l)" = 10 ]

# What is there is not done again, and what is missing is.
rm out-plain.csv/share-1-of-3.csv
echo mark >>out-plain.csv/share-0-of-3.csv
all archive/plain.csv out-plain.csv --model "$model" --quiet
check "what is there stays" [ "$(tail -n 1 out-plain.csv/share-0-of-3.csv)" = mark ]
joined out-plain.csv | grep -vx mark >joined
check "what was missing is there" cmp joined whole-plain.csv

refused() { # refused TEXT WHAT ARGUMENTS...: of label
    local text=$1 what=$2
    shift 2
    label "$@"
    check "$what: $status" [ "$status" = 1 ]
    check "$what: $(cat err)" grep -q -- "$text" err
}
refused 'begun with another' "other options" 0 archive/plain.csv out-plain.csv --model "$model" --logits
refused 'begun with another' "another list" 0 archive/list.csv out-plain.csv --model "$model" --quiet
head -n 3 archive/plain.csv >archive/few.csv
refused '2 rows in 3 shares' "fewer rows than shares" 0 archive/few.csv few --model "$model"
refused '--array=0-2' "a task too many" 3 archive/plain.csv many --model "$model"
refused 'cannot be read' "no list" 0 archive/none.csv none --model "$model"
refused 'expected a list' "a recording for a list" 0 archive/KD0_anger_54.wav none --model "$model"
refused 'usage: sbatch' "wrong usage" 0 archive/plain.csv

sed 's/KD0_anger/missing/' archive/plain.csv >archive/broken.csv
all archive/broken.csv broken --model "$model" --quiet
check "a recording that is not there has its row" grep -q '^missing_54.wav,,.*No such file' <(joined broken)
label 0 archive/plain.csv bad --model "$folder/bin"
check "a model that cannot be loaded: $status" [ "$status" = 2 ]
check "leaves no share" [ -z "$(find bad -name '*.csv')" ]

# ---- two-machines.sh -----------------------------------------------------------------------------------------------------
# mpirun: as the file `kind` says; runs what follows its options, once. With a file `lost`, its status is 0, as MPICH's
# often is.
cat >bin/mpirun <<'EOF'
#!/usr/bin/env bash
[ "$1" != --version ] || { cat kind && exit; }
printf '%s ' "$@" >mpirun.log
while [ "$1" != "$TRAIN" ]; do shift; done
"$@"
status=$?
[ ! -e lost ] || exit 0
exit $status
EOF
chmod +x bin/mpirun
pair() { # pair OUT OPTIONS...: sets $status
    local out=$1
    shift
    status=0
    RANKS=2 THREADS=1 SHARDS=4 "$scripts/two-machines.sh" one other "$out" --init "$tests/golden/base" \
        --data "$tests/data/list.csv" --crop 0.5 --dropout 0 --lr 1e-3 "$@" >out 2>err || status=$?
}
echo 'mpirun (Open MPI) 4.1.4' >kind
INTERFACE=eth7 pair open --steps 2
check "Open MPI: $status, $(cat err)" [ "$status" = 0 ]
check "its options" logged mpirun.log \
    '--host one:2,other:2 -np 4 --map-by ppr:2:node:PE=1 --bind-to core -x OMP_PLACES -x OMP_PROC_BIND '
check "the interface" logged mpirun.log '--mca btl_tcp_if_include eth7 '
echo 'HYDRA build details:' >kind
pair mpich --steps 2
check "MPICH: $status, $(cat err)" [ "$status" = 0 ]
check "its options" logged mpirun.log "-hosts one,other -ppn 2 -n 4 -bind-to core:1 $TRAIN "
check "the same model" cmp open/best/model.safetensors mpich/best/model.safetensors
touch lost && pair mpich --steps 2 --lr 1e-2
check "a status that was lost: $status" [ "$status" = 1 ]
check "what train said" grep -q -- '--lr' out
rm lost
pair mpich --steps 2 --lr 1e-2
check "a status that was not: $status" [ "$status" = 2 ]
echo 'another' >kind && pair none
check "neither: $status" [ "$status" = 1 ]
check "says so" grep -q "neither Open MPI's nor MPICH's" err

finish
