"""Speech emotion recognition with WavLM on the CPU: the C library libwavlm (wlm.h) for Python.

    import wavlm

    with wavlm.Model("wavlm-large-emotion", threads=2) as model:
        result = model.run("call.wav")
        print(result.label, result.scores)                   # "angry" {"angry": 0.81, ...}
        vector = model.run("call.wav", embeddings=True).embedding

Audio is a path, an Audio, or samples: mono, 16 kHz, floating-point numbers between -1 and 1, as a NumPy array, an array.array,
a memoryview or a list. Where NumPy can be imported, arrays are numpy.ndarray of float32; else memoryviews of format "f" with
the same shape. Contiguous float32 is used where it lies, and results are not copied out of the library either: they stay as
long as an array of them is there.

A Model is used by one thread at a time; others wait. For several at once give each its own, by Model.share(): they share
the weights, and Python's lock is free while they run. Ctrl-C, and an exception in `progress`, end a run between two layers.

The library is looked for where WLM_LIBRARY names it, else beside this file, in the lib folders of the prefix that it lies in,
and where the system finds libraries. No package is needed; Python 3.8 or later.
"""

from __future__ import annotations

import array
import ctypes
import os
import threading
import weakref
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Type, Union

try:
    import numpy
except ImportError:
    numpy = None  # type: ignore[assignment]

__all__ = [
    "Audio", "Cancel", "Cancelled", "FileError", "FormatError", "MismatchError", "MissingError", "Model", "OutOfMemory",
    "Result", "SAMPLE_RATE", "Stream", "UnsupportedError", "UsageError", "WavlmError", "version",
]
__version__ = "0.1.0"

SAMPLE_RATE = 16000
"""Samples a second of all audio here."""

Array = Any
"""numpy.ndarray of float32, or without NumPy a memoryview of format "f", of the same shape."""
Samples = Any
"""What holds floating-point numbers one after the other: an array, a buffer, a sequence."""
Source = Union[str, "os.PathLike[str]", "Audio", Samples]
"""A recording: a path, an Audio, or its samples."""


# ---- Errors ----------------------------------------------------------------------------------------------------------


class WavlmError(Exception):
    """What the library reports. `status` is its wlm_status; the text names the file or tensor, what was expected and what
    was found."""

    status = -1


class OutOfMemory(WavlmError, MemoryError):
    """Out of memory; what was open before is as it was, and smaller batches may still fit."""

    status = 1


class FileError(WavlmError, OSError):
    """A file cannot be opened, read or mapped."""

    status = 2


class FormatError(WavlmError, ValueError):
    """A file is not what its format allows."""

    status = 3


class MissingError(WavlmError, FileNotFoundError):
    """Something required is not there: a file, or a tensor or field in one."""

    status = 4


class MismatchError(WavlmError, ValueError):
    """Something has another shape, type or value than expected."""

    status = 5


class UnsupportedError(WavlmError, ValueError):
    """Valid, but nothing that the library does."""

    status = 6


class UsageError(WavlmError, ValueError):
    """Something impossible was asked for, such as a label for audio that is too short."""

    status = 7


class Cancelled(WavlmError):
    """Cancel.request ended the run."""

    status = 8


_ERRORS: Dict[int, Type[WavlmError]] = {
    kind.status: kind
    for kind in (OutOfMemory, FileError, FormatError, MissingError, MismatchError, UnsupportedError, UsageError, Cancelled)
}


# ---- The library -----------------------------------------------------------------------------------------------------


class _Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("message", ctypes.c_char * 1024)]


class _Options(ctypes.Structure):
    _fields_ = [
        ("threads", ctypes.c_size_t), ("cpu", ctypes.c_char_p), ("precision", ctypes.c_char_p), ("allow_bf16", ctypes.c_int),
        ("reserved", ctypes.c_size_t * 8),
    ]


class _Input(ctypes.Structure):
    _fields_ = [
        ("samples", ctypes.c_void_p), ("count", ctypes.c_size_t), ("gender", ctypes.c_char_p), ("text", ctypes.c_void_p),
        ("reserved", ctypes.c_size_t * 4),
    ]


_Progress = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_double)


class _RunOptions(ctypes.Structure):
    _fields_ = [
        ("flags", ctypes.c_uint), ("layers", ctypes.POINTER(ctypes.c_size_t)), ("layer_count", ctypes.c_size_t),
        ("cancel", ctypes.c_void_p), ("progress", _Progress), ("progress_arg", ctypes.c_void_p),
        ("reserved", ctypes.c_size_t * 8),
    ]


