/* Training data: lists, MSP-Podcast, votes, what is wrong with bad lists, and the scan of the files. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/memory.h"
#include "tests/support/train_files.h"
#include "tools/train/data/store.h"

TestSuite(train_data, .init = train_enter, .fini = train_leave);

static const char *const four[] = {"Angry", "Happy", "Neutral", "Sad"};

static void expect_classes(const train_data *d, size_t n, const char *const *names)
{
    cr_assert_eq(d->classes, n);
    for (size_t c = 0; c < n; c++) cr_assert_str_eq(d->class_name[c], names[c]);
}

/* ---- Lists ---- */

Test(train_data, all_columns)
{
    mkdir("lists", 0700);
    train_text("lists/l.csv", "file,emotion,split,gender,speaker,text,arousal,dominance,valence,note\n"
                              "a.wav,sad,train,female,ann,\"hello, you\",1.5,2,7,x\n"
                              "/b/b.wav,happy,Dev,M,ben,,3, 4 ,5,y\n"
                              "\nc/c.wav,sad,TEST,unknown,,,1,1,1,\n"
                              "d.wav,happy,test2,,ann,,1,1,1,\n");
    train_data d = train_load(&(train_data_options){.path = "lists/l.csv", .attributes = true});
    cr_assert_eq(d.count, 4);
    cr_assert_eq(d.dropped, 0);
    cr_assert_not(d.msp);
    expect_classes(&d, 2, (const char *const[]){"happy", "sad"});
    const train_example *e = d.example;
    cr_assert_str_eq(e[0].file, "a.wav");
    cr_assert_str_eq(e[0].path, "lists/a.wav");
    cr_assert_str_eq(e[1].path, "/b/b.wav");
    cr_assert_str_eq(e[2].path, "lists/c/c.wav");
    cr_assert(e[0].line == 2 && e[1].line == 3 && e[2].line == 5 && e[3].line == 6);
    cr_assert(e[0].split == TRAIN_TRAIN && e[1].split == TRAIN_DEV && e[2].split == TRAIN_TEST);
    cr_assert_eq(e[3].split, TRAIN_TEST2);
    cr_assert(e[0].label == 1 && e[1].label == 0 && e[2].label == 1 && e[3].label == 0);
    cr_assert(e[0].gender == 0 && e[1].gender == 1 && e[2].gender == -1 && e[3].gender == -1);
    cr_assert_str_eq(e[0].speaker, "ann");
    cr_assert_str_eq(e[2].speaker, "");
    cr_assert_str_eq(e[0].text, "hello, you");
    cr_assert(e[0].attribute[0] == 1.5f && e[0].attribute[1] == 2 && e[0].attribute[2] == 7);
    cr_assert(e[1].attribute[0] == 3 && e[1].attribute[1] == 4 && e[1].attribute[2] == 5);
    cr_assert_null(e[0].votes);
    cr_assert_str_eq(train_split_name(e[3].split), "test2");
    train_data_free(&d);
}

Test(train_data, other_names_of_columns)
{
    train_text("l.TSV", "EMOACT\tPath\tLabel\ttranscript\tSpkrID\tSPLIT_SET\n"
                        "high\tx/a.wav\tNEUTRAL\thi\t7\tTraining\n"
                        "low\t-\tangry\tho\t8\tvalidation\n");
    train_data_options o = {.path = "l.TSV", .classes = 4, .class_names = four};
    train_data d = train_load(&o);
    expect_classes(&d, 4, four);
    cr_assert(d.example[0].label == 2 && d.example[1].label == 0);
    cr_assert_str_eq(d.example[0].path, "x/a.wav");
    cr_assert_str_eq(d.example[1].path, "./-", "a file named - is not standard input");
    cr_assert_str_eq(d.example[1].text, "ho");
    cr_assert_str_eq(d.example[1].speaker, "8");
    cr_assert(d.example[0].split == TRAIN_TRAIN && d.example[1].split == TRAIN_DEV);
    cr_assert(isnan(d.example[0].attribute[0]), "attributes were not asked for");
    train_data_free(&d);
    o.audio = "elsewhere/";
    d = train_load(&o);
    cr_assert_str_eq(d.example[0].path, "elsewhere/x/a.wav");
    train_data_free(&d);
}

