#include "tools/train/options/table.h"

#include "tools/train/options/options.h"

#define OPTION(member) offsetof(train_options, member)

static const tool_option options[] = {
    {"recipe", 0, TOOL_TEXT, OPTION(recipe), "FILE",
     "options from FILE, one a line as on the command line, '#' begins a\ncomment; what the command line says goes before "
     "it", NULL, 0, 0},
    {"init", 'i', TOOL_TEXT, OPTION(init), "DIR",
     "the model to begin with: an emotion model goes on from its head, a\nbackbone gets a new one; a folder with only a "
     "config.json starts\nfrom random weights", NULL, 0, 0},
    {"data", 'd', TOOL_TEXT, OPTION(data), "LIST",
     "the recordings: a .csv or .tsv with columns file, emotion and, where\nthere are any, split (train, dev, test), gender, "
     "speaker, text; or\nMSP-Podcast's labels_consensus.csv or the folder with it", NULL, 0, 0},
    {"out", 'o', TOOL_TEXT, OPTION(out), "DIR",
     "where the run goes: best/, last/, metrics.jsonl, report.html and the\nstate to resume from", NULL, 0, 0},
    {"resume", 0, TOOL_FLAG, OPTION(resume), NULL, "go on where the run in --out stopped, to the same bits", NULL, 0, 0},

    {"epochs", 'e', TOOL_COUNT, OPTION(epochs), "N", "times through the data (20)", NULL, 1, 1e6},
    {"steps", 0, TOOL_COUNT, OPTION(steps), "N", "optimizer steps, instead of --epochs", NULL, 1, 4e9},
    {"batch-size", 'b', TOOL_COUNT, OPTION(batch_size), "N", "utterances a batch, at most (8)", NULL, 1, 65536},
    {"batch-seconds", 0, TOOL_NUMBER, OPTION(batch_seconds), "S", "seconds of audio a batch, at most (no limit)", NULL, 0.1,
     1e6},
    {"accumulate", 0, TOOL_COUNT, OPTION(accumulate), "N", "batches a step (1)", NULL, 1, 65536},
    {"crop", 0, TOOL_NUMBER, OPTION(crop), "S", "train on at most S seconds of a recording, from a random place\n(12; 0: all)",
     NULL, 0, 1e6},
    {"no-shuffle", 0, TOOL_FLAG, OPTION(no_shuffle), NULL, "take the recordings in the list's order", NULL, 0, 0},
    {"seed", 0, TOOL_COUNT, OPTION(seed), "N", "of everything that is random (1)", NULL, 0, 0},

    {"lr", 0, TOOL_NUMBER, OPTION(lr), "X", "learning rate of AdamW (1e-5)", NULL, 0, 100},
    {"head-lr", 0, TOOL_NUMBER, OPTION(head_lr), "X", "learning rate of the head (--lr)", NULL, 0, 100},
    {"weight-decay", 0, TOOL_NUMBER, OPTION(weight_decay), "X", "decoupled weight decay (0.01)", NULL, 0, 100},
    {"schedule", 0, TOOL_CHOICE, OPTION(schedule), NULL,
     "of the rate after the warm-up: decay to 0, or not, as those of\ntransformers with warm-up (constant)",
     "constant|linear|cosine", 0, 0},
    {"warmup", 0, TOOL_NUMBER, OPTION(warmup), "X",
     "linear warm-up from 0: steps, or a share of the run when below 1 (0)", NULL, 0, 1e9},
    {"clip", 0, TOOL_NUMBER, OPTION(clip), "X",
     "longest gradient, of all parameters together; a longer one is\nscaled down (no limit)", NULL, 1e-12, 1e12},
    {"ema", 0, TOOL_NUMBER, OPTION(ema), "DECAY",
     "evaluate and write a moving average of the weights; 0.999: over\nabout the last 1000 steps (0: the last step's weights)",
     NULL, 0, 0.9999999},
    {"patience", 0, TOOL_COUNT, OPTION(patience), "N", "stop after N evaluations without a better one (never)", NULL, 1, 1e6},

    {"loss", 0, TOOL_CHOICE, OPTION(loss), NULL,
     "ccc: 1 - CCC on the columns arousal, dominance, valence\n(cross-entropy)", "cross-entropy|focal|ccc", 0, 0},
    {"focal-gamma", 0, TOOL_NUMBER, OPTION(focal_gamma), "X", "of the focal loss (2)", NULL, 0, 100},
    {"label-smoothing", 0, TOOL_NUMBER, OPTION(label_smoothing), "X", "share of the target spread over all classes (0)", NULL,
     0, 1},
    {"class-weights", 0, TOOL_CHOICE, OPTION(class_weights), NULL, "balanced: rare classes weigh more (none)",
     "none|balanced", 0, 0},
    {"soft-labels", 0, TOOL_FLAG, OPTION(soft_labels), NULL,
     "train on the shares of votes in the columns named like the classes", NULL, 0, 0},
    {"attribute-range", 0, TOOL_TEXT, OPTION(range), "LOW:HIGH", "of arousal, dominance, valence in the list; the model "
     "learns\n0 for LOW and 1 for HIGH (1:7)", NULL, 0, 0},

    {"pooling", 0, TOOL_CHOICE, OPTION(pooling), NULL, "over time (the model's; new head: mean)",
     "mean|std|attention|attentive_std", 0, 0},
    {"gender-conditioning", 0, TOOL_CHOICE, OPTION(gender), NULL, "(the model's; new head: none)", "none|multiply|mean", 0, 0},
    {"text-conditioning", 0, TOOL_CHOICE, OPTION(text_conditioning), NULL, "(the model's; new head: none)",
     "none|multiply|mean", 0, 0},
    {"text-embeddings", 0, TOOL_TEXT, OPTION(text), "FILE",
     "sentence embeddings: a safetensors file with, per recording, tensor\n<name without folder and extension> [size]", NULL, 0,
     0},
    {"projection", 0, TOOL_COUNT, OPTION(projection), "N", "width of the head's projection (the model's; new head: 256)", NULL,
     1, 65536},
    {"new-head", 0, TOOL_FLAG, OPTION(new_head), NULL, "replace the head of an emotion model", NULL, 0, 0},
    {"train-feature-encoder", 0, TOOL_FLAG, OPTION(train_feature_encoder), NULL,
     "train the CNN too, which is frozen otherwise", NULL, 0, 0},
    {"checkpoint-layers", 0, TOOL_FLAG, OPTION(checkpoint_layers), NULL,
     "keep one input a layer and compute the layer again: less memory,\nthe same bits", NULL, 0, 0},

    {"dropout", 0, TOOL_NUMBER, OPTION(dropout), "P",
     "hidden, attention, activation and final dropout (the model's);\n0: no dropout, no layer drop, no masking at all", NULL, 0,
     1},
    {"hidden-dropout", 0, TOOL_NUMBER, OPTION(hidden_dropout), "P", NULL, NULL, 0, 1},
    {"attention-dropout", 0, TOOL_NUMBER, OPTION(attention_dropout), "P", NULL, NULL, 0, 1},
    {"activation-dropout", 0, TOOL_NUMBER, OPTION(activation_dropout), "P", NULL, NULL, 0, 1},
    {"feature-dropout", 0, TOOL_NUMBER, OPTION(feature_dropout), "P", "after the feature projection (the model's)", NULL, 0, 1},
    {"final-dropout", 0, TOOL_NUMBER, OPTION(final_dropout), "P", NULL, NULL, 0, 1},
    {"layer-drop", 0, TOOL_NUMBER, OPTION(layer_drop), "P", "share of layers skipped (the model's)", NULL, 0, 1},
    {"mask-time-prob", 0, TOOL_NUMBER, OPTION(mask_time_prob), "P", "SpecAugment: share of frames masked (the model's)", NULL,
     0, 1},
    {"mask-time-length", 0, TOOL_COUNT, OPTION(mask_time_length), "N", "frames of a mask", NULL, 1, 65536},
    {"mask-feature-prob", 0, TOOL_NUMBER, OPTION(mask_feature_prob), "P", "share of channels masked (the model's)", NULL, 0, 1},
    {"mask-feature-length", 0, TOOL_COUNT, OPTION(mask_feature_length), "N", "channels of a mask", NULL, 1, 65536},

    {"gain", 0, TOOL_NUMBER, OPTION(gain), "DB", "augmentation: level changed by up to DB (0)", NULL, 0, 60},
    {"noise", 0, TOOL_NUMBER, OPTION(noise), "P", "share of recordings that get coloured noise (0)", NULL, 0, 1},
    {"noise-snr", 0, TOOL_TEXT, OPTION(noise_snr), "LOW:HIGH", "its signal-to-noise ratio in dB (5:30)", NULL, 0, 0},
    {"speed", 0, TOOL_NUMBER, OPTION(speed), "X", "speed changed by up to X, 0.1: 0.9 to 1.1 (0)", NULL, 0, 0.5},
    {"pitch", 0, TOOL_NUMBER, OPTION(pitch), "N", "pitch changed by up to N semitones (0)", NULL, 0, 12},
    {"equalise", 0, TOOL_NUMBER, OPTION(equalise), "DB", "another microphone: four bands changed by up to DB each (0)", NULL, 0,
     40},

    {"audio", 0, TOOL_TEXT, OPTION(audio), "DIR", "where the list's paths begin (the list's folder)", NULL, 0, 0},
    {"dev-speakers", 0, TOOL_TEXT, OPTION(dev_speakers), "A,B,...", "recordings of these are the dev split", NULL, 0, 0},
    {"test-speakers", 0, TOOL_TEXT, OPTION(test_speakers), "A,B,...", "recordings of these are the test split", NULL, 0, 0},
    {"strict", 0, TOOL_FLAG, OPTION(strict), NULL, "a recording that cannot be read ends the run before it starts", NULL, 0, 0},
    {"decoders", 0, TOOL_COUNT, OPTION(decoders), "N", "threads that read recordings in the background (2)", NULL, 1, 256},
    {"cache", 0, TOOL_COUNT, OPTION(cache_mib), "MIB", "memory for decoded recordings (2048)", NULL, 0, 1e9},
    {"save-minutes", 0, TOOL_NUMBER, OPTION(save_minutes), "X",
     "save the state at least so often, beside the ends of epochs\n(15; 0: after every step)", NULL, 0, 1e6},
    {"threads", 't', TOOL_COUNT, OPTION(threads), "N", "threads that compute (one per CPU)", NULL, 1, 4096},
    {"precision", 0, TOOL_CHOICE, OPTION(precision), NULL,
     "bf16: linear layers and the CNN round what they multiply, forward and\nback; weights, gradients "
     "and sums stay f32 (f32)", "f32|bf16", 0, 0},
    {"shards", 0, TOOL_COUNT, OPTION(shards), "N",
     "parts of a step's batch, whose gradients are added in a fixed order:\nfor the same N every number of ranks that divides it "
     "gives the same\nbits (the number of ranks)", NULL, 1, 4096},
    {"exchange", 0, TOOL_CHOICE, OPTION(exchange), NULL,
     "what ranks send each other of gradients and steps: bf16 is half as\nmuch, and rounds (f32)", "f32|bf16", 0, 0},
    {"rank-timeout", 0, TOOL_NUMBER, OPTION(patience_seconds), "S",
     "end the job when a rank was silent for S seconds (600; 0: never)", NULL, 0, 1e6},
    {"cpu", 0, TOOL_TEXT, OPTION(cpu), "TIER",
     "force a kernel tier: portable, avx2, avx512 or neon; avx512-amx: without\n"
     "AMX. All give the same bits, but for --precision bf16: there a resumed\nrun must have the same (the best)", NULL, 0, 0},
    {"quiet", 'q', TOOL_FLAG, OPTION(quiet), NULL, "no progress and no notes", NULL, 0, 0},
    {0},
};

const tool_program train_program = {
    "train",
    "--init DIR --data LIST --out DIR [options]",
    "Fine-tunes WavLM for speech emotion recognition: weighted average of the layers, pooling,\n"
    "conditioning, AdamW, the CNN frozen. What is not asked for is off: constant rate, no clipping,\n"
    "no augmentation, one rate for every parameter. Dropouts are those of the model's config.json.\n\n"
    "The best model by macro-F1 on the dev split is kept in OUT/best, the last in OUT/last, both as\n"
    "folders that infer and Hugging Face read. SIGTERM, SIGINT and SIGUSR1 save and leave; --resume goes\n"
    "on. Under mpirun or srun (a build with -Dmpi=enabled) the processes train one model together.\n\n"
    "Exit status: 0 done; 1 wrong usage; 2 the model or the data cannot be loaded; 3 the training failed;\n"
    "128 + the signal's number when it was stopped.",
    options,
};