class _StreamOptions(ctypes.Structure):
    _fields_ = [
        ("segment", ctypes.c_double), ("hop", ctypes.c_double), ("shortest", ctypes.c_double), ("batch", ctypes.c_double),
        ("gender", ctypes.c_char_p), ("text", ctypes.c_void_p), ("run", ctypes.POINTER(_RunOptions)),
        ("reserved", ctypes.c_size_t * 8),
    ]


_HIDDEN_STATES, _EACH, _EMBEDDINGS = 1, 2, 4

_P, _SIZE, _INT, _TEXT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_char_p
_OUT, _SIZES, _ERR = ctypes.POINTER(_P), ctypes.POINTER(_SIZE), ctypes.POINTER(_Error)
_FUNCTIONS: Dict[str, Tuple[Any, Tuple[Any, ...]]] = {
    "wlm_version": (_TEXT, ()),
    "wlm_model_open": (_INT, (_TEXT, ctypes.POINTER(_Options), _OUT, _ERR)),
    "wlm_model_share": (_INT, (_P, ctypes.POINTER(_Options), _OUT, _ERR)),
    "wlm_model_close": (None, (_P,)),
    "wlm_model_labels": (_SIZE, (_P,)),
    "wlm_model_label": (_TEXT, (_P, _SIZE)),
    "wlm_model_is_regression": (_INT, (_P,)),
    "wlm_model_wants_gender": (_INT, (_P,)),
    "wlm_model_text_size": (_SIZE, (_P,)),
    "wlm_model_min_samples": (_SIZE, (_P,)),
    "wlm_model_frames": (_SIZE, (_P, _SIZE)),
    "wlm_model_states": (_SIZE, (_P,)),
    "wlm_model_width": (_SIZE, (_P,)),
    "wlm_model_embedding_size": (_SIZE, (_P,)),
    "wlm_model_cpu": (_TEXT, (_P,)),
    "wlm_model_precision": (_TEXT, (_P,)),
    "wlm_model_threads": (_SIZE, (_P,)),
    "wlm_model_note": (_TEXT, (_P,)),
    "wlm_audio_read": (_INT, (_TEXT, _OUT, _ERR)),
    "wlm_audio_free": (None, (_P,)),
    "wlm_audio_channels": (_SIZE, (_P,)),
    "wlm_audio_count": (_SIZE, (_P,)),
    "wlm_audio_samples": (_P, (_P, _SIZE)),
    "wlm_audio_mix": (None, (_P,)),
    "wlm_run_with": (_INT, (_P, _SIZE, ctypes.POINTER(_Input), ctypes.POINTER(_RunOptions), _OUT, _ERR)),
    "wlm_cancel_new": (_INT, (_OUT, _ERR)),
    "wlm_cancel_free": (None, (_P,)),
    "wlm_cancel_request": (None, (_P,)),
    "wlm_cancel_reset": (None, (_P,)),
    "wlm_result_free": (None, (_P,)),
    "wlm_result_count": (_SIZE, (_P,)),
    "wlm_result_status": (_INT, (_P, _SIZE, _ERR)),
    "wlm_result_span": (None, (_P, _SIZE, _SIZES, _SIZES)),
    "wlm_result_logits": (_P, (_P, _SIZE)),
    "wlm_result_scores": (_P, (_P, _SIZE)),
    "wlm_result_best": (_SIZE, (_P, _SIZE)),
    "wlm_result_embedding": (_P, (_P, _SIZE, _SIZES)),
    "wlm_result_hidden_states": (_P, (_P, _SIZE, _SIZES, _SIZES, _SIZES)),
    "wlm_stream_open": (_INT, (_P, ctypes.POINTER(_StreamOptions), _OUT, _ERR)),
    "wlm_stream_close": (None, (_P,)),
    "wlm_stream_push": (_INT, (_P, _P, _SIZE, _ERR)),
    "wlm_stream_finish": (None, (_P,)),
    "wlm_stream_take": (_INT, (_P, _OUT, _ERR)),
}


