"""espeak-ng in a process of its own: it is one synthesiser per process, and under the GPL.

Run as ``python -m realtime_host.voice_process``. Reads requests from standard input, one line of JSON each
(``{"text": "zhe4 ge5", "rate": 190}``, text in toned pinyin), and answers on standard output with the count of bytes as a line
of digits, then that many bytes of 16-bit mono samples. The first line it writes is its version and sample rate.
"""

from __future__ import annotations

import ctypes
import json
import sys

_RETRIEVAL = 1  # AUDIO_OUTPUT_RETRIEVAL: samples come to a callback
_UTF8 = 1
_RATE = 1  # espeakRATE, words a minute
_VOICE = b"cmn-latn-pinyin"

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Synthesiser:
    """The library, opened. Errors are ``RuntimeError`` with what to do."""

    def __init__(self) -> None:
        import espeakng_loader

        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        self._lib.espeak_Info.restype = ctypes.c_char_p
        self._lib.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p,
            ctypes.c_void_p,
        ]  # fmt: skip
        self.sample_rate = self._lib.espeak_Initialize(_RETRIEVAL, 0, espeakng_loader.get_data_path().encode(), 0)
        if self.sample_rate <= 0:
            raise RuntimeError("espeak-ng did not start; install the 'host' extra anew: pip install 'livetide[host]'")
        self._pieces: list[bytes] = []
        self._callback = _Callback(self._take)  # kept: the library holds only a pointer to it
        self._lib.espeak_SetSynthCallback(self._callback)
        if self._lib.espeak_SetVoiceByName(_VOICE) != 0:
            raise RuntimeError("espeak-ng has no Mandarin voice; install the 'host' extra anew: pip install 'livetide[host]'")

    @property
    def version(self) -> str:
        return str(self._lib.espeak_Info(None).decode())

    def _take(self, samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int | None) -> int:
        if samples and count > 0:
            self._pieces.append(ctypes.string_at(samples, count * 2))
        return 0

    def speak(self, text: str, rate: int) -> bytes:
        """Samples (16-bit mono) of a sentence in toned pinyin at ``rate`` words a minute."""
        self._pieces.clear()
        data = text.encode()
        self._lib.espeak_SetParameter(_RATE, rate, 0)
        if self._lib.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None) != 0:
            raise RuntimeError("espeak-ng refused the sentence")
        self._lib.espeak_Synchronize()
        return b"".join(self._pieces)


def main() -> None:
    voice = Synthesiser()
    out = sys.stdout.buffer
    out.write(json.dumps({"version": voice.version, "sample_rate": voice.sample_rate}).encode() + b"\n")
    out.flush()
    for line in sys.stdin:
        request = json.loads(line)
        samples = voice.speak(request["text"], request["rate"])
        out.write(b"%d\n" % len(samples))
        out.write(samples)
        out.flush()


if __name__ == "__main__":
    main()
