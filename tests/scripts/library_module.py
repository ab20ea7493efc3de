"""The Python module, from where library.sh installed it: numbers as infer's, arrays in and out, errors, streams, threads.

    library_module.py MODEL TESTS INFER.JSONL VERSION with|without       (NumPy)
"""

import array
import json
import math
import os
import signal
import struct
import sys
import threading
import time
import traceback

import wavlm

MODEL, TESTS, ROWS, VERSION, NUMPY = sys.argv[1:]
CONDITIONED = os.path.join(TESTS, "golden", "variants", "emotion_conditioned")
BACKBONE = os.path.join(TESTS, "golden", "base")

try:
    import numpy
except ImportError:
    numpy = None

with open(ROWS) as file:
    rows = [json.loads(line) for line in file]
CLIP = rows[0]["file"]
sound = array.array("f", [0.3 * math.sin(i * 0.07) * math.sin(i * 0.0007) for i in range(40000)])


def bits(numbers):
    """An array's bytes, of whatever kind."""
    return numbers.tobytes()


def raises(kind, text, call):
    try:
        call()
    except kind as error:
        assert text in str(error), (text, str(error))
        return error
    raise AssertionError("nothing was raised: expected " + kind.__name__)


def test_is_what_it_should_be():
    assert (numpy is not None) == (NUMPY == "with"), NUMPY
    assert wavlm.version() == wavlm.__version__ == VERSION


def test_infers_numbers():
    with wavlm.Model(MODEL, threads=2) as model:
        assert model.threads == 2 and model.precision == "f32" and not model.regression and model.cpu
        results = [model.run(row["file"]) for row in rows] + model.run_batch([row["file"] for row in rows])
    assert len(results) == 2 * len(rows) > 10
    for row, result in zip(rows + rows, results):  # the model is closed, and results stay
        assert result.label == row["label"] and list(result.scores) == model.labels, (row, result)
        logits = array.array("f", row["logits"])
        assert bits(result.logits) == bits(logits), row
        assert array.array("f", row["scores"].values()) == array.array("f", result.scores.values()), row
        assert result.score == max(result.scores.values()) and result.error is None and result.start == 0


def test_every_kind_of_samples_gives_the_same_bits():
    with wavlm.Model(MODEL, threads=1) as model:
        want = bits(model.run(sound).logits)
        kinds = {
            "list": sound.tolist(), "tuple": tuple(sound), "memoryview": memoryview(sound),
            "bytes": memoryview(bytes(sound)).cast("f"), "double": array.array("d", sound),
            "every second": memoryview(array.array("f", [x for s in sound for x in (s, 9)]))[::2],
        }
        if numpy is not None:
            kinds["ndarray"] = numpy.array(sound)
            kinds["float64"] = numpy.array(sound, dtype=numpy.float64)
            kinds["big endian"] = numpy.array(sound, dtype=">f4")
            kinds["stride"] = numpy.repeat(numpy.array(sound), 2)[::2]
            kinds["read-only"] = numpy.array(sound)
            kinds["read-only"].flags.writeable = False
        for kind, samples in kinds.items():
            assert bits(model.run(samples).logits) == want, kind


def test_samples_that_are_none():
    with wavlm.Model(MODEL, threads=1) as model:
        raises(TypeError, "32768", lambda: model.run(array.array("h", [1] * 16000)))
        raises(TypeError, "expected", lambda: model.run(b"RIFF" * 1000))
        raises(ValueError, "dimension", lambda: model.run(memoryview(sound).cast("B").cast("f", [2, 20000])))
        if numpy is not None:
            raises(TypeError, "int16: expected", lambda: model.run(numpy.zeros(16000, numpy.int16)))
            raises(ValueError, "dimension", lambda: model.run(numpy.zeros((2, 16000), numpy.float32)))
        raises(wavlm.UsageError, "too short", lambda: model.run(sound[:10]))
        raises(wavlm.UsageError, "too short", lambda: model.run([]))