def _places() -> Iterator[str]:
    """Where the library may lie, likely places first."""
    named = os.environ.get("WLM_LIBRARY")
    if named:
        yield named
        return
    soname = "libwavlm.so." + __version__.split(".")[0]
    libraries = ["", "lib", os.path.join("lib", os.uname().machine + "-linux-gnu"), "lib64"]
    folder = os.path.dirname(os.path.realpath(__file__))
    while True:
        for library in libraries:
            path = os.path.join(folder, library, soname)
            if os.path.exists(path):
                yield path
        if os.path.dirname(folder) == folder:
            break
        folder = os.path.dirname(folder)
    yield soname


def _load() -> ctypes.CDLL:
    found: List[str] = []
    for path in _places():
        try:
            library = ctypes.CDLL(path)
            for name, (result, arguments) in _FUNCTIONS.items():
                function = getattr(library, name)
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError) as error:
            found.append("{}: {}".format(path, error))
            continue
        return library
    raise ImportError("libwavlm cannot be loaded (WLM_LIBRARY may name it): " + "; ".join(found))


_library = _load()


def version() -> str:
    """The library's version."""
    return _library.wlm_version().decode()


def _error(err: _Error) -> WavlmError:
    kind = _ERRORS.get(err.status, WavlmError)
    error = kind(err.message.decode(errors="replace"))
    error.status = err.status
    return error


def _make(function: Any, *arguments: Any) -> Optional[int]:
    """What a function hands out through its last two arguments, out and err; raises the error that it reports."""
    out, err = _P(), _Error()
    if function(*arguments, ctypes.byref(out), ctypes.byref(err)):
        raise _error(err)
    return out.value


class _Handle:
    """A handle of the library, freed when nobody holds it any more, or by close."""

    def __init__(self, pointer: Optional[int], free: Any, what: str) -> None:
        self._pointer, self._what = pointer, what
        self._free = weakref.finalize(self, free, pointer)

    @property
    def pointer(self) -> int:
        if not self._free.alive or self._pointer is None:
            raise ValueError("the {} is closed".format(self._what))
        return self._pointer

    def close(self) -> None:
        self._free()


# ---- Numbers in and out ----------------------------------------------------------------------------------------------


def _floats(values: Samples, what: str) -> Tuple[Any, int, int]:
    """Numbers as float32 one after the other: who holds them, address, count. A view where they are that already."""
    if numpy is not None and hasattr(values, "__array__"):
        given = numpy.asarray(values)
        if given.dtype.kind != "f":
            raise TypeError("{} of {}: expected floating-point numbers{}".format(what, given.dtype, _hint(what)))
        if given.ndim != 1:
            raise ValueError("{} of shape {}: expected one dimension".format(what, given.shape))
        held = numpy.ascontiguousarray(given, dtype=numpy.float32)
        return held, held.ctypes.data, held.size
    if not isinstance(values, (list, tuple)):
        try:
            view = memoryview(values)
        except TypeError:
            view = None
        if view is not None:
            return _buffer(view, what)
    copy = array.array("f", values)
    return copy, copy.buffer_info()[0], len(copy)


def _hint(what: str) -> str:
    return " between -1 and 1 (16-bit integers: divide by 32768)" if what == "samples" else ""


def _buffer(view: memoryview, what: str) -> Tuple[Any, int, int]:
    kind = view.format.lstrip("@=<")
    if kind not in ("e", "f", "d"):
        raise TypeError("{} of format {!r}: expected floating-point numbers{}".format(what, view.format, _hint(what)))
    if view.ndim != 1:
        raise ValueError("{} of shape {}: expected one dimension".format(what, view.shape))
    if kind == "f" and view.c_contiguous and not view.readonly:
        held = (ctypes.c_float * len(view)).from_buffer(view)
        return held, ctypes.addressof(held), len(view)
    copy = array.array("f")
    if kind == "f":
        copy.frombytes(view.tobytes())
    else:
        copy.extend(view.tolist())
    return copy, copy.buffer_info()[0], len(copy)


def _array(owner: Any, address: int, shape: Sequence[int]) -> Array:
    """The library's memory, which owner holds, as an array of that shape."""
    count = 1
    for size in shape:
        count *= size
    raw = (ctypes.c_float * count).from_address(address)
    raw._owner = owner  # type: ignore[attr-defined]
    if numpy is not None:
        return numpy.frombuffer(raw, dtype=numpy.float32, count=count).reshape(shape)
    return memoryview(raw).cast("B").cast("f", list(shape))


# ---- Audio -----------------------------------------------------------------------------------------------------------


