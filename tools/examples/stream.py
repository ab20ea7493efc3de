"""Labels live audio, a line every two seconds, each as soon as it can be known:

    arecord -q -f S16_LE -r 16000 -c 1 -t raw | python3 stream.py MODEL
    ffmpeg -v error -i talk.mkv -f s16le -ar 16000 -ac 1 - | python3 stream.py MODEL
"""

import array
import sys

import wavlm


def pieces(source, seconds=0.1):
    """Samples between -1 and 1 from 16-bit PCM."""
    held = b""
    while True:
        data = source.read(int(seconds * wavlm.SAMPLE_RATE) * 2)
        if not data:
            return
        held += data
        whole = len(held) - len(held) % 2
        numbers = array.array("h", held[:whole])
        held = held[whole:]
        if sys.byteorder == "big":
            numbers.byteswap()
        yield array.array("f", [x / 32768 for x in numbers])


def show(results):
    for result in results:
        print("{:8.2f} {:8.2f}  {}".format(result.start, result.end, result.error or result.label or result.scores), flush=True)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: stream.py MODEL <PCM")
    with wavlm.Model(sys.argv[1]) as model, model.stream(segment=4, hop=2) as stream:
        for piece in pieces(sys.stdin.buffer):
            stream.push(piece)
            show(stream.take())
        show(stream.finish())


main()
