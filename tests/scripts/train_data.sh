#!/usr/bin/env bash
# What researchers bring to the training program: MSP-Podcast, attributes, votes, text, recipes, lists of their own; and
# what it says of input that is wrong. (Numbers, resuming, stopping: train.sh.)
#
#   train_data.sh TRAIN INFER FIXTURES TESTS    TESTS: this folder
set -u
train=$(realpath "$1") infer=$(realpath "$2") fixtures=$(realpath "$3") tests=$(realpath "$4")
. "$tests/scripts/checks.sh"
export LC_ALL=C
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
base=$tests/golden/base
recordings=("$tests"/data/*.wav)

program=train
run() { # run ARGUMENTS...: its exit status in $status
    rm -rf none
    "$train" "$@" >out 2>err </dev/null
    status=$?
    if [ -s out ] && [ "$1" != --help ]; then bad "something on standard output: $(cat out)"; fi
}
# learn OUT ARGUMENTS...: a short training from the backbone
learn() {
    local out=$1
    shift
    run --init "$base" --out "$out" --steps 3 --batch-size 4 --crop 1 --lr 1e-3 --dropout 0 --threads 2 "$@"
}
evaluations() { grep -c "\"split\":\"$2\"" "$1/metrics.jsonl"; } # evaluations OUT SPLIT
counted() { [ "$(grep "\"split\":\"$2\"" "$1/metrics.jsonl" | tail -1 | sed 's/.*"count":\([0-9]*\).*/\1/')" = "$3" ]; }
finished() { [ -s "$1/best/model.safetensors" ] && [ -s "$1/last/model.safetensors" ] && [ -s "$1/report.html" ]; }
header() { "$infer" --model "$1" --quiet -o labels.csv "${recordings[0]}" && head -1 labels.csv; } # header MODEL: of its labels

# reported OUT SPLIT: the page has the split's last macro-F1 or mean CCC
reported() {
    local score
    score=$(grep "\"split\":\"$2\"" "$1/metrics.jsonl" | tail -1 | sed 's/.*"\(macro_f1\|ccc_mean\)":\([^,]*\).*/\2/')
    grep -qF "<td>$(printf %.3f "$score" | sed 's/-/−/')</td>" "$1/report.html"
}

# ---- A corpus as MSP-Podcast is distributed ----------------------------------------------------------------------------
mkdir -p corpus/Audios corpus/Labels
number=0
row() { # row CODE ACT VAL DOM SPEAKER GENDER SPLIT
    local name
    name=$(printf 'MSP-PODCAST_%04d_%04d.wav' $((1 + number / 4)) $number)
    ln -s "${recordings[number % ${#recordings[@]}]}" "corpus/Audios/$name"
    echo "$name,$1,$2,$3,$4,$5,$6,$7"
    number=$((number + 1))
}
{
    echo FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set
    row A 6.2 1.8 6.0 30 Male Train
    row S 2.2 2.4 2.6 31 Female Train
    row H 5.4 6.2 5.0 30 Male Train
    row N 3.8 4.0 4.0 Unknown Female Train
    row X 4.4 3.0 4.2 32 Female Train
    row O 3.6 4.4 3.8 33 Male Train
    row N 4.0 4.2 4.4 31 Female Train
    row C 4.8 2.6 5.2 34 Male Development
    row N 3.4 3.8 3.6 35 Female Development
    row A 5.8 2.0 5.4 36 Male Development
    row U 5.6 4.4 4.8 40 Female Test1
    row F 5.0 2.2 2.4 41 Male Test1
    row D 4.2 2.0 4.6 Unknown Male Test2
    row N 3.8 4.0 4.2 42 Female Test2
    row '' '' '' '' Unknown Unknown Test3
} >corpus/Labels/labels_consensus.csv

learn msp --data corpus
ends 0 'classes: Angry 1, Sad 1, Happy 1, Surprise 0, Fear 0, Disgust 0, Contempt 0, Neutral 2' "MSP-Podcast by its folder"
check "what is counted" grep -q '5 recordings to train on, 3 dev, 4 test;' err
check "what is left out" grep -q '3 rows have no label to learn' err
check "results" finished msp
check "Development" counted msp dev 3
check "Test1" counted msp test1 2
check "Test2" counted msp test2 2
check "no Test3" [ "$(evaluations msp test3)" = 0 ]
check "its classes, in its order" \
    [ "$(header msp/best)" = file,label,score,Angry,Sad,Happy,Surprise,Fear,Disgust,Contempt,Neutral,error ]
for split in dev test1 test2; do check "report.html: $split" reported msp $split; done
learn file --data corpus/Labels/labels_consensus.csv
ends 0 '' "MSP-Podcast by its file"
check "the same" cmp msp/metrics.jsonl file/metrics.jsonl
check "the same model" cmp msp/best/model.safetensors file/best/model.safetensors

learn ccc --data corpus --loss ccc
ends 0 '7 recordings to train on' "attributes: X and O count"
check "mean CCC of Development" grep -q '"split":"dev".*"ccc":{"arousal":.*"dominance":.*"valence":.*"ccc_mean"' ccc/metrics.jsonl
check "an attribute model" [ "$(header ccc/best)" = file,arousal,dominance,valence,error ]
check "report.html: CCC" reported ccc dev
run --init ccc/best --data corpus --out ccc2 --steps 1 --loss ccc --quiet
ends 0 '' "on from an attribute model"
run --init ccc/best --data corpus --out none --steps 1
ends 2 '--new-head' "classes for an attribute model"
run --init msp/best --data corpus --out none --steps 1 --loss ccc
ends 2 '--new-head' "attributes for a model of classes"
check "a failed start leaves no folder" [ ! -e none ]
learn none --data corpus --loss ccc --batch-size 1; ends 1 '--batch-size' "CCC of one recording"
learn none --data corpus --loss ccc --class-weights balanced; ends 1 '--class-weights' "class weights without classes"
learn none --data corpus --loss ccc --soft-labels; ends 1 '--soft-labels' "soft labels without classes"
learn none --data corpus --loss ccc --attribute-range 7:1; ends 1 '--attribute-range' "a range the wrong way round"

# The baseline's one-hot list, and the same with shares of votes.
mkdir onehot && ln -s ../corpus/Audios onehot/Audios
awk -F, 'BEGIN { split("A S H U F D C N", code, " ") }
    NR == 1 { print "FileName,Angry,Sad,Happy,Surprise,Fear,Disgust,Contempt,Neutral,Split_Set"; next }
    $2 ~ /[ASHUFDCN]/ { line = $1; for (i = 1; i <= 8; i++) line = line "," (code[i] == $2 ? "1.0" : "0.0"); print line "," $8 }' \
    corpus/Labels/labels_consensus.csv >onehot/processed_labels.csv
learn onehot/out --data onehot/processed_labels.csv
ends 0 'Angry 1, Sad 1, Happy 1' "the baseline's one-hot list"
check "as from the codes" same_numbers <(numbers loss msp/metrics.jsonl) <(numbers loss onehot/out/metrics.jsonl) 1e-6
learn onehot/hard --data onehot/processed_labels.csv --soft-labels
ends 0 '' "one-hot votes"
check "are labels" same_numbers <(numbers loss msp/metrics.jsonl) <(numbers loss onehot/hard/metrics.jsonl) 1e-6
sed '2,$ s/,1.0,/,3,/; 2,$ s/,1.0,/,2,/; 2,$ s/,0.0,/,1,/' onehot/processed_labels.csv >onehot/votes.csv
learn onehot/soft --data onehot/votes.csv --soft-labels
ends 0 '' "counts of votes"
check "are no labels" [ "$(numbers loss onehot/soft/metrics.jsonl | head -1)" != "$(numbers loss msp/metrics.jsonl | head -1)" ]
learn none --data corpus --soft-labels; ends 2 'no column named Angry' "soft labels without votes"
sed '3 s/,1\.0,/,many,/' onehot/processed_labels.csv >onehot/words.csv
learn none --data onehot/words.csv; ends 2 "words.csv: line 3: .*expected a number, found 'many'" "votes that are no number"

# ---- A list of one's own -----------------------------------------------------------------------------------------------
awk -F, -v folder="$tests/data" 'NR == 1 { print $0 ",split" }
    NR > 1 { print folder "/" $0 "," (NR == 3 ? "dev" : NR == 4 ? "test" : "train") }' "$tests/data/list.csv" >list.csv
mine() { local out=$1; shift; learn "$out" --data list.csv "$@"; }
mine whole; ends 0 '5 recordings to train on, 1 dev, 1 test' "a list"
check "its classes are sorted" grep -q 'classes: anger 0, fear 1, happiness 1, neutral 2, sadness 1, surprised 0' err
mine focal --loss focal --focal-gamma 1; ends 0 '' "focal loss"
mine gamma0 --loss focal --focal-gamma 0; ends 0 '' "focal loss, gamma 0"
check "is cross-entropy" same_numbers <(numbers loss whole/metrics.jsonl) <(numbers loss gamma0/metrics.jsonl) 1e-6
check "focal loss is smaller" awk 'NR == FNR { whole = $1; nextfile } { exit !($1 > 0 && $1 < whole) }' \
    <(numbers loss whole/metrics.jsonl) <(numbers loss focal/metrics.jsonl)
mine balanced --class-weights balanced; ends 0 '' "balanced classes"
check "another loss" [ "$(numbers loss balanced/metrics.jsonl | head -1)" != "$(numbers loss whole/metrics.jsonl | head -1)" ]
learn speakers --data "$tests/data/list.csv" --dev-speakers KD0,SM0 --test-speakers "TP0"
ends 0 '4 recordings to train on, 2 dev, 1 test' "speakers that move"
learn none --data "$tests/data/list.csv" --dev-speakers KD0,nobody; ends 2 "no speaker 'nobody'; there are: EB0" "an unknown speaker"
learn none --data "$tests/data/list.csv" --dev-speakers KD0 --test-speakers KD0; ends 2 'to dev and to test' "a speaker in two splits"

# Text: embeddings by the recordings' names.
names=$(for f in "${recordings[@]}"; do basename "$f" .wav; done | paste -sd,)
check "embeddings" "$fixtures" text text.safetensors 12 "$names"
mine text --text-conditioning multiply --text-embeddings text.safetensors; ends 0 '' "text conditioning"
check "infer takes them" "$infer" --model text/best --text-embeddings text.safetensors --quiet -o labels.csv "${recordings[@]}"
check "the model's size" grep -q '"text_embedding_size": 12' text/best/config.json
mine none --text-conditioning mean; ends 1 '--text-embeddings' "text conditioning without text"
check "fewer embeddings" "$fixtures" text few.safetensors 12 "${names#*,}"
mine none --text-conditioning mean --text-embeddings few.safetensors; ends 2 "few.safetensors: no tensor ${names%%,*}" "a missing embedding"
check "longer embeddings" "$fixtures" text long.safetensors 13 "$names"
run --init text/best --data list.csv --out none --text-embeddings long.safetensors; ends 2 'text_embedding_size 12, and 13' "embeddings of another size"
mine unused --text-embeddings text.safetensors; ends 0 '--text-embeddings does nothing' "text for a model that takes none"

# Gender.
mine gender --gender-conditioning multiply; ends 0 '' "gender conditioning"
sed '3 s/,female,/,,/; 5 s/,male,/,unknown,/' list.csv >nogender.csv
learn none --data nogender.csv --gender-conditioning mean
ends 2 'nogender.csv: line 3: no gender (2 rows have none)' "gender missing"
learn none --data list.csv --gender-conditioning sometimes; ends 1 'none|multiply|mean' "an unknown conditioning"

# From one emotion model to the next.
run --init whole/best --data list.csv --out next --steps 2 --lr 1e-3; ends 0 'loaded backbone, loaded head' "on from an emotion model"
run --init whole/best --data list.csv --out renewed --steps 2 --new-head --pooling std; ends 0 'new head' "a new head on it"
check "is there" grep -q '"pooling": "std"' renewed/best/config.json
run --init whole/best --data list.csv --out none --pooling std; ends 2 'pooling mean, and std' "another pooling for a head that is there"
sed '6 s/sadness,/joy,/' list.csv >joy.csv
run --init whole/best --data joy.csv --out none --steps 1; ends 2 "joy.csv: line 6: emotion 'joy': .*anger, fear, happiness" "an unknown emotion"
run --init msp/best --data list.csv --out none; ends 2 "list.csv: line 4: emotion 'anger'.*Angry" "another corpus's emotions"
sed '8 s/neutral,/Neutral,/' list.csv >case.csv
learn none --data case.csv; ends 2 "'Neutral' and 'neutral' differ in case" "an emotion in two spellings"
mkdir bare && cp "$base/config.json" bare
run --init bare --data list.csv --out scratch --steps 1 --crop 1 --batch-size 2; ends 0 'random backbone, new head' "from random weights"

# Early stopping: nothing gets better at a rate of 0.
run --init "$base" --data list.csv --out patience --epochs 50 --patience 2 --lr 0 --dropout 0 --crop 1; ends 0 '' "early stopping"
check "after three evaluations" [ "$(evaluations patience dev)" = 3 ]
check "the first is the best" [ "$(grep -c '"best":true' patience/metrics.jsonl)" = 2 ]
learn nodev --data "$tests/data/list.csv" --patience 2; ends 0 '--patience: no dev split' "patience without a dev split"

# report.html is there from the first evaluation on: here the run ends in the second epoch.
mkdir early && ln -s /dev/full early/last
run --init "$base" --data list.csv --out early --epochs 2 --dropout 0 --crop 1; ends 3 'early/last' "a last model that cannot be written"
check "report.html after an evaluation" reported early dev

# Kinds of audio.
if have ffmpeg; then
    mkdir kinds
    for kind in mp3 opus flac; do
        ffmpeg -loglevel error -y -i "${recordings[0]}" $([ $kind != opus ] || echo -ar 48000) "kinds/a.$kind" </dev/null ||
            ffmpeg -loglevel error -y -i "${recordings[0]}" -strict -2 "kinds/a.$kind" </dev/null
    done
    printf 'path,label\na.mp3,glad\na.opus,sad\na.flac,sad\n%s,glad\n' "${recordings[1]}" >kinds/list.csv
    learn kinds/out --data kinds/list.csv; ends 0 '4 recordings to train on' "mp3, opus and flac"
else
    skip "mp3, opus and flac: no ffmpeg"
fi

# ---- Recordings that cannot be read ------------------------------------------------------------------------------------
echo 'no audio at all' >broken.wav
{ cat list.csv; echo "$folder/broken.wav,X0,female,neutral,text,train"; echo "$folder/missing.wav,X0,female,neutral,text,dev"; } >two.csv
learn lenient --data two.csv; ends 0 '2 of 9 recordings cannot be read and are left out' "left out"
check "broken.wav is reported once" [ "$(grep -c 'broken.wav: ' err)" = 1 ]
check "missing.wav is reported once" [ "$(grep -c 'missing.wav: ' err)" = 1 ]
check "the others are trained on" grep -q '5 recordings to train on, 1 dev' err
check "as without them" same_numbers <(numbers loss whole/metrics.jsonl) <(numbers loss lenient/metrics.jsonl) 1e-6
learn none --data two.csv --strict --quiet; ends 2 '2 of 9 recordings cannot be read' "--strict"
check "--strict: broken.wav is named" grep -q 'broken.wav: ' err
check "--strict: it did not begin" [ ! -e none ]
printf 'file,emotion\nbroken.wav,a\nmissing.wav,b\n' >hopeless.csv
learn none --data hopeless.csv; ends 2 'no usable recording in split train' "nothing that can be read"

# ---- Recipes -----------------------------------------------------------------------------------------------------------
printf '# a recipe\n\n  --lr 1e-3   # behind a comment\n--steps=2\r\n\t--no-shuffle\n--dropout 0\n--noise-snr -5:10\n' >recipe.txt
run --init "$base" --data list.csv --out recipe --recipe recipe.txt; ends 0 '' "a recipe"
check "recipe: --lr and --steps" [ "$(numbers lr recipe/metrics.jsonl | paste -sd' ')" = "0.001 0.001" ]
check "recipe.txt says what was done" grep -qx -- '--noise-snr -5:10' recipe/recipe.txt
run --init "$base" --data list.csv --out over --recipe recipe.txt --lr 5e-4 --steps 1; ends 0 '' "the command line over a recipe"
check "goes before it" [ "$(numbers lr over/metrics.jsonl)" = 0.0005 ]
run --data list.csv --recipe recipe/recipe.txt --out again; ends 0 '' "recipe.txt is a recipe"
check "of the same run" cmp recipe/metrics.jsonl again/metrics.jsonl
wrong() { # wrong TEXT MESSAGE: a recipe with this as its second line
    printf '# first\n%b\n--steps 1\n' "$1" >wrong.txt
    mine none --recipe wrong.txt
    ends 1 "wrong.txt: line 2: $2" "a recipe with '$1'"
}
wrong 'lr 1e-3' "expected an option (--name value), found 'lr 1e-3'"
wrong '--lr fast' "--lr: expected a number from 0 to 100, found 'fast'"
wrong '--lerning-rate 1' 'unknown option --lerning-rate'
wrong '--no-shuffle yes' "--no-shuffle takes no value, found 'yes'"
wrong '--batch-size' '--batch-size: expected N'
wrong '--recipe recipe.txt' 'a recipe within a recipe'
wrong '--help' '--help in a recipe'
mine none --recipe nowhere.txt; ends 1 'nowhere.txt: cannot open the recipe' "no recipe"
mine none --recipe "$base/model.safetensors"; ends 1 'not a text file' "a recipe that is no text"

# ---- Usage, and what cannot be read or written -------------------------------------------------------------------------
run --help; [ "$status" = 0 ]; check "--help" grep -q -- '--soft-labels' out
run --quiet; ends 1 '--init' "nothing to do"
run --init "$base" --out none; ends 1 '--data' "no list"
run --init "$base" --data list.csv; ends 1 '--out' "no place"
run --init "$base" --out none list.csv; ends 1 'list.csv.*--data' "a list without its option" || true
mine none --epoch 3; ends 1 'did you mean --epochs' "a misspelt option"
mine none --loss mse; ends 1 'cross-entropy|focal|ccc' "an unknown loss"
mine none --crop 0.01; ends 1 'crop to 0.01 s' "a crop shorter than a frame"
mine none --cpu mmx; ends 1 'mmx' "an unknown tier"
run --init nowhere --data list.csv --out none; ends 2 'nowhere' "no model"
run --init corpus --data list.csv --out none; ends 2 'corpus' "a folder that is no model"
run --init list.csv --data list.csv --out none; ends 2 'list.csv' "a file that is no model"
learn none --data nowhere.csv; ends 2 'nowhere.csv' "no list there"
learn none --data onehot/Audios; ends 2 'Audios: .*labels_consensus.csv' "a folder that is no corpus"
learn none --data recipe.txt; ends 2 'expected a list' "a list of unknown kind"
sed 's/emotion/feeling/' list.csv >feeling.csv
learn none --data feeling.csv; ends 2 'feeling.csv: no column named emotion' "no column of emotions"
sed '4 s/test$/tset/' list.csv >split.csv
learn none --data split.csv; ends 2 "split.csv: line 4: split 'tset', expected train" "an unknown split"
sed '5 s/,male,/,man,/' list.csv >man.csv
learn none --data man.csv; ends 2 "man.csv: line 5: gender 'man'" "an unknown gender"
sed 's/,A,/,Q,/' corpus/Labels/labels_consensus.csv >corpus/code.csv
learn none --data corpus/code.csv; ends 2 "code.csv: line 2: emotion 'Q'" "a code that MSP-Podcast does not have"
learn none --data corpus/Labels/labels_consensus.csv --audio nowhere --strict; ends 2 'nowhere/MSP-PODCAST_0001_0000.wav' "audio that is elsewhere"
check "no folder is left" [ ! -e none ]

mine deep/er/out; ends 3 '--out deep/er/out: cannot make this folder' "--out without its parent"
mine list.csv; ends 3 '--out list.csv: .*expected a folder' "--out that is a file"
mine whole; ends 1 '--out whole: there is a run in it already: --resume' "--out of another run"
mine fresh --resume; ends 0 'no state to resume from: beginning' "--resume with nothing there"
check "is a run" same_numbers <(numbers loss whole/metrics.jsonl) <(numbers loss fresh/metrics.jsonl) 0
mine fresh --resume; ends 0 'resumed behind step 3' "--resume of what is done"
sed '2 s/neutral/fear/' list.csv >changed.csv
learn fresh --data changed.csv --resume; ends 2 '--data' "--resume with another list"
cp list.csv same_name.csv && learn moved --data same_name.csv && cp changed.csv same_name.csv
learn moved --data same_name.csv --resume; ends 2 'other data' "--resume with a list that changed"
cp onehot/votes.csv onehot/moved.csv && learn votes --data onehot/moved.csv --soft-labels
sed '2 s/,3,/,4,/' onehot/votes.csv >onehot/moved.csv
learn votes --data onehot/moved.csv --soft-labels --resume; ends 2 'other data' "--resume with other votes"
printf 'no state' >moved/state.safetensors
learn moved --data same_name.csv --resume; ends 2 'moved/state.safetensors' "a state that is none"

# A disk that is full at metrics.jsonl: steps alone, no dev split, no state in between.
status=$( (ulimit -f 3; "$train" --init "$base" --data "$tests/data/list.csv" --out full --epochs 50 --crop 0.5 --dropout 0 \
    --save-minutes 1000 --quiet 2>err); echo $?)
ends 3 'full/metrics.jsonl: cannot write: ' "a full disk at metrics.jsonl"
check "whole lines alone" awk '!/^\{.*\}$/ { bad = 1 } END { exit bad || NR < 5 }' full/metrics.jsonl

# What changes while it runs.
mkdir gone && cp "$tests"/data/*.wav "$tests/data/list.csv" gone
long_run() { # long_run OUT OPTIONS...: a run that only a signal or an error ends
    exec "$train" --init "$base" --data gone/list.csv --epochs 1000000 --crop 0.5 --dropout 0 --cache 0 --quiet --out "$@"
}
began() { while [ ! -s "$1/metrics.jsonl" ] && kill -0 "$2" 2>/dev/null; do sleep 0.02; done; }
(long_run lonely 2>long) &
began lonely $!
status=$( (long_run lonely --resume 2>err); echo $?)
ends 3 'lonely/metrics.jsonl: another training' "a second run in the same place"
rm gone/*.wav
wait $!
status=$? && cp long err
ends 3 'none of the recordings can be read' "recordings that vanish"

latin=$(printf 'latin\351.csv') && cp list.csv "$latin"
learn latin --data "$latin" && learn latin --data "$latin" --resume; ends 0 '' "--resume with a path that is not UTF-8"
check "the test's epoch is the best one's" [ "$(sed -n 's/.*"epoch":\([0-9]*\),"split":"test".*/\1/p' latin/metrics.jsonl)" = \
    "$(sed -n 's/.*"epoch":\([0-9]*\),"split":"dev".*"best":true.*/\1/p' latin/metrics.jsonl | tail -n 1)" ]

finish