class Audio:
    """A recording, decoded and resampled to 16 kHz: WAV by the library, everything else by ffmpeg where it is installed.

    mix: several channels become one, their mean; else `channel(i)` gives each."""

    def __init__(self, path: Union[str, "os.PathLike[str]"], *, mix: bool = True) -> None:
        pointer = _make(_library.wlm_audio_read, os.fsencode(path))
        self._handle = _Handle(pointer, _library.wlm_audio_free, "recording")
        if mix:
            _library.wlm_audio_mix(self._handle.pointer)

    @property
    def channels(self) -> int:
        """How many there are, at least 1."""
        return _library.wlm_audio_channels(self._handle.pointer)

    def __len__(self) -> int:
        """Samples of a channel."""
        return _library.wlm_audio_count(self._handle.pointer)

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self) / SAMPLE_RATE

    def channel(self, i: int) -> Array:
        """Samples of channel i, from 0: [len(self)], not copied."""
        address = _library.wlm_audio_samples(self._handle.pointer, i) if 0 <= i < self.channels else None
        if not address:
            raise IndexError("channel {} of {}".format(i, self.channels))
        return _array(self._handle, address, [len(self)])

    @property
    def samples(self) -> Array:
        """Samples of a recording with one channel."""
        if self.channels != 1:
            raise ValueError("{} channels: choose one by channel(i), or read with mix=True".format(self.channels))
        return self.channel(0)


def _samples(source: Source) -> Tuple[Any, int, int]:
    if isinstance(source, (str, os.PathLike)):
        source = Audio(source)
    return _floats(source.samples if isinstance(source, Audio) else source, "samples")


# ---- Running ---------------------------------------------------------------------------------------------------------


class Cancel:
    """Ends runs from another thread: give it to Model.run, and call request()."""

    def __init__(self) -> None:
        self._handle = _Handle(_make(_library.wlm_cancel_new), _library.wlm_cancel_free, "cancel")

    def request(self) -> None:
        """Runs with it raise Cancelled, also those that begin later, until reset()."""
        _library.wlm_cancel_request(self._handle.pointer)

    def reset(self) -> None:
        """Runs that begin from now on are not cancelled."""
        _library.wlm_cancel_reset(self._handle.pointer)


class _Run:
    """A wlm_run_options, with all that it points to."""

    def __init__(self, model: "Model", embeddings: bool, hidden_states: Union[bool, Iterable[int]], each: bool,
                 cancel: Optional[Cancel], progress: Optional[Callable[[float], None]]) -> None:
        self._cancel, self._own, self._progress = cancel or Cancel(), cancel is None, progress
        self._failure: List[BaseException] = []
        self._callback = _Progress(self._tell)
        self.options = o = _RunOptions()
        o.flags = (_EMBEDDINGS if embeddings else 0) | (_EACH if each else 0)
        o.cancel, o.progress = self._cancel._handle.pointer, self._callback
        if hidden_states is True:
            o.flags |= _HIDDEN_STATES
        elif hidden_states is not False:
            chosen = [layer + model.states if layer < 0 else layer for layer in hidden_states]
            for layer in chosen:
                if not 0 <= layer < model.states:
                    raise UsageError("hidden state {} was asked for; the model has 0 to {}".format(layer, model.states - 1))
            if chosen:
                o.flags |= _HIDDEN_STATES
                o.layers, o.layer_count = (_SIZE * len(chosen))(*chosen), len(chosen)

    def _tell(self, _: Any, share: float) -> None:
        # Here Python also notices Ctrl-C.
        try:
            if self._progress is not None and not self._failure:
                self._progress(share)
        except BaseException as error:
            self._failure.append(error)
            self._cancel.request()

    def finish(self, err: Optional[WavlmError]) -> None:
        """Raises what ended the run: an exception of the caller's, else err."""
        if self._failure:
            if self._own:
                self._cancel.reset()
            failure, self._failure = self._failure[0], []
            raise failure
        if err is not None:
            raise err