def test_arrays_are_views_that_keep_their_memory():
    with wavlm.Model(MODEL, threads=1) as model:
        result = model.run(sound, embeddings=True, hidden_states=True)
        embedding, hidden = result.embedding, result.hidden_states
        assert tuple(embedding.shape) == (model.embedding_size,)
        assert tuple(hidden.shape) == (model.states, model.frames(len(sound)), model.width)
        again = result.embedding
        embedding[0] = 42
        assert again[0] == 42, "a copy"
        embedding[0] = 0
        if numpy is not None:
            assert isinstance(hidden, numpy.ndarray) and hidden.dtype == numpy.float32
        else:
            assert isinstance(hidden, memoryview) and hidden.format == "f"
        want = bits(hidden)
    del result, model
    for _ in range(3):  # others take what memory is free
        with wavlm.Model(MODEL, threads=1) as other:
            other.run([0.1] * 40000, hidden_states=True)
    assert bits(hidden) == want


def test_chosen_hidden_states():
    with wavlm.Model(MODEL, threads=1) as model:
        whole = model.run(sound, hidden_states=True).hidden_states
        some = model.run(sound, hidden_states=[-1, 0]).hidden_states
        state = len(bits(whole)) // model.states
        assert bits(some) == bits(whole)[-state:] + bits(whole)[:state] and some.shape[0] == 2
        raises(wavlm.UsageError, "hidden state 99", lambda: model.run(sound, hidden_states=[99]))
        result = model.run(sound)
        assert result.hidden_states is None and result.embedding is None


def test_backbone():
    with wavlm.Model(BACKBONE, threads=1) as model:
        result = model.run(sound, embeddings=True, hidden_states=[-1])
        assert model.labels == [] and result.label is None and result.scores == {} and result.logits is None
        assert result.score is None
        frames, width = result.hidden_states.shape[1:]
        hidden = struct.unpack("%df" % (frames * width), bits(result.hidden_states))
        for j, x in enumerate(result.embedding.tolist()):
            assert abs(x - sum(hidden[j::width]) / frames) < 1e-4


def test_conditioned():
    with wavlm.Model(CONDITIONED, threads=1) as model:
        text = [0.1 * i for i in range(model.text_size)]
        assert model.wants_gender and text
        raises(wavlm.UsageError, "gender", lambda: model.run(sound, text=text))
        raises(wavlm.UsageError, "text", lambda: model.run(sound, gender="male"))
        raises(wavlm.UsageError, "text embedding of 1", lambda: model.run(sound, gender="male", text=[1]))
        male, female = (bits(model.run(sound, gender=g, text=text).logits) for g in ("male", "female"))
        assert male != female
        both = model.run_batch([sound, sound, sound], gender=["female", "male", "?"], texts=[text] * 3, each=True)
        assert [bits(r.logits) for r in both[:2]] == [female, male]
        assert isinstance(both[2].error, wavlm.UsageError) and both[2].logits is None and both[2].label is None
        with model.stream(segment=1, gender="male", text=text) as stream:
            stream.push(sound[:16000])
            window = stream.take()
        assert len(window) == 1 and bits(window[0].logits) == bits(model.run(sound[:16000], gender="male", text=text).logits)


def test_each_fails_alone():
    with wavlm.Model(MODEL, threads=1) as model:
        results = model.run_batch([CLIP, "/none.wav", sound[:5], CLIP], each=True)
        assert results[0].label == results[3].label == rows[0]["label"]
        assert isinstance(results[1].error, OSError) and "none.wav" in str(results[1].error) and results[1].scores == {}
        assert isinstance(results[2].error, wavlm.UsageError)
        raises(FileNotFoundError, "none.wav", lambda: model.run_batch([CLIP, "/none.wav"]))
        assert model.run_batch([]) == []


def test_errors():
    raises(wavlm.WavlmError, "none", lambda: wavlm.Model("/none"))
    raises(wavlm.UnsupportedError, "int4", lambda: wavlm.Model(MODEL, precision="int4"))
    error = raises(wavlm.UsageError, "z80", lambda: wavlm.Model(MODEL, cpu="z80"))
    assert error.status == 7 and isinstance(error, ValueError)
    raises(wavlm.MissingError, "none.wav", lambda: wavlm.Audio("/none.wav"))
    model = wavlm.Model(MODEL, threads=1)
    model.close()
    model.close()
    raises(ValueError, "closed", lambda: model.run(sound))
    raises(ValueError, "closed", lambda: model.share())