Test(train_data, without_splits_all_is_train_and_speakers_move)
{
    train_text("l.csv", "file,emotion,speaker\na.wav,x,ann\nb.wav,y,ben\nc.wav,x,cy d\nd.wav,y,ann\ne.wav,x,eve\n");
    train_data_options o = {.path = "l.csv"};
    train_data d = train_load(&o);
    for (size_t i = 0; i < 5; i++) cr_assert_eq(d.example[i].split, TRAIN_TRAIN);
    train_data_free(&d);
    o.dev_speakers = "ann, cy d";
    o.test_speakers = "ben";
    d = train_load(&o);
    static const train_split expected[] = {TRAIN_DEV, TRAIN_TEST, TRAIN_DEV, TRAIN_DEV, TRAIN_TRAIN};
    for (size_t i = 0; i < 5; i++) cr_assert_eq(d.example[i].split, expected[i], "row %zu", i);
    train_data_free(&d);
}

Test(train_data, votes_are_shares)
{
    train_text("l.csv", "file,neutral,Angry,SAD,happy\na.wav,1,2,0,1\nb.wav,0.25,0.25,0.5,0\nc.wav,2,2,0,0\n");
    train_data_options o = {.path = "l.csv", .classes = 4, .class_names = four, .votes = true};
    train_data d = train_load(&o);
    static const float expected[3][4] = {{0.5f, 0.25f, 0.25f, 0}, {0.25f, 0, 0.25f, 0.5f}, {0.5f, 0, 0.5f, 0}};
    static const size_t labels[3] = {0, 3, 0};
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(d.example[i].label, labels[i], "row %zu", i);
        for (size_t c = 0; c < 4; c++) cr_assert_eq(d.example[i].votes[c], expected[i][c], "row %zu, class %zu", i, c);
    }
    train_data_free(&d);
    o.votes = false; /* the label still comes from them */
    d = train_load(&o);
    cr_assert_eq(d.example[1].label, 3);
    cr_assert_null(d.example[1].votes);
    train_data_free(&d);
    train_text("l.csv", "file,emotion,a,b\nx.wav,b,2,1\ny.wav,a,1,3\n"); /* an emotion column wins */
    d = train_load(&(train_data_options){.path = "l.csv", .votes = true});
    cr_assert(d.example[0].label == 1 && d.example[1].label == 0);
    cr_assert_eq(d.example[1].votes[1], 0.75f);
    train_data_free(&d);
}

/* ---- MSP-Podcast ---- */

static const char consensus[] = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
                                "MSP-PODCAST_0001_0008.wav,N,2.2,4.0,2.6,30,Male,Test1\n"
                                "MSP-PODCAST_0001_0019.wav,A,6.5,1.5,6,31,Female,Train\n"
                                "MSP-PODCAST_0002_0033.wav,X,4,4.25,4.5,Unknown,Unknown,Train\n"
                                "MSP-PODCAST_0002_0039.wav,C,5,2,5.5,Unknown,Female,Development\n"
                                "MSP-PODCAST_0002_0050.wav,O,3,3,3,32,Male,Train\n"
                                "MSP-PODCAST_0003_0001.wav,F,3,2,1,33,Male,Test2\n"
                                "MSP-PODCAST_0004_0001.wav,,,,,,,Test3\n";

static void make_corpus(void)
{
    mkdir("corpus", 0700);
    mkdir("corpus/Labels", 0700);
    mkdir("corpus/Audios", 0700);
    train_text("corpus/Labels/labels_consensus.csv", consensus);
}

Test(train_data, msp_podcast)
{
    make_corpus();
    static const char *const paths[] = {"corpus", "corpus/", "corpus/Labels", "corpus/Labels/labels_consensus.csv"};
    for (size_t p = 0; p < 4; p++) {
        train_data d = train_load(&(train_data_options){.path = paths[p]});
        cr_assert(d.msp);
        cr_assert_eq(d.count, 4);
        cr_assert_eq(d.dropped, 3);
        expect_classes(
            &d, 8,
            (const char *const[]){"Angry", "Sad", "Happy", "Surprise", "Fear", "Disgust", "Contempt", "Neutral"});
        static const size_t labels[] = {7, 0, 6, 4}, lines[] = {2, 3, 5, 7};
        static const train_split splits[] = {TRAIN_TEST1, TRAIN_TRAIN, TRAIN_DEV, TRAIN_TEST2};
        for (size_t i = 0; i < 4; i++) {
            cr_assert_eq(d.example[i].label, labels[i]);
            cr_assert_eq(d.example[i].line, lines[i]);
            cr_assert_eq(d.example[i].split, splits[i]);
        }
        struct stat audios;
        char folder[256];
        const char *path = d.example[0].path;
        cr_assert_str_eq(strrchr(path, '/'), "/MSP-PODCAST_0001_0008.wav");
        snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
        cr_assert_eq(stat(folder, &audios), 0, "%s", folder);
        cr_assert(strstr(folder, "Audios"), "%s", folder);
        cr_assert_str_eq(d.example[0].speaker, "30");
        cr_assert_str_eq(d.example[2].speaker, "");
        cr_assert(d.example[0].gender == 1 && d.example[1].gender == 0);
        train_data_free(&d);
    }
}