class Result:
    """What a run gave of one recording, or of one window of a stream.

    error: why there is nothing, of a run with each=True or a stream; else None. start, end: where it lies, in seconds."""

    def __init__(self, model: "Model", handle: Optional[_Handle], u: int, error: Optional[WavlmError] = None) -> None:
        self._labels, self._regression = model.labels, model.regression
        self._handle, self._u, self.error = handle, u, error
        self.start, self.end = 0.0, 0.0
        if handle is None:
            return
        begin, end, err = _SIZE(), _SIZE(), _Error()
        _library.wlm_result_span(handle.pointer, u, ctypes.byref(begin), ctypes.byref(end))
        self.start, self.end = begin.value / SAMPLE_RATE, end.value / SAMPLE_RATE
        if _library.wlm_result_status(handle.pointer, u, ctypes.byref(err)):
            self.error = _error(err)

    def _numbers(self, function: Any, sizes: int, shape: Optional[Sequence[int]] = None) -> Optional[Array]:
        if self._handle is None:
            return None
        found = [_SIZE() for _ in range(sizes)]
        address = function(self._handle.pointer, self._u, *[ctypes.byref(size) for size in found])
        return _array(self._handle, address, shape or [size.value for size in found]) if address else None

    @property
    def logits(self) -> Optional[Array]:
        """The raw outputs [labels]; None for a model without a head."""
        return self._numbers(_library.wlm_result_logits, 0, [len(self._labels)])

    @property
    def values(self) -> Optional[Array]:
        """The probabilities, or of a regression the values [labels], in the order of Model.labels."""
        return self._numbers(_library.wlm_result_scores, 0, [len(self._labels)])

    @property
    def scores(self) -> Dict[str, float]:
        """The same by name; empty for a model without a head."""
        values = self.values
        return {} if values is None else dict(zip(self._labels, values.tolist()))

    @property
    def label(self) -> Optional[str]:
        """The most probable class; None for a regression, and for a model without a head."""
        if self._handle is None or self.values is None or self._regression:
            return None
        return self._labels[_library.wlm_result_best(self._handle.pointer, self._u)]

    @property
    def score(self) -> Optional[float]:
        """The probability of `label`."""
        values = self.values
        return None if values is None or self._regression else max(values.tolist())

    @property
    def embedding(self) -> Optional[Array]:
        """One vector for the whole of it [Model.embedding_size], what the classifier begins with (wlm_result_embedding in
        wlm.h); None unless embeddings=True."""
        return self._numbers(_library.wlm_result_embedding, 1)

    @property
    def hidden_states(self) -> Optional[Array]:
        """[states, frames, width] as Hugging Face defines them; None unless hidden_states was given."""
        return self._numbers(_library.wlm_result_hidden_states, 3)

    def __repr__(self) -> str:
        if self.error is not None:
            return "<wavlm.Result {:g}-{:g} s: {}>".format(self.start, self.end, self.error)
        return "<wavlm.Result {:g}-{:g} s: {}>".format(self.start, self.end, self.label or self.scores or "no head")


