"""Frames of video files, cameras and live streams, upright and with the times of the stream."""
import contextlib
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from mmpose_integral.utils.errors import without_password
from mmpose_integral.utils.files import utf8_name

from .addresses import VIDEO_LIMITS, escaped, fetched, local_path, name_of_address, scheme_of

STREAM_TIMEOUT_S = 15
"""Longest time without data from a live stream, s."""

# Damaged frames in a row after which a video counts as ended. Reading goes on where a later frame can be decoded.
_MOST_DAMAGED = 300
_CAMERA = re.compile(r'webcam(?::(\d+))?', re.IGNORECASE)


class Video:
    """Frames of a video file or its URL, of a camera, 'webcam[:N]', or of a live stream such as rtsp://.

    Args:
        source: File, URL, address of a stream, or 'webcam[:N]'.
        is_stream: Whether it is the address of a live stream; see :func:`mmpose_integral.apis.file_kinds.kind_of`.

    Attributes:
        is_camera: Whether it is a camera of this machine.
        is_live: Whether frames come in real time, from a camera or a live stream.
        name: File name, which also names the outputs.
        fps: Mean number of frames per second; 25 if unknown.
        count: Number of frames that the file states, which may be wrong; None if unknown.
        is_silent: Whether a live stream was left because no data came for :data:`STREAM_TIMEOUT_S`.
        decoded, damaged: Number of frames so far, and of those between them that could not be decoded.

    Raises:
        OSError, ValueError: If the source cannot be opened, or has no frame.
    """

    def __init__(self, source: str, is_stream: bool = False) -> None:
        camera = _CAMERA.fullmatch(source)
        self.source, self.is_camera = source, camera is not None
        self.is_live = self.is_camera or is_stream
        self.decoded, self.damaged, self.is_silent = 0, 0, False
        if camera is not None:
            self.name, self._capture = 'webcam.mp4', cv2.VideoCapture(int(camera[1] or 0))
            if not self._capture.isOpened():
                raise OSError(f'{source}: the camera cannot be opened; is it connected, and not in use elsewhere?')
        else:
            self._open(source)
        fps, stated = self._capture.get(cv2.CAP_PROP_FPS), self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.fps = fps if 0 < fps < 1000 else 25.0  # NaN and the ticks of some containers are no frame rates
        self.count = int(stated) if not self.is_live and 1 <= stated < math.inf else None

    def _open(self, source: str) -> None:
        if self.is_live:
            self.name, timeout = f'{Path(name_of_address(source)).stem}.mp4', STREAM_TIMEOUT_S * 1000
            self._capture = cv2.VideoCapture(escaped(source), cv2.CAP_FFMPEG, [
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout])
            if not self._capture.isOpened():
                raise OSError(f'{without_password(source)}: the stream cannot be opened; is it running, and is the '
                              'address right?')
            return
        with contextlib.ExitStack() as files:  # the file stays open when its name is gone
            if scheme_of(source):
                self.name, path = name_of_address(source), files.enter_context(fetched(source, VIDEO_LIMITS))
            else:
                path = local_path(source)
                self.name = path.name
            self._capture = cv2.VideoCapture(files.enter_context(utf8_name(path)))
        if not self._capture.isOpened():
            raise ValueError(f'{without_password(source)} cannot be decoded as a video')
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # turn the frames of phones upright

    def __iter__(self) -> Iterator[tuple[np.ndarray, float]]:
        """Yield each frame, (H, W, 3) uint8 BGR, and its time, s from the start of the video, which always increases.

        Damaged frames are left out.
        """
        last, start = -math.inf, time.monotonic()
        try:
            for image, failures in self._decode():
                # The true frame rate of a camera depends on how fast its frames are read.
                stated = time.monotonic() - start if self.is_live else self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                # Some containers have no times, and damaged ones wrong times.
                last = stated if last < stated < math.inf else max(last, 0) + (1 + failures) / self.fps
                self.decoded, self.damaged = self.decoded + 1, self.damaged + failures
                yield image, last
        finally:
            self._capture.release()
        if not self.decoded:
            raise ValueError(f'{self.name}: no frame could be decoded')

    def _decode(self) -> Iterator[tuple[np.ndarray, int]]:
        """Yield each frame, and the number of frames before it that could not be decoded."""
        failures = 0
        while failures <= (0 if self.is_live else _MOST_DAMAGED):
            start = time.monotonic()
            found, image = self._capture.read()
            if self.is_live and time.monotonic() - start >= STREAM_TIMEOUT_S:
                self.is_silent = True  # FFmpeg may still have frames, but would give each after another timeout
                return
            if found:
                yield image, failures
            failures = 0 if found else failures + 1

    def loss(self) -> str:
        """Sentence about what is missing, after the last frame; '' if nothing is."""
        if self.is_silent:
            return f'no data for {STREAM_TIMEOUT_S} s; reading has ended'
        expected = max(self.count or 0, self.decoded + self.damaged)
        if self.decoded == expected or self.is_live:
            return ''
        return f'{self.decoded} of {expected} frames could be decoded; ' + (
            'the others are damaged' if self.damaged else 'others are missing, or the file states a wrong number')


def is_camera(item: str) -> bool:
    """Whether an input is 'webcam' or 'webcam:N'."""
    return _CAMERA.fullmatch(item) is not None