Test(train_data, msp_attributes_keep_rows_without_agreement)
{
    make_corpus();
    train_data d = train_load(&(train_data_options){.path = "corpus", .attributes = true});
    cr_assert_eq(d.count, 6);
    cr_assert_eq(d.dropped, 1);
    cr_assert_eq(d.example[2].label, TRAIN_NO_LABEL);
    cr_assert_eq(d.example[2].gender, -1);
    static const float expected[] = {4, 4.5f, 4.25f}; /* arousal, dominance, valence */
    for (size_t a = 0; a < 3; a++) cr_assert_eq(d.example[2].attribute[a], expected[a]);
    cr_assert_eq(d.example[0].label, 7);
    train_data_free(&d);
    static const char *const names[] = {"arousal", "dominance", "valence"}; /* what such a model has for classes */
    train_data_options o = {.path = "corpus", .attributes = true, .classes = 3, .class_names = names};
    d = train_load(&o);
    cr_assert_eq(d.count, 6);
    for (size_t i = 0; i < 6; i++) cr_assert_eq(d.example[i].label, TRAIN_NO_LABEL);
    train_data_free(&d);
}

Test(train_data, msp_with_a_models_own_classes)
{
    make_corpus();
    static const char *const lower[] = {"neutral", "angry", "fear", "contempt"};
    train_data d = train_load(&(train_data_options){.path = "corpus", .classes = 4, .class_names = lower});
    static const size_t labels[] = {0, 1, 3, 2};
    for (size_t i = 0; i < 4; i++) cr_assert_eq(d.example[i].label, labels[i]);
    train_data_free(&d);
}

Test(train_data, msp_one_hot)
{
    make_corpus();
    train_text("corpus/Labels/labels_hot.csv",
               "FileName,Angry,Sad,Happy,Surprise,Fear,Disgust,Contempt,Neutral,Split_Set\n"
               "a.wav,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,Train\nb.wav,0,0,1,0,0,0,0,3,Development\n");
    train_data d = train_load(&(train_data_options){.path = "corpus/Labels/labels_hot.csv", .votes = true});
    cr_assert(d.msp && d.count == 2 && d.classes == 8);
    cr_assert(d.example[0].label == 1 && d.example[1].label == 7);
    cr_assert(d.example[0].votes[1] == 1 && d.example[1].votes[7] == 0.75f && d.example[1].votes[2] == 0.25f);
    cr_assert_str_eq(d.example[0].path, "corpus/Labels/../Audios/a.wav");
    train_data_free(&d);
}

/* ---- What is wrong ---- */

typedef struct bad_list {
    const char *text;
    eng_status status;
    const char *parts[4]; /* that the message holds */
    train_data_options o;
} bad_list;

static void expect_bad(const bad_list *b, const char *path)
{
    train_data d;
    eng_error err = {ENG_OK, ""};
    train_data_options o = b->o;
    o.path = path;
    eng_status status = train_data_load(&o, &d, &err);
    cr_assert_eq(status, b->status, "status %d, expected %d: %s\n%s", status, b->status, err.message, b->text);
    for (size_t i = 0; i < 4 && b->parts[i]; i++)
        cr_assert(strstr(err.message, b->parts[i]), "'%s' does not say '%s'", err.message, b->parts[i]);
    cr_assert_null(strchr(err.message, '\n'));
    cr_assert(!d.example && !d.store && !d.class_name);
}

