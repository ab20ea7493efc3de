#!/usr/bin/env bash
# Training on several processes: the same bytes on any number of ranks, also when a rank is killed and the run resumed on
# another number; what the job says when a rank sees another world, hangs, cannot write or is told to stop.
#
#   train_ranks.sh TRAIN ALONE MPIRUN... TESTS
#
# TRAIN: of a build with MPI; ALONE: of one without; MPIRUN...: its launcher with options, to which -n RANKS is added; TESTS:
# the folder above this one.
set -u
train=$(realpath "$1") alone=$(realpath "$2") tests=$(realpath "${*: -1}")
mpirun=("${@:3:$#-3}")
. "$tests/scripts/checks.sh"
export LC_ALL=C OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
shards=12
counts=(1 2 3 4 6)
random() { echo $(((RANDOM << 15 | RANDOM) % $1)); } # random N: below N

# ---- Corpora: real recordings under other names; labels, attributes and votes that mean nothing ----------------------------
# corpus FOLDER: 42 recordings, 33 of them to train on, 6 dev, 3 test
corpus() {
    local recordings=("$tests"/data/*.wav) classes=(anger fear happiness neutral sadness surprised) n split gender
    mkdir "$1" && ln -s "$tests/golden/base" "$1/model" || return
    echo file,gender,emotion,split,arousal,dominance,valence,anger,fear,happiness,neutral,sadness,surprised >"$1/list.csv"
    for n in {1..42}; do
        ln -s "${recordings[(n * 3 + n / 7) % ${#recordings[@]}]}" "$1/$n.wav"
        split=train gender=female
        [ $((n % 7)) != 0 ] || split=dev
        [ $((n % 14)) != 1 ] || split=test
        [ $((n % 2)) != 0 ] || gender=male
        echo "$n.wav,$gender,${classes[n % 6]},$split,$((1 + n * 5 % 7)),$((1 + n * n % 7)),$((1 + n * 3 % 7))$(
            printf ',%d' $((n % 3)) $((n % 2)) 1 $(((n + 1) % 3)) 2 $((n % 4)))" >>"$1/list.csv"
    done
}
check "a corpus" corpus here

# What mpirun starts: notes its process id, sees another world when it is the odd rank, and becomes the program, so that a
# signal meets it.
cat >rank.sh <<'END'
#!/usr/bin/env bash
rank=${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-}}
if [ "$rank" = "${ODD_RANK-none}" ]; then
    cd "${ODD_FOLDER:-.}" || exit 99
    set -- "$@" ${ODD_OPTIONS-}
    [ ! "${ODD_PROGRAM-}" ] || set -- "$ODD_PROGRAM" "${@:2}"
fi
[ ! "${PIDS-}" ] || echo $$ >"$PIDS/$rank"
if [ "${STATUSES-}" ]; then # a shell stays behind to see how the program ends
    trap '' TERM USR1 INT
    "$@" &
    echo $! >"$PIDS/$rank"
    wait $!
    status=$?
    echo $status >"$STATUSES/$rank"
    exit $status
fi
exec "$@"
END
chmod +x rank.sh

# ranks_as_program N OPTIONS...: instead of this shell; train on N ranks in here/
ranks_as_program() {
    local n=$1
    shift
    # Open MPI's launcher was seen to hang, its ranks gone, when one was killed as it joined: that ends as a kill does.
    cd here && exec timeout -s KILL 60 "${mpirun[@]}" -n "$n" "$folder/rank.sh" "$train" --threads 1 --decoders 1 "$@" </dev/null
}
ranks() { # ranks N OPTIONS...: what it says in err, its exit status in $status
    (ranks_as_program "$@") >out 2>err
    status=$?
}
# says STATUS TEXT WHAT: the last job failed so, with one line of the program's, like TEXT (beside what mpirun says)
says() {
    if [ "$status" != "$1" ]; then bad "$3: exit status $status, expected $1: $(cat err)" && return; fi
    grep '^train: ' err >said
    if [ "$(wc -l <said)" != 1 ] || ! grep -qE -- "$2" said; then bad "$3: expected a line like '$2': $(cat err)" && return; fi
    ok
}
# same_run A B: everything that counts is the same, byte for byte, and so are the parts' names
same_run() {
    local file
    for file in best/model.safetensors last/model.safetensors metrics.jsonl state.safetensors; do
        cmp "$1/$file" "$2/$file" || return
    done
    (cd "$1" && ls state.*-of-*) >parts && cmp parts <(cd "$2" && ls state.*-of-*) || return
    [ "$(wc -l <parts)" = $shards ] || return
    while read -r file; do cmp "$1/$file" "$2/$file" || return; done <parts
}

# ---- The same bytes on every number of ranks -----------------------------------------------------------------------------
common="--init model --data list.csv --crop 1 --lr 1e-3 --quiet"
options_of() { # options_of RUN: each has 4 steps or more
    case $1 in
    everything)
        echo "$common --epochs 6 --batch-size 11 --accumulate 2 --class-weights balanced --label-smoothing 0.1 --clip 0.1
            --schedule cosine --warmup 0.1 --dropout 0.1 --layer-drop 0.2 --feature-dropout 0.1 --mask-time-prob 0.3
            --pooling attention --gender-conditioning multiply --gain 6 --noise 0.5 --speed 0.1 --ema 0.9
            --train-feature-encoder --checkpoint-layers"
        ;;
    focal) echo "$common --steps 4 --batch-size 16 --loss focal --exchange bf16 --clip 0.1 --ema 0.9 --dropout 0" ;;
    ccc) echo "$common --steps 4 --batch-size 14 --accumulate 2 --loss ccc --clip 1 --dropout 0 --mask-time-prob 0.2" ;;
    soft) # fewer recordings than shards: some are absent, and where there are few, so are ranks
        echo "$common --steps 5 --batch-size 5 --soft-labels --train-feature-encoder --precision bf16 --pooling std --dropout 0"
        ;;
    esac
}
option_list() { read -r -d '' -a options < <(options_of "$1"); } # option_list RUN: into $options
for run in everything focal ccc soft; do
    option_list $run
    for n in "${counts[@]}"; do # beside each other, since they mostly start and stop
        (
            (ranks_as_program "$n" --shards $shards --out "$run.$n" "${options[@]}") >$run.$n.out 2>$run.$n.err
            echo $? >$run.$n.status
        ) &
    done
    (cd here && "$alone" --threads 2 --shards $shards --out $run "${options[@]}") 2>err
    check "$run: one process of a build without MPI" [ $? = 0 ]
    check "$run: steps" [ "$(grep -c '"lr"' here/$run/metrics.jsonl)" -ge 4 ]
    (cd here && "$alone" --threads 2 --out $run.whole "${options[@]}") 2>err
    check "$run: without shards" [ $? = 0 ]
    wait
    for n in "${counts[@]}"; do
        check "$run: $n ranks: $(cat $run.$n.err)" [ "$(cat $run.$n.status)" = 0 ]
        check "$run: $n ranks, the same bytes" same_run here/$run "here/$run.$n"
    done
    tolerance=1e-5
    [[ ${options[*]} != *bf16* ]] || tolerance=5e-4 # where sums differ in the last digit, some of it rounds the other way
    numbers loss here/$run/metrics.jsonl >losses
    numbers loss here/$run.whole/metrics.jsonl >whole
    check "$run: the losses without shards" same_numbers losses whole $tolerance
done
cmp -s here/everything/metrics.jsonl here/ccc/metrics.jsonl
check "runs that differ are seen" [ $? = 1 ]

# ---- Killed twenty times, and resumed on another number of ranks ----------------------------------------------------------
option_list everything
mkdir pids
count_lines() { # count_lines FILE: into $lines; 0 where there is none
    local all=()
    [ ! -e "$1" ] || mapfile -t all <"$1"
    lines=${#all[@]}
}
# begin N OPTIONS...: a job of N ranks in the background; $job
begin() {
    rm -f pids/*
    (PIDS=$folder/pids ranks_as_program "$@" >out 2>err) &
    job=$!
}
await_lines() { # await_lines FILE COUNT: until FILE has as many lines, or the job has ended
    while count_lines "$1" && [ "$lines" -lt "$2" ] && kill -0 "$job" 2>/dev/null; do sleep 0.01; done
}
await_file() { while [ ! -s "$1" ] && kill -0 "$job" 2>/dev/null; do sleep 0.01; done; } # await_file FILE: the same
signal_rank() { # signal_rank NAME RANK: true when that rank's program was there to get it
    local id
    id=$(cat "pids/$2" 2>/dev/null) && [ "$(readlink "/proc/$id/exe")" = "$train" ] && kill "-$1" "$id" 2>/dev/null
}
pause() { sleep "0.$(printf %03d "$(random "$1")")"; } # pause MOST: at random, in milliseconds

kills=0 through=0
while [ $kills -lt 20 ] && [ $through -lt 100 ]; do
    n=${counts[$(random ${#counts[@]})]}
    count_lines here/killed/metrics.jsonl
    begin "$n" --shards $shards --out killed "${options[@]}" --save-minutes 0 --resume
    victim=$(random "$n")
    await_lines here/killed/metrics.jsonl $((lines + kills % 4))
    await_file "pids/$victim"
    pause 100
    signal_rank KILL "$victim" && killed=1 || killed=
    wait "$job"
    status=$?
    if [ $status = 0 ]; then
        through=$((through + 1))
        rm -rf here/killed # too late: once more from the beginning
    elif [ "$killed" ]; then
        kills=$((kills + 1))
    elif grep -q '^train: ' err; then
        break
    fi
done
[ $kills = 20 ] || echo "$kills kills, $through runs that were through, the last exit status $status: $(cat err)"
check "twenty kills" [ $kills = 20 ]
ranks 4 --shards $shards --out killed "${options[@]}" --resume
check "resumed after twenty kills: $(cat err)" [ $status = 0 ]
check "twenty kills, the same bytes" same_run here/everything here/killed

# ---- Told to stop ----------------------------------------------------------------------------------------------------------
mkdir statuses
stop() { # stop NAME NUMBER RANKS RANK OTHER: a signal to one rank saves and ends all, and OTHER ranks go on
    local tries n
    for tries in {1..30}; do
        rm -rf here/stopped statuses/*
        # Open MPI's launcher would kill those that leave last.
        OMPI_MCA_orte_abort_on_non_zero_status=0 STATUSES=$folder/statuses \
            begin "$3" --shards $shards --out stopped "${options[@]}"
        await_lines here/stopped/metrics.jsonl 2
        await_file "pids/$4"
        pause 100
        signal_rank "$1" "$4"
        wait "$job"
        status=$?
        count_lines here/stopped/metrics.jsonl
        [ "$(cat statuses/"$4")" = 0 ] || break # else the signal came too late
    done
    check "$1: in the middle: $(cat err)" [ "$lines" -lt "$all_lines" ]
    for ((n = 0; n < $3; n++)); do check "$1: how rank $n ends" [ "$(cat statuses/$n)" = $((128 + $2)) ]; done
    check "$1: it saved" [ -s here/stopped/state.safetensors ]
    ranks "$5" --shards $shards --out stopped "${options[@]}" --resume
    check "$1: $5 ranks go on: $(cat err)" [ $status = 0 ]
    check "$1: the same bytes" same_run here/everything here/stopped
}
count_lines here/everything/metrics.jsonl
all_lines=$lines
stop TERM 15 4 2 3
stop USR1 10 3 0 6

# ---- A rank that cannot write: what was saved before stays -----------------------------------------------------------------
step_of() { ls "here/$1" | sed -n 's/^state\.\([0-9]*\)\.1-of-.*/\1/p'; } # step_of OUT: of its state
for tries in {1..20}; do # until it was killed behind its first save: then the next save is the next step's
    rm -rf here/full
    begin 3 --shards $shards --out full "${options[@]}" --save-minutes 0
    await_file here/full/state.safetensors
    signal_rank KILL 2
    wait "$job"
    status=$?
    [ $status = 0 ] || break
done
step=$(head -c 65536 here/full/state.safetensors | grep -aoE '"position": ?"[0-9]+' | grep -oE '[0-9]+$')
check "full disk: killed behind step ${step:-?}" [ "${step:-0}" -ge 1 -a $status != 0 ]
for part in 7 8; do ln -sf /dev/full here/full/state.$((step + 1)).$part-of-$shards.safetensors.part; done # of rank 1 of 2
ranks 2 --shards $shards --out full "${options[@]}" --save-minutes 0 --resume
says 3 "^train: rank 1 \\($(hostname)\\): full/state\\.$((step + 1))\\.7-of-$shards\\.safetensors.*: No space left on device" \
    "full disk"
check "full disk: the state before it, whole" [ "$(ls here/full/state.$step.*-of-$shards.safetensors | wc -l)" = $shards ]
rm -f here/full/*.part
ranks 4 --shards $shards --out full "${options[@]}" --resume
check "full disk: resumed: $(cat err)" [ $status = 0 ]
check "full disk: the same bytes" same_run here/everything here/full

# ---- A rank that hangs -----------------------------------------------------------------------------------------------------
hang() { # hang RANKS RANK SECONDS
    rm -rf here/hung
    begin "$1" --shards $shards --out hung "${options[@]}" --save-minutes 0 --rank-timeout "$3"
    await_lines here/hung/metrics.jsonl 2
    signal_rank STOP "$2"
    local began=$SECONDS
    wait "$job"
    status=$?
    check "rank $2 hangs: seconds" [ $((SECONDS - began)) -le 15 ]
    says 3 "^train: rank $2 \(.*\) has sent nothing for [0-9]+ s, in .*the job is ended" "rank $2 hangs"
    kill -9 $(cat pids/*) 2>/dev/null
    ranks 2 --shards $shards --out hung "${options[@]}" --resume
    check "rank $2 hangs: resumed: $(cat err)" [ $status = 0 ]
    check "rank $2 hangs: the same bytes" same_run here/everything here/hung
}
hang 3 2 3
hang 2 0 1

# ---- States that do not fit ------------------------------------------------------------------------------------------------
halve() { # halve OUT: a run of the first two epochs, in $half
    ranks 3 --shards $shards --out "$1" "${half[@]}" --epochs 2
    check "$1: half a run: $(cat err)" [ $status = 0 ]
}
half=(--init model --data list.csv --crop 1 --quiet --batch-size 11 --lr 1e-3 --dropout 0)
halve damaged
step=$(step_of damaged)
part=here/damaged/state.$step.5-of-$shards.safetensors
cp "$part" part
resume_damaged() { ranks "$1" --shards $shards --out damaged "${half[@]}" --epochs 3 --resume; }
size=$(stat -c %s part)
printf '\x5a' | dd of="$part" bs=1 seek=$((size - 2)) conv=notrunc 2>dd.err
resume_damaged 3
says 2 "^train: rank 1 \(.*\): damaged/state\.$step\.5-of-$shards\.safetensors: damaged, or a part of another run" \
    "a byte of a part"
head -c $((size / 2)) part >"$part"
resume_damaged 4
says 2 "^train: rank 1 \(.*\): .*state\.$step\.5-of-$shards\.safetensors" "half of a part"
rm "$part"
resume_damaged 6
says 2 "^train: rank 2 \(.*\): .*state\.$step\.5-of-$shards\.safetensors" "a part that is not there"
cp part "$part"

# Parts and manifests that are whole, but of other runs: nothing in OUT changes.
folder_of() { find "here/$1" -printf '%P %i %s %T@\n' -type f -exec sha256sum {} + | sort; } # folder_of OUT: what is in it
refused() { # refused RANKS TEXT WHAT
    folder_of damaged >before
    resume_damaged "$1"
    says 2 "$2" "$3"
    folder_of damaged >after
    check "$3: nothing changed" cmp before after
}
elsewhere() { # elsewhere OUT OPTIONS...: as the damaged run, but with what is different now
    ranks 6 --shards $shards --out "$1" "${half[@]}" --epochs 2 "${@:2}"
    check "$1: a run: $(cat err)" [ $status = 0 ]
}
elsewhere seed --seed 2
mv here/list.csv list && sed '9s/train/dev/' list >here/list.csv
elsewhere list
mv list here/list.csv
cp -rL here/model twin && rm here/model && ln -s "$folder/twin" here/model
size=$(stat -c %s twin/model.safetensors)
head -c 8000 /dev/zero | tr '\0' '\63' | dd of=twin/model.safetensors bs=1 seek=$((size / 2)) conv=notrunc 2>dd.err
elsewhere begun # the same options and list, another model to begin with
elsewhere longer --epochs 3
ln -sfn "$tests/golden/base" here/model
cp here/damaged/state.safetensors manifest
for other in seed list begun longer; do
    cp here/$other/state.safetensors here/damaged/state.safetensors
    case $other in
    seed) refused 4 '^train: damaged/state\.safetensors: that run had other options: .*--seed 2' "the manifest of another seed" ;;
    list) refused 3 '^train: damaged/state\.safetensors: that run had other data' "the manifest of another list" ;;
    begun)
        refused 2 "^train: rank 0 \(.*\): damaged/state\.$step\.1-of-$shards\.safetensors: damaged, or a part of another run: its \
moments have the hash [0-9a-f]{16}, and damaged/state\.safetensors expects [0-9a-f]{16}" "the manifest of a run like it"
        ;;
    longer)
        refused 3 "^train: rank 0 \(.*\): a part of damaged/state\.safetensors: damaged/state\.$(step_of longer)\.1-of-" \
            "the manifest of another step"
        ;;
    esac
done
cp manifest here/damaged/state.safetensors
cp here/begun/state.$step.5-of-$shards.safetensors "$part"
refused 4 "^train: rank 1 \(.*\): damaged/state\.$step\.5-of-$shards\.safetensors: damaged, or a part of another run" \
    "a part of another run"
cp here/damaged/state.$step.6-of-$shards.safetensors "$part"
refused 6 "^train: rank 2 \(.*\): damaged/state\.$step\.5-of-$shards\.safetensors: " "a part in another's place"
cp part "$part"
resume_damaged 2
check "all put back: resumed: $(cat err)" [ $status = 0 ]

# ---- Ranks that see other worlds -------------------------------------------------------------------------------------------
odd() { # odd RANKS RANK [VARIABLE=VALUE...] -- OPTIONS...
    local n=$1 world=(ODD_RANK=$2)
    shift 2
    while [ "$1" != -- ]; do world+=("$1") && shift; done
    shift
    rm -rf here/odd
    (
        export "${world[@]}"
        ranks_as_program "$n" --shards $shards --out "$folder/here/odd" "${half[@]}" --epochs 1 "$@"
    ) >out 2>err
    status=$?
    [ ! -e here/odd ] || bad "it left a folder behind: $(ls here/odd)"
}
check "another corpus" corpus there
sed -i '9s/train/dev/' there/list.csv
odd 3 1 ODD_FOLDER=../there --
says 2 '^train: rank 1 \(.*\) has another data list than rank 0' "another list"
cp here/list.csv there/list.csv
rm there/model && mkdir there/model && cp here/model/{config.json,preprocessor_config.json,model.safetensors} there/model
size=$(stat -c %s there/model/model.safetensors)
head -c 8000 /dev/zero | tr '\0' '\63' | dd of=there/model/model.safetensors bs=1 seek=$((size / 2)) conv=notrunc 2>dd.err
odd 4 3 ODD_FOLDER=../there --
says 2 '^train: rank 3 \(.*\) has another model to begin with than rank 0' "another model"
odd 2 1 ODD_OPTIONS='--lr 2e-3' --
says 2 '^train: rank 1 \(.*\) has other options than rank 0' "other options"
odd 2 0 ODD_OPTIONS='--save-minutes 3' --
says 2 '^train: rank 1 \(.*\) has other options than rank 0' "other options that shape the run, but no bit of it"
odd 3 2 ODD_OPTIONS=--shards=6 --
says 2 '^train: rank 2 \(.*\) has other options than rank 0' "other shards"
odd 3 2 ODD_OPTIONS=--shards=5 --
says 1 '^train: rank 2 \(.*\): --shards 5 on 3 ranks: expected a multiple' "shards of one rank that the ranks do not divide"
odd 3 2 ODD_OPTIONS='--epochs many' --
check "wrong usage on one rank: exit status" [ $status = 1 ]
check "wrong usage on one rank: $(cat err)" [ "$(grep -c "^train: --epochs.*'many'" err)" = 1 ]
check "wrong usage on one rank: $(cat err)" [ "$(grep -c '^train: rank 2 (.*): its options are wrong' err)" = 1 ]
mkdir empty
odd 3 2 ODD_OPTIONS="--audio $folder/empty" --
says 2 '^train: rank 1 \(.*\): reads .*/?[0-9]+\.wav, which rank 2 \(.*\) cannot' "a corpus that one rank cannot read"
odd 2 1 ODD_FOLDER=../empty --
says 2 '^train: rank 1 \(.*\): list\.csv: ' "a list that one rank cannot read"
cp "$train" other
echo >>other
odd 2 1 ODD_PROGRAM="$folder/other" --
says 2 '^train: rank 1 \(.*\) has another train program than rank 0' "another program"

# ---- What a launcher started that is no job --------------------------------------------------------------------------------
(cd here && "${mpirun[@]}" -n 2 "$alone" --out two "${half[@]}" --epochs 1) >out 2>err </dev/null
status=$?
check "a build without MPI in two processes is refused" [ $status = 1 ]
check "it says what it takes: $(cat err)" \
    grep -q '^train: 2 processes were started (.*), and this one sees itself alone: .*-Dmpi=enabled' err
check "and does nothing" [ ! -e here/two ]
ranks 5 --shards $shards --out five "${half[@]}" --epochs 1
says 1 '^train: --shards 12 on 5 ranks: expected a multiple' "ranks that do not divide the shards"
ranks 2 --out two "${half[@]}" --epochs 1
check "without --shards: $(cat err)" [ $status = 0 ]
check "without --shards: recipe.txt names them" grep -qE '^(--)?shards[ =]2$' here/two/recipe.txt
ranks 1 --out two "${half[@]}" --epochs 2 --resume
says 2 '^train: two/state.safetensors: that run had other options: it had --shards 2' "another number of ranks without --shards"
ranks 1 --out two "${half[@]}" --epochs 2 --resume --shards 2
check "which --shards mends: $(cat err)" [ $status = 0 ]

# ---- Who waits -------------------------------------------------------------------------------------------------------------
ranks 2 --init model --data list.csv --crop 1 --lr 1e-3 --steps 2 --out waits
check "the end of a run says who waited" grep -q '^train: ranks waited for each other [0-9.]* to [0-9.]* % of the time; .* rank [01] (' err
finish