class Model:
    """A model: a folder as Hugging Face writes it (config.json beside model.safetensors or pytorch_model.bin), or a
    checkpoint file with its config.json beside it; Microsoft's WavLM-*.pt alone.

    threads: 0 for one a CPU. cpu: a kernel tier such as "avx2". precision: "f32", "bf16" or "int8". See wlm_options."""

    def __init__(self, path: Union[str, "os.PathLike[str]"], *, threads: int = 0, cpu: Optional[str] = None,
                 precision: Optional[str] = None, allow_bf16: bool = False) -> None:
        options = _Options(threads=threads, cpu=cpu.encode() if cpu else None,
                           precision=precision.encode() if precision else None, allow_bf16=int(allow_bf16))
        self._take(_make(_library.wlm_model_open, os.fsencode(path), ctypes.byref(options)))

    def _take(self, pointer: Optional[int]) -> None:
        self._handle = _Handle(pointer, _library.wlm_model_close, "model")
        self._lock, self._runs = threading.Lock(), 0
        count = _library.wlm_model_labels(self._handle.pointer)
        self.labels: List[str] = [_library.wlm_model_label(self._handle.pointer, i).decode() for i in range(count)]
        """Names of the outputs; empty for a backbone."""
        self.regression = bool(_library.wlm_model_is_regression(self._handle.pointer))
        """The outputs are values (arousal, dominance, valence), not classes."""

    def share(self, threads: int = 0) -> "Model":
        """Another Model on the same weights, for another thread; each may be closed when it likes."""
        options = _Options(threads=threads)
        model = type(self).__new__(type(self))
        model._take(_make(_library.wlm_model_share, self._handle.pointer, ctypes.byref(options)))
        return model

    def close(self) -> None:
        """Frees it; the last that shares the weights frees them. Results stay."""
        with _Exclusive(self):
            self._handle.close()

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<wavlm.Model {} labels, {}, {}, {} threads>".format(len(self.labels), self.precision, self.cpu, self.threads)

    @property
    def wants_gender(self) -> bool:
        """Every run needs a gender."""
        return bool(_library.wlm_model_wants_gender(self._handle.pointer))

    @property
    def text_size(self) -> int:
        """Size of the text embedding that every run needs; 0: none."""
        return _library.wlm_model_text_size(self._handle.pointer)

    @property
    def min_samples(self) -> int:
        """Fewest samples that give a result."""
        return _library.wlm_model_min_samples(self._handle.pointer)

    @property
    def states(self) -> int:
        """Hidden states there are: 0 is before the first layer, i after layer i."""
        return _library.wlm_model_states(self._handle.pointer)

    @property
    def width(self) -> int:
        """Width of hidden states."""
        return _library.wlm_model_width(self._handle.pointer)

    @property
    def embedding_size(self) -> int:
        """Size of embeddings."""
        return _library.wlm_model_embedding_size(self._handle.pointer)

    @property
    def cpu(self) -> str:
        """The kernel tier in use."""
        return _library.wlm_model_cpu(self._handle.pointer).decode()

    @property
    def precision(self) -> str:
        """What products are computed in: "f32", "bf16" or "int8"."""
        return _library.wlm_model_precision(self._handle.pointer).decode()

    @property
    def threads(self) -> int:
        """How many it runs on."""
        return _library.wlm_model_threads(self._handle.pointer)

    @property
    def note(self) -> Optional[str]:
        """Something to know about how the files were read; None when there is nothing."""
        note = _library.wlm_model_note(self._handle.pointer)
        return note.decode() if note else None

    def frames(self, samples: int) -> int:
        """Frames of hidden states that so many samples give."""
        return _library.wlm_model_frames(self._handle.pointer, samples)

    def run(self, audio: Source, *, gender: Optional[str] = None, text: Optional[Samples] = None, embeddings: bool = False,
            hidden_states: Union[bool, Iterable[int]] = False, cancel: Optional[Cancel] = None,
            progress: Optional[Callable[[float], None]] = None) -> Result:
        """Labels one recording.

        gender: "female" or "male", and text: an embedding [text_size], for a model that wants them. hidden_states: True for
        all, or which ones, negative from the end. progress is called with the share of the work that is done; an exception
        in it ends the run (and requests `cancel`, where one is given)."""
        return self.run_batch([audio], gender=gender, texts=None if text is None else [text], embeddings=embeddings,
                              hidden_states=hidden_states, cancel=cancel, progress=progress)[0]

    def run_batch(self, audios: Iterable[Source], *, gender: Union[None, str, Sequence[Optional[str]]] = None,
                  texts: Optional[Sequence[Optional[Samples]]] = None, embeddings: bool = False,
                  hidden_states: Union[bool, Iterable[int]] = False, each: bool = False, cancel: Optional[Cancel] = None,
                  progress: Optional[Callable[[float], None]] = None) -> List[Result]:
        """Labels several recordings as one batch, to the same bits as one by one. Memory grows with their seconds: some 30 s
        a batch are enough to be fast. gender: of all, or one for each; texts: one for each. each: a recording that cannot be
        read or labelled fails alone, with Result.error; else it fails the call."""
        audios = list(audios)
        genders = [gender] * len(audios) if gender is None or isinstance(gender, str) else list(gender)
        embedded = [None] * len(audios) if texts is None else list(texts)
        if len(genders) != len(audios) or len(embedded) != len(audios):
            raise ValueError("{} recordings, {} genders, {} texts".format(len(audios), len(genders), len(embedded)))
        run = _Run(self, embeddings, hidden_states, each, cancel, progress)
        inputs, held, place = (_Input * len(audios))(), [], []
        results: List[Optional[Result]] = [None] * len(audios)
        for i, audio in enumerate(audios):
            try:
                inputs[len(place)] = self._input(audio, genders[i], embedded[i], held)
            except WavlmError as error:
                if not each:
                    raise
                results[i] = Result(self, None, 0, error)
            else:
                place.append(i)
        with _Exclusive(self):
            handle = _result(run, _library.wlm_run_with, self._handle.pointer, len(place), inputs, ctypes.byref(run.options))
        for u, i in enumerate(place):
            results[i] = Result(self, handle, u)
        return [result for result in results if result is not None]

    def _input(self, audio: Source, gender: Optional[str], text: Optional[Samples], held: List[Any]) -> _Input:
        owner, address, count = _samples(audio)
        held.append(owner)
        return _Input(samples=address, count=count, gender=gender.encode() if gender else None,
                      text=None if text is None else _text(self, text, held))

    def stream(self, segment: float = 10, hop: Optional[float] = None, *, shortest: float = 0, batch: float = 0,
               gender: Optional[str] = None, text: Optional[Samples] = None, embeddings: bool = False,
               hidden_states: Union[bool, Iterable[int]] = False, cancel: Optional[Cancel] = None,
               progress: Optional[Callable[[float], None]] = None) -> "Stream":
        """A stream of windows of `segment` seconds, one every `hop` seconds (as long as the segment). See Stream."""
        return Stream(self, segment, segment if hop is None else hop, shortest, batch, gender, text,
                      _Run(self, embeddings, hidden_states, True, cancel, progress))