Test(train_data, bad_lists_say_where_and_what)
{
    static const bad_list bad[] = {
        {"emotion\nx\n", ENG_E_MISSING, {"l.csv", "file, path or FileName"}, {0}},
        {"file\na.wav\n", ENG_E_MISSING, {"l.csv", "emotion, EmoClass or label"}, {0}},
        {"file,emotion\na.wav,x,y\n", ENG_E_FORMAT, {"l.csv: line 2", "3 cells"}, {0}},
        {"file,emotion\na.wav,x\n,y\n", ENG_E_FORMAT, {"l.csv: line 3", "no file name"}, {0}},
        {"file,emotion\na.wav,x\nb.wav,\n", ENG_E_FORMAT, {"l.csv: line 3", "no emotion"}, {0}},
        {"file,emotion,split\na.wav,x,tarin\n", ENG_E_FORMAT, {"l.csv: line 2", "'tarin'", "expected train"}, {0}},
        {"file,emotion,split\na.wav,x,\n", ENG_E_FORMAT, {"l.csv: line 2", "split ''"}, {0}},
        {"file,emotion,gender\na.wav,x,w\n", ENG_E_FORMAT, {"l.csv: line 2", "'w'", "expected female"}, {0}},
        {"file,emotion,split\na.wav,x,dev\nb.wav,y,test\n", ENG_E_MISSING, {"l.csv", "no rows to train on"}, {0}},
        {"file,emotion\n", ENG_E_MISSING, {"l.csv", "no rows to train on"}, {0}},
        {"file,emotion\na.wav,x\nb.wav,x\n", ENG_E_MISSING, {"l.csv", "'x' is the only emotion"}, {0}},
        {"file,emotion\na.wav,sad\nb.wav,Sad\n", ENG_E_FORMAT, {"l.csv", "'Sad' and 'sad'", "case"}, {0}},
        {"file,emotion,split\na.wav,Sad,train\nb.wav,bored,test\n",
         ENG_E_MISMATCH,
         {"l.csv: line 3", "'bored'", "Angry, Happy, Neutral, Sad"},
         {.classes = 4, .class_names = four}},
        {"file,emotion,arousal,valence\na.wav,x,1,2\n",
         ENG_E_MISSING,
         {"l.csv", "dominance or EmoDom"},
         {.attributes = true}},
        {"file,arousal,valence,dominance\na.wav,1,2x,3\n",
         ENG_E_FORMAT,
         {"l.csv: line 2", "'valence'", "'2x'"},
         {.attributes = true}},
        {"file,arousal,valence,dominance\na.wav,nan,2,3\n",
         ENG_E_FORMAT,
         {"l.csv: line 2", "'nan'"},
         {.attributes = true}},
        {"file,arousal,valence,dominance\na.wav,,2,3\n",
         ENG_E_MISSING,
         {"no rows to train on", "1 dropped"},
         {.attributes = true}},
        {"file,emotion,Angry,Happy,Sad\na.wav,Sad,1,1,1\n",
         ENG_E_MISSING,
         {"l.csv", "no column named Neutral"},
         {.votes = true, .classes = 4, .class_names = four}},
        {"file,a,b\nx.wav,1,1\n", ENG_E_MISSING, {"l.csv", "no column named emotion"}, {.votes = true}},
        {"file,emotion,a,b\nx.wav,a,1,1\ny.wav,b,1,-1\n",
         ENG_E_FORMAT,
         {"l.csv: line 3", "'b'", "-1"},
         {.votes = true}},
        {"file,emotion,a,b\nx.wav,a,1,1\ny.wav,b,0,0\n", ENG_E_FORMAT, {"l.csv: line 3", "no votes"}, {.votes = true}},
        {"file,emotion,a,b\nx.wav,a,1,1\ny.wav,b,,0\n", ENG_E_FORMAT, {"l.csv: line 3", "'a'", "''"}, {.votes = true}},
        {"file,emotion\na.wav,x\nb.wav,y\n", ENG_E_MISSING, {"l.csv", "speaker or SpkrID"}, {.dev_speakers = "ann"}},
        {"file,emotion,speaker\na.wav,x,ann\nb.wav,y,ben\nc.wav,y,ann\n",
         ENG_E_MISMATCH,
         {"no speaker 'anne'", "there are: ann, ben"},
         {.dev_speakers = "ann,anne"}},
        {"file,emotion,speaker\na.wav,x,ann\nb.wav,y,ben\n",
         ENG_E_USAGE,
         {"'ann'", "dev and to test"},
         {.dev_speakers = "ann", .test_speakers = "ben,ann"}},
        {"file,emotion,speaker\na.wav,x,ann\nb.wav,y,ben\n",
         ENG_E_MISSING,
         {"no rows to train on"},
         {.dev_speakers = "ann,ben"}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        train_text("l.csv", bad[i].text);
        expect_bad(&bad[i], "l.csv");
    }
}

Test(train_data, bad_places)
{
    mkdir("empty", 0700);
    expect_bad(&(bad_list){"", ENG_E_MISSING, {"empty", "labels_consensus.csv"}, {0}}, "empty");
    expect_bad(&(bad_list){"", ENG_E_MISSING, {"none.csv"}, {0}}, "none.csv");
    train_text("l.txt", "a.wav\n");
    expect_bad(&(bad_list){"", ENG_E_UNSUPPORTED, {"l.txt", ".csv or .tsv"}, {0}}, "l.txt");
    train_text("labels_consensus.csv", consensus);
    expect_bad(&(bad_list){"", ENG_E_MISSING, {"labels_consensus.csv", "Audios"}, {0}}, "labels_consensus.csv");
    expect_bad(
        &(bad_list){"", ENG_E_MISMATCH, {"line 2", "'Neutral'"}, {.audio = ".", .classes = 1, .class_names = four}},
        "labels_consensus.csv");
    train_text("l.csv", "FileName,EmoClass,Split_Set\na.wav,Q,Train\n");
    expect_bad(&(bad_list){"", ENG_E_FORMAT, {"l.csv: line 2", "'Q'", "A S H U F D C N"}, {.audio = "."}}, "l.csv");
    train_text("l.csv", "FileName,EmoClass,Split_Set\na.wav,,Test1\n");
    expect_bad(&(bad_list){"", ENG_E_FORMAT, {"l.csv: line 2", "no emotion"}, {.audio = "."}}, "l.csv");
}

Test(train_data, class_names_outlive_the_callers)
{
    char a[] = "x", b[] = "y";
    const char *names[] = {a, b};
    train_text("l.csv", "file,emotion\na.wav,x\n");
    train_data d = train_load(&(train_data_options){.path = "l.csv", .classes = 2, .class_names = names});
    a[0] = b[0] = 'z';
    names[0] = NULL;
    cr_assert_str_eq(d.class_name[0], "x");
    cr_assert_str_eq(d.class_name[1], "y");
    train_data_free(&d);
}

/* ---- The scan ---- */

typedef struct messages {
    size_t count;
    char text[8][256];
} messages;

static void note(void *arg, const char *message)
{
    messages *m = arg;
    cr_assert_lt(m->count, 8);
    snprintf(m->text[m->count++], sizeof m->text[0], "%s", message);
}

Test(train_data, scan_finds_lengths_and_broken_files)
{
    train_wav("a.wav", 1, 16000);
    train_wav("short.wav", 2, 399);
    train_wav("b.wav", 3, 400);
    train_wav("cut.wav", 4, 5000);
    cr_assert_eq(truncate("cut.wav", 3000), 0);
    train_text("noise.wav", "this is no audio");
    train_text("l.csv",
               "file,emotion\na.wav,x\nnone.wav,y\nshort.wav,x\nb.wav,y\ncut.wav,x\nnoise.wav,y\nnone.wav,x\n");
    for (size_t threads = 1; threads <= 3; threads++) {
        train_data d = train_load(&(train_data_options){.path = "l.csv"});
        messages m = {0};
        cr_assert_eq(train_scan(&d, threads, note, &m), 5);
        cr_assert_eq(m.count, 5);
        static const char *const names[] = {"none.wav", "short.wav", "cut.wav", "noise.wav", "none.wav"};
        for (size_t i = 0; i < 5; i++) cr_assert(strstr(m.text[i], names[i]), "%s", m.text[i]);
        cr_assert(strstr(m.text[1], "399"), "%s", m.text[1]);
        cr_assert(strstr(m.text[2], "truncated"), "%s", m.text[2]);
        static const bool broken[] = {false, true, true, false, true, true, true};
        for (size_t i = 0; i < 7; i++) cr_assert_eq(d.example[i].broken, broken[i], "row %zu", i);
        cr_assert(d.example[0].samples == 16000 && d.example[3].samples == 400);
        train_data_free(&d);
    }
}

/* Reads all of example i and compares it with what the file held. */
static void expect_samples(const train_data *d, size_t i, size_t first, size_t count, unsigned number)
{
    float *x;
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(train_store_read(d, i, first, count, &x, &err), ENG_OK, "%s", err.message);
    for (size_t s = 0; s < count; s++) cr_assert_eq(x[s], train_sample(number, first + s), "sample %zu", s);
    eng_free(x);
}

Test(train_data, audio_is_kept_up_to_the_bound_and_has_the_same_bits)
{
    train_wav("a.wav", 1, 5000);
    train_wav("b.wav", 2, 5000);
    train_text("l.csv", "file,emotion\na.wav,x\nb.wav,y\n");
    train_data d = train_load(&(train_data_options){.path = "l.csv", .cache_bytes = 2 * 5000 + 100});
    train_scan_good(&d);
    cr_assert_eq(d.store->used, 2 * 5000, "one file, of 16-bit numbers");
    size_t kept = d.store->kept[0].samples ? 0 : 1;
    cr_assert(d.store->kept[kept].narrow);
    for (size_t i = 0; i < 2; i++) {
        expect_samples(&d, i, 0, 5000, (unsigned)i + 1);
        expect_samples(&d, i, 1234, 77, (unsigned)i + 1);
    }
    cr_assert_eq(remove("a.wav"), 0);
    cr_assert_eq(remove("b.wav"), 0);
    expect_samples(&d, kept, 10, 4990, (unsigned)kept + 1);
    float *x;
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(train_store_read(&d, 1 - kept, 0, 5000, &x, &err), ENG_E_MISSING);
    cr_assert_null(x);
    train_wav(kept ? "a.wav" : "b.wav", 9, 4000);
    cr_assert_eq(train_store_read(&d, 1 - kept, 0, 4000, &x, &err), ENG_E_MISMATCH);
    cr_assert(strstr(err.message, "has changed"), "%s", err.message);
    train_store_allow(d.store, 0);
    cr_assert_eq(d.store->limit, 2 * 5000 + 100);
    train_data_free(&d);
}

/* A WAV file of float samples, which 16-bit numbers do not hold. */
static void write_float_wav(const char *path, const float *samples, size_t count)
{
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f);
    uint32_t head[11] = {
        0x46464952, (uint32_t)(36 + 4 * count), 0x45564157, 0x20746D66, 16, 0x00010003, 16000, 64000, 0x00200004,
        0x61746164, (uint32_t)(4 * count)};
    cr_assert_eq(fwrite(head, sizeof head, 1, f), 1);
    cr_assert_eq(fwrite(samples, sizeof *samples, count, f), count);
    cr_assert_eq(fclose(f), 0);
}

