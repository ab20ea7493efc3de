#!/usr/bin/env bash
# infer as scripts meet it: exit statuses, formats, inputs, outputs, options. (Numbers: infer_numbers.sh; kinds of audio
# files: audio_formats.sh; damaged files: hostile.c.)
#
#   infer.sh INFER FIXTURES TESTS    TESTS: this folder
set -u
infer=$(realpath "$1") fixtures=$(realpath "$2") tests=$(realpath "$3")
. "$tests/scripts/checks.sh"
enter_scratch
model=$tests/golden/hf_sequence_classification
cp "$tests"/data/*.wav "$tests/data/list.csv" .
a=KD0_anger_54.wav b=TP0_fear_27.wav

program=infer
run() { # run ARGUMENTS...: the result in out and err, its exit status in $status
    "$infer" "$@" >out 2>err </dev/null
    status=$?
}
label() { run --model "$model" "$@"; }

rows() { tail -n +2 out | wc -l; }
cell() { awk -F "$3" -v row="$1" -v column="$2" 'NR == row + 1 { print $column }' out; }

# ---- The default model ---------------------------------------------------------------------------------------------------
run $a; ends 0 'no --model: labelling with .*weights/default' "no model: the default one"
check "the default model's classes" grep -q '^file,label,score,anger,fear,happiness,neutral,sadness,surprised,error$' out
check "the default model has an answer" [ "$(rows)" = 1 ]
WLM_MODEL=$model run $a; ends 0 'no --model' "WLM_MODEL"
cp out first && label $a && check "WLM_MODEL names the model" cmp -s out first
WLM_MODEL=/nowhere run $a; ends 2 '/nowhere' "WLM_MODEL names nothing"

# ---- Usage: exit status 1 ----------------------------------------------------------------------------------------------
run --help && ends 0 '' "--help"
check "--help shows the options" grep -q -- '--features FILE' out
run --version && ends 0 '' "--version"
check "--version is one line with a number" grep -qE '^infer \(wavlm\.c\) [0-9]+\.[0-9]+\.[0-9]+$' out
run; ends 1 'no input' "no arguments"
label; ends 1 'no input' "no input"
label --fromat csv $a; ends 1 '--format' "a misspelt option names the nearest"
label --nonsense $a; ends 1 'nonsense' "an unknown option"
label -x $a; ends 1 '-x' "an unknown short option"
label --format xml $a; ends 1 'csv|tsv|jsonl' "an unknown format"
label --threads 0 $a; ends 1 '--threads' "no threads"
label --threads many $a; ends 1 '--threads' "threads that are no number"
label --channels left $a; ends 1 'mix, split' "channels that are none"
label --channels 64 $a; ends 1 'from 0 to 63' "a channel out of range"
label --gender both $a; ends 1 'female' "an unknown gender"
label --precision f64 $a; ends 1 'f32' "an unknown precision"
label --cpu sse9 $a; ends 1 'sse9' "an unknown tier"
WLM_CPU=sse9 label $a; ends 1 'sse9' "an unknown tier in WLM_CPU"
label --cpu portable-sse9 $a; ends 1 "portable-sse9" "an unknown extension"
label --cpu portable-amx $a; ends 0 '' "a tier without an extension"
case $(uname -m) in
x86_64) label --cpu neon $a; ends 1 'neon' "a tier of another CPU" ;;
aarch64) label --cpu avx2 $a; ends 1 'avx2' "a tier of another CPU" ;;
esac
label --format; ends 1 '--format' "an option without its value"
label - -; ends 1 '-' "standard input twice"
check "usage errors write nothing to stdout" [ ! -s out ]

# ---- Models: exit status 2 ---------------------------------------------------------------------------------------------
run --model missing $a; ends 2 'missing' "a model that is not there"
check "nothing on stdout without a model" [ ! -s out ]
mkdir empty && run --model empty $a; ends 2 'empty' "an empty folder as model"
run --model $a $b; ends 2 $a "a recording as model"
run --model "$model/config.json" $a; ends 2 'config.json' "config.json as model"
mkdir half && cp "$model/config.json" half && run --model half $a; ends 2 'half' "a model without weights"
mkdir alone && cp "$model/model.safetensors" alone && run --model alone $a; ends 2 'config.json' "a model without config.json"
run --model "$model/model.safetensors" $a; ends 0 '' "a checkpoint file as model"
cp out want && label $a && check "the same as its folder" cmp -s want out

# ---- Inputs ------------------------------------------------------------------------------------------------------------
label $a $b; ends 0 '' "two files"
check "a header and a row for each" [ "$(wc -l <out)" = 3 ]
check "the header" [ "$(head -n 1 out)" = "file,label,score,neu,hap,ang,sad,error" ]
check "scores sum to 1" awk -F, 'NR > 1 { s = $4 + $5 + $6 + $7; n++; if (!(s > 0.99999 && s < 1.00001)) bad = 1 }
    END { exit bad || n != 2 }' out
check "the label is the class of the highest score" awk -F, 'NR == 1 { split($0, name, ",") }
    NR > 1 { best = 4; for (i = 5; i <= 7; i++) if ($i > $best) best = i
             n++; if (name[best] != $2 || $best != $3) bad = 1 } END { exit bad || n != 2 }' out
label $a $a; ends 0 '' "one file twice"
check "one file twice: the same row twice" [ "$(tail -n +2 out | uniq | wc -l)" = 1 ]
label $a; cp out want
label missing.wav $a; ends 3 'missing.wav' "a missing file"
check "its row holds the error, the next is labelled" [ "$(cell 1 2 ,)$(cell 2 2 ,)" = "$(awk -F, 'NR == 2 { print $2 }' want)" ]
check "the error is in the last column" grep -q '^missing.wav,,,,,,,.*No such file' out
mkdir calls calls/b && cp $a calls/b/z.wav && cp $b calls/a.wav && echo text >calls/readme.txt
label calls; ends 0 '' "a folder"
check "its recordings in order" [ "$(cell 1 1 ,) $(cell 2 1 ,) $(rows)" = "calls/a.wav calls/b/z.wav 2" ]
label empty; ends 1 'empty' "a folder without recordings"
label list.csv; ends 0 '' "a list"
check "its columns are kept" [ "$(head -n 1 out)" = "file,label,score,neu,hap,ang,sad,speaker,gender,emotion,text,error" ]
check "quoted cells come out quoted" grep -q ',SM0,male,sadness,"Racja, ten pomysł jest najlepszy\.",$' out
printf '%s\n%s\n' $a calls/a.wav >files.txt && label files.txt; ends 0 '' "a list of lines"
check "two rows" [ "$(rows)" = 2 ]
printf 'PATH\tnote\nb/z.wav\ta "b"\\c\n' >calls/list.tsv && label --format tsv calls/list.tsv; ends 0 '' "a table with tabs"
check "TSV: paths are relative to the list, backslashes escaped" [ "$(cell 1 1 '\t')|$(cell 1 8 '\t')" = 'b/z.wav|a "b"\\c' ]
printf 'name,text\nx,y\n' >bad.csv && label bad.csv; ends 1 'bad.csv' "a list without a column for files"
printf 'file,text\nx\n' >bad.csv && label bad.csv; ends 1 'line 2' "a list with a short row"
label missing.csv; ends 1 'missing.csv' "a list that is not there"

# ---- Standard input ----------------------------------------------------------------------------------------------------
for size in '' 0 4294967295; do
    wav 16000 1 8000 $size >sized.wav
    "$infer" --model "$model" --format csv - <sized.wav >out 2>err
    status=$? && ends 0 '' "a WAV file of claimed size '$size' on standard input"
    # shellcheck disable=SC2002 # a pipe is what is tested
    cat sized.wav | "$infer" --model "$model" - >piped 2>err
    check "... through a pipe" cmp -s out piped
    [ "$size" ] || cp out want
    check "... labelled as with its true size" cmp -s want out
done
check "the row's file is -" [ "$(cell 1 1 ,)" = - ]
label -; ends 3 'empty' "nothing on standard input"
"$infer" --model "$model" - <&- >out 2>err
status=$? && ends 3 '' "standard input closed"

# ---- Short clips -------------------------------------------------------------------------------------------------------
wav 16000 1 399 >short.wav && wav 16000 1 400 >enough.wav && wav 16000 1 0 >none.wav
label short.wav enough.wav none.wav; ends 3 'short.wav: .*400' "clips of 399, 400 and 0 samples"
check "399 and 0 samples: error rows, 400: labelled" awk -F, '
    NR > 1 { labelled = labelled (($2 != "") ? 1 : 0); if (($2 == "") != ($NF != "")) bad = 1 }
    END { exit bad || labelled != "010" }' out

# ---- Channels ----------------------------------------------------------------------------------------------------------
if have sox; then
    sox -D $a -r 16000 -c 1 left.wav pad 0 0.2 && sox -D $b right.wav && sox -D -M left.wav right.wav both.wav
    sox -D both.wav one.wav remix 1 && sox -D both.wav two.wav remix 2
    label --format tsv one.wav two.wav && cut -f 2-7 out | tail -n +2 >want
    label --format tsv --channels split both.wav; ends 0 '' "--channels split"
    check "split: a column and a row a channel" [ "$(cut -f 1,2 out | tr '\t\n' ': ')" = "file:channel both.wav:0 both.wav:1 " ]
    check "split: each as on its own" cmp -s want <(cut -f 3-8 out | tail -n +2)
    label --format tsv --channels 1 both.wav; ends 0 '' "--channels 1"
    check "channel 1: as on its own" cmp -s <(sed -n 2p want) <(cut -f 2-7 out | tail -n +2)
    label --channels 2 both.wav; ends 3 'channel 2' "a channel that is not there"
    label --channels split --features split.safetensors both.wav
    check "split: features of each channel" [ "$("$fixtures" show split.safetensors | cut -d ' ' -f 1 | xargs)" = \
        "both.channel0.hidden_states both.channel1.hidden_states" ]
    sox -D -M left.wav left.wav same.wav && label --format tsv one.wav same.wav
    check "mix of two equal channels: as one" [ "$(cut -f 2-7 out | tail -n +2 | uniq | wc -l)" = 1 ]
else
    skip "channels: sox is not there"
fi

# ---- Formats and outputs -----------------------------------------------------------------------------------------------
label --format jsonl --logits $a missing.wav; ends 3 'missing' "JSON lines"
check "JSON: file, label, scores, logits" grep -qE '^\{"file": "KD0_anger_54\.wav", "label": "[a-z]+", "scores": \{("[a-z]+": [0-9.e-]+(, )?){4}\}, "logits": \[([0-9.e-]+(, )?){4}\]\}$' out
check "JSON: a failed row" grep -qE '^\{"file": "missing\.wav", "error": ".*No such file.*"\}$' out
label --logits $a
check "CSV: logits" [ "$(head -n 1 out)" = "file,label,score,neu,hap,ang,sad,logit.neu,logit.hap,logit.ang,logit.sad,error" ]
label $a && cp out want
label -o result.csv $a; ends 0 '' "-o"
check "-o: the same bytes, nothing on stdout, no .part" [ "$(cmp want result.csv && ls result.csv* && cat out)" = result.csv ]
echo old >kept.csv && run --model missing -o kept.csv $a
check "-o: without a model the old file stays" [ "$(cat kept.csv)" = old ]
label -o missing/out.csv $a; ends 3 'missing/out.csv' "-o into a folder that is not there"
label -o calls $a; ends 3 'calls' "-o onto a folder"
if [ -c /dev/full ]; then
    label -o /dev/full $a; ends 3 '/dev/full' "-o to a full disk"
    "$infer" --model "$model" $a >/dev/full 2>err
    status=$? && ends 3 'standard output' "stdout to a full disk"
else
    skip "there is no /dev/full"
fi
"$infer" --model "$model" $a >&- 2>err
status=$? && ends 3 'standard output' "stdout closed"
"$infer" --model "$model" --features closed.safetensors $a >&- 2>err
status=$? && ends 3 'standard output' "stdout closed, with features"
check "nothing is left named as a result" [ ! -e closed.safetensors ]
"$infer" --model "$model" list.csv 2>err | head -n 1 >out
check "a reader that leaves: no signal" [ "${PIPESTATUS[0]}" = 3 ]
label --quiet -o quiet.csv $a && check "--quiet: nothing on stderr" [ ! -s err ]
mkfifo pipe && { cat pipe >piped & } && label -o pipe $a && wait
check "-o to a named pipe" cmp -s want piped

cp list.csv mine.csv && ln -s mine.csv link.csv && cp $a mine.wav
label -o mine.csv mine.csv; ends 1 'overwrite' "-o onto the list"
label -o ./link.csv mine.csv; ends 1 'overwrite' "-o onto the list by another name"
label -o mine.wav . ; ends 1 'overwrite' "-o onto a recording of a folder"
label --features mine.wav mine.wav; ends 1 'overwrite' "--features onto a recording"
check "they are what they were" cmp -s mine.csv list.csv && check "the recording, too" cmp -s mine.wav $a

# Killed on the way: what it had goes on waiting for a pipe that nobody writes.
mkfifo never.wav
"$infer" --model "$model" -o killed.csv $a never.wav >out 2>err &
for _ in $(seq 3000); do
    [ "$(wc -l 2>/dev/null <killed.csv.part)" = 2 ] && break
    kill -0 $! 2>/dev/null || break
    sleep 0.1
done
kill $! && wait $! 2>/dev/null
check "killed: no result, the finished row in .part" [ "$(ls killed.csv*) $(sed -n 2p killed.csv.part)" = \
    "killed.csv.part $(sed -n 2p want)" ]

# ---- Features ----------------------------------------------------------------------------------------------------------
label --features states.safetensors $a enough.wav; ends 0 '' "--features"
check "hidden states [layers+1, frames, width], all finite" [ "$("$fixtures" show states.safetensors)" = \
    "KD0_anger_54.hidden_states F32[4, 77, 48] 14784
enough.hidden_states F32[4, 1, 48] 192" ]
label --features states.safetensors $a calls/b/../../$a; ends 1 'KD0_anger_54' "features of two files of one name"
label --features few.safetensors missing.wav $a; ends 3 'missing' "features where one input fails"
check "the others' are there" [ "$("$fixtures" show few.safetensors | cut -d ' ' -f 1)" = KD0_anger_54.hidden_states ]
label --features none.safetensors missing.wav; ends 3 'missing' "features where all inputs fail"
check "an empty file of features" [ -f none.safetensors ] && check "... that can be read" "$fixtures" show none.safetensors
label --features missing/f.safetensors $a; ends 3 'missing/f.safetensors' "features into a folder that is not there"
run --model "$tests/golden/base" --features base.safetensors $a; ends 0 '' "a backbone gives features"
check "a backbone: rows without label" [ "$(cat out)" = "file,error
$a," ]
run --model "$tests/golden/base" $a; ends 0 'no head' "a backbone without --features says what it can do"

# ---- Gender and text ---------------------------------------------------------------------------------------------------
mkdir e && "$fixtures" emotion "$tests/golden/base" "$tests/golden/base/ser_std.safetensors" e
run --model e/model $a; ends 1 'gender' "a model with gender conditioning and no gender"
run --model e/model --gender female $a; ends 0 '' "--gender female"
cp out female && run --model e/model --gender male $a && check "--gender changes the scores" [ "$(cat out)" != "$(cat female)" ]
cp out male
printf 'file,gender\n%s,Male\n' $a >g.csv
run --model e/model --gender female g.csv; ends 0 '' "a list with a column gender"
check "the list's gender goes before --gender" [ "$(cut -d, -f 2-11 out)" = "$(cut -d, -f 2-11 male)" ]
printf 'file,gender\n%s,\n%s,f\n%s,other\n' $a $a $a >g.csv
run --model e/model g.csv; ends 3 'gender' "rows without gender, with one, with an unknown one"
check "one of them is labelled" awk -F, 'NR > 1 { l = l ($2 != "") } END { exit l != "010" }' out
check "the unknown one is named" grep -q '"*gender ""other""' out
run --model e/model --gender female g.csv
check "--gender fills what the list leaves empty" awk -F, 'NR > 1 { l = l ($2 != "") } END { exit l != "110" }' out
label --gender male $a; ends 0 'ignored' "a gender for a model without conditioning"
check "one warning" [ "$(wc -l <err)" = 1 ]
mkdir t && "$fixtures" emotion "$tests/golden/base" "$tests/golden/base/ser_attentive_std.safetensors" t
run --model t/model t/list.csv; ends 1 'text-embeddings' "a model with text conditioning and no text"
run --model t/model --text-embeddings missing.safetensors t/list.csv; ends 1 'missing.safetensors' "text that is not there"
cp $a t/other.wav && printf 'file,gender\n0.wav,f\nother.wav,m\n' >t/some.csv
run --model t/model --text-embeddings t/text.safetensors t/some.csv; ends 3 'other' "a recording without text"
check "the one with text is labelled" awk -F, 'NR > 1 { l = l ($2 != "") } END { exit l != "10" }' out

finish