class _Exclusive:
    """A model for one thread: others wait, and who has it already (in `progress`) is told."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def __enter__(self) -> None:
        model = self._model
        if not model._lock.acquire(blocking=False):
            if model._runs == threading.get_ident():
                raise RuntimeError("the model runs: progress must not use it")
            model._lock.acquire()
        model._runs = threading.get_ident()

    def __exit__(self, *_: Any) -> None:
        self._model._runs = 0
        self._model._lock.release()


def _text(model: Model, text: Samples, held: List[Any]) -> int:
    owner, address, count = _floats(text, "a text embedding")
    if model.text_size and count != model.text_size:
        raise UsageError("a text embedding of {} numbers; the model expects {}".format(count, model.text_size))
    held.append(owner)
    return address


def _result(run: _Run, function: Any, *arguments: Any) -> Optional[_Handle]:
    pointer, failure = None, None
    try:
        pointer = _make(function, *arguments)
    except WavlmError as error:
        failure = error
    handle = _Handle(pointer, _library.wlm_result_free, "result") if pointer else None
    run.finish(failure)
    return handle


class Stream:
    """A recording that comes in pieces, labelled window by window, each as soon as it is complete:

        with model.stream(segment=10, hop=5) as stream:
            for piece in pieces:                 # samples, mono, 16 kHz
                stream.push(piece)
                for result in stream.take():
                    print(result.start, result.end, result.label)
            rest = stream.finish()

    Window k begins at k * hop. Samples at the end that no window has covered get one more, of `shortest` seconds at least
    (0: 1 s). A window has the bits that Model.run gives for its samples. A failed take loses no window."""

    def __init__(self, model: Model, segment: float, hop: float, shortest: float, batch: float, gender: Optional[str],
                 text: Optional[Samples], run: _Run) -> None:
        held: List[Any] = []
        options = _StreamOptions(segment=segment, hop=hop, shortest=shortest, batch=batch,
                                 gender=gender.encode() if gender else None, run=ctypes.pointer(run.options),
                                 text=None if text is None else _text(model, text, held))
        self._model, self._run = model, run
        self._ready: List[Result] = []  # of a take that failed after them
        pointer = _make(_library.wlm_stream_open, model._handle.pointer, ctypes.byref(options))
        self._handle = _Handle(pointer, _library.wlm_stream_close, "stream")

    def push(self, samples: Samples) -> None:
        """Adds samples, which are copied; runs nothing."""
        held, address, count = _floats(samples, "samples")
        err = _Error()
        if _library.wlm_stream_push(self._handle.pointer, address, count, ctypes.byref(err)):
            raise _error(err)

    def take(self) -> List[Result]:
        """Runs the windows that are complete by now; their results in order, [] when there is none."""
        while True:
            with _Exclusive(self._model):
                self._model._handle.pointer  # raises when the model is closed
                handle = _result(self._run, _library.wlm_stream_take, self._handle.pointer)
            if handle is None:
                results, self._ready = self._ready, []
                return results
            count = _library.wlm_result_count(handle.pointer)
            self._ready += [Result(self._model, handle, u) for u in range(count)]

    def finish(self) -> List[Result]:
        """Says that there are no more samples; the results of the rest."""
        _library.wlm_stream_finish(self._handle.pointer)
        return self.take()

    def close(self) -> None:
        """Frees it; results stay."""
        self._handle.close()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