Test(train_data, floats_are_kept_to_the_last_bit)
{
    float x[1000], *y;
    for (size_t i = 0; i < 1000; i++) x[i] = train_sample(5, i);
    x[3] = -0.0f;
    x[999] = 0.1f;
    write_float_wav("a.wav", x, 1000);
    train_text("l.csv", "file,emotion\na.wav,x\nb.wav,y\n");
    x[999] = 0.25f; /* now only the negative zero is no 16-bit number */
    write_float_wav("b.wav", x, 1000);
    train_data d = train_load(&(train_data_options){.path = "l.csv", .cache_bytes = 1 << 20});
    train_scan_good(&d);
    cr_assert_eq(d.store->used, 2 * 4000);
    cr_assert_eq(remove("b.wav"), 0);
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(train_store_read(&d, 1, 0, 1000, &y, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(memcmp(x, y, sizeof x), 0);
    eng_free(y);
    train_data_free(&d);
}

Test(train_data, what_is_no_wav_goes_through_ffmpeg_once)
{
    if (system("ffmpeg -version >/dev/null 2>&1") != 0) cr_skip_test("ffmpeg is not installed");
    train_wav("a.wav", 6, 20000);
    cr_assert_eq(system("ffmpeg -nostdin -loglevel error -i a.wav a.flac"), 0);
    train_text("l.csv", "file,emotion\na.flac,x\na.wav,y\n");
    train_data d = train_load(&(train_data_options){.path = "l.csv", .cache_bytes = 1 << 20});
    train_scan_good(&d);
    cr_assert_eq(d.example[0].samples, 20000);
    cr_assert_eq(remove("a.flac"), 0);
    expect_samples(&d, 0, 0, 20000, 6);
    train_data_free(&d);
}