def test_audio():
    audio = wavlm.Audio(CLIP)
    assert audio.channels == 1 and len(audio) == len(audio.samples) and abs(audio.seconds - len(audio) / 16000) < 1e-9
    samples = audio.samples
    want = bits(samples)
    del audio
    assert bits(samples) == want
    with open(CLIP, "rb") as clip:
        data = array.array("h", clip.read()[44:])
    assert samples.tolist() == [x / 32768 for x in data]
    raises(IndexError, "channel 1", lambda: wavlm.Audio(CLIP, mix=False).channel(1))


def test_stream():
    with wavlm.Model(MODEL, threads=1) as model:
        with model.stream(segment=1, hop=0.5, embeddings=True) as stream:
            results = []
            for at in range(0, len(sound), 1234):
                stream.push(sound[at:at + 1234])
                results += stream.take()
                assert len(results) == max(0, (min(len(sound), at + 1234) - 8000) // 8000)
            results += stream.finish()
            raises(wavlm.UsageError, "finished", lambda: stream.push(sound))
        assert [(r.start, r.end) for r in results] == [(0, 1), (0.5, 1.5), (1, 2), (1.5, 2.5)]
        for r in results:
            alone = model.run(sound[int(r.start * 16000):int(r.end * 16000)], embeddings=True)
            assert bits(alone.embedding) == bits(r.embedding) and bits(alone.logits) == bits(r.logits)
        raises(wavlm.UsageError, "segment", lambda: model.stream(segment=-1))


def test_progress_and_cancel():
    with wavlm.Model(MODEL, threads=1) as model:
        shares = []
        want = bits(model.run(sound, progress=shares.append).logits)
        assert shares == sorted(shares) and shares[-1] == 1 and len(shares) > 2

        def fail(share):
            raise KeyError("mine")

        def use(share):
            model.run(sound)

        raises(KeyError, "mine", lambda: model.run(sound, progress=fail))
        raises(RuntimeError, "progress must not", lambda: model.run(sound, progress=use))
        cancel = wavlm.Cancel()
        cancel.request()
        raises(wavlm.Cancelled, "cancelled", lambda: model.run(sound, cancel=cancel))
        cancel.reset()
        assert bits(model.run(sound, cancel=cancel).logits) == want
        with model.stream(segment=1, progress=fail) as stream:
            stream.push(sound)
            raises(KeyError, "mine", stream.take)
            raises(KeyError, "mine", stream.take)


def test_interrupt():
    def interrupt(share):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.001)

    with wavlm.Model(MODEL, threads=1) as model:
        raises(KeyboardInterrupt, "", lambda: model.run(sound, progress=interrupt))
        assert model.run(CLIP).label == rows[0]["label"]


def test_threads():
    with wavlm.Model(MODEL, threads=1) as model:
        shared = [model.share(threads=1) for _ in range(4)]
        waits = wavlm.Model(MODEL, threads=1)
    found, failures = {}, []

    def work(number, own):
        try:
            for row in rows:
                both = bits(own.run(row["file"]).logits), bits(waits.run(row["file"]).logits)
                found.setdefault(row["file"], []).append(both)
        except BaseException:
            failures.append(traceback.format_exc())

    threads = [threading.Thread(target=work, args=(i, own)) for i, own in enumerate(shared)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    for row in rows:
        want = bits(array.array("f", row["logits"]))
        assert found[row["file"]] == [(want, want)] * 4


passed = failed = 0
for name, test in list(globals().items()):
    if not name.startswith("test_"):
        continue
    try:
        test()
        passed += 1
    except BaseException:
        failed += 1
        print("FAILED: the Python module, {} NumPy: {}: {}".format(NUMPY, name, traceback.format_exc().replace("\n", " | ")))
print("{} passed, {} failed".format(passed, failed))
