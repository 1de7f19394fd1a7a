"""Inference on many images and videos with one inferencer; a bad file does not stop the others."""
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from mmpose_integral.apis.media import Frame, Media, chunks, is_camera, read_picture
from mmpose_integral.apis.person_boxes import check_boxes
from mmpose_integral.apis.result_files import ResultFiles
from mmpose_integral.cli.command_inputs import file_names
from mmpose_integral.cli.exports import FrameResult, make_table, people_arrays
from mmpose_integral.utils.progress import progress_bar

# File in the folder of the predictions. It has one line per image: the stem of its JSON file, and its fingerprint.
DONE_FILE = '.images.jsonl'


class _Item(NamedTuple):
    """An image that has been read; ``number`` is its index in the inputs, ``name`` the name of its files."""
    number: int
    path: str
    name: str
    frame: Frame


class BatchRun:
    """One run over inputs; results so far are available at any time, also after Ctrl-C.

    Args:
        inferencer (IntegralPose3DInferencer): Model with its detector.
        call (dict): Further keyword arguments of its calls.
        vis_out_dir, pred_out_dir (str): Folders for pictures and JSON files; '' for none.
        batch_size (int): Number of images or frames per batch; always 1 for a camera.
        smooth (bool): Whether to smooth videos and cameras, see :class:`IntegralPose3DInferencer`.
        skip_done (bool): Whether to read existing JSON files instead of predicting their images again.
        collect (bool): Whether to keep all results for :meth:`table`.
        say (callable): Function that prints a message (str).
        progress (bool | None): Whether to show a progress bar on stderr; None shows it on a terminal only.

    Attributes:
        images, image_people, empty_images (int): Number of finished images, of people in them, and of images without
            a person.
        videos, frames, poses, empty_frames, empty_videos (int): The same counts for videos; a pose is one person in
            one frame.
        skipped, failed (int): Number of images finished earlier, and of images and videos that failed.
    """

    def __init__(self, inferencer, call, vis_out_dir='', pred_out_dir='', batch_size=1, smooth=False, skip_done=False,
                 collect=False, say=print, progress=None):
        self.inferencer, self.call, self.batch_size, self.smooth = inferencer, call, batch_size, smooth
        self.vis_out_dir, self.pred_out_dir = vis_out_dir, pred_out_dir
        self.skip_done, self.say, self.progress = skip_done, say, progress
        self._collected = [] if collect else None
        self.images = self.image_people = self.empty_images = self.skipped = self.failed = 0
        self.videos = self.frames = self.poses = self.empty_frames = self.empty_videos = 0
        self._done = self._read_done() if skip_done else {}
        self._start = time.monotonic()

    def look_at(self, inputs):
        """Process the images in batches, then one video after another.

        Args:
            inputs (Inputs): Result of :func:`mmpose_integral.cli.command_inputs.find_inputs`.

        Raises:
            ValueError: If :func:`mmpose_integral.cli.command_inputs.file_names` rejects the names.
            OSError: If a file cannot be written.
        """
        names = file_names(inputs)
        if inputs.images:
            self._look_at_images(inputs.images, names)
        for number, video in enumerate(inputs.videos, len(inputs.images)):
            try:
                self._look_at_video(number, video)
            except (ValueError, OSError) as error:
                self._fail(video, error)

    def table(self) -> dict[str, np.ndarray]:
        """All people found so far as :func:`mmpose_integral.cli.exports.make_table`; images come before videos."""
        # Sorting is needed because images that were done earlier are collected before the rest of their batch.
        return make_table([frame for _, frame in sorted(self._collected, key=lambda entry: entry[0])])

    def summary(self) -> str:
        """Counts of the run in one line."""
        parts = []
        if self.images or not self.videos:
            earlier = f', {self.skipped} of them done earlier' if self.skipped else ''
            parts.append(f'{_count(self.images, "image")} ({_count(self.image_people, "person", "people")}, '
                         f'{self.empty_images} without anybody{earlier})')
        if self.videos:
            parts.append(f'{_count(self.videos, "video")} ({_count(self.frames, "frame")}, '
                         f'{_count(self.poses, "pose")}, {self.empty_frames} without anybody)')
        return f'{", ".join(parts)}, {self.failed} failed, {time.monotonic() - self._start:.1f} s'

    def nobody(self, strict: bool = False) -> bool:
        """Whether no person was found in any input; with ``strict``, whether an image or a video has none."""
        if strict and (self.empty_images or self.empty_videos):
            return True
        return not (self.image_people or self.poses)

    def _look_at_images(self, paths, names):
        with ResultFiles(self.vis_out_dir, self.pred_out_dir, Media(paths)) as files, \
                self._bar(len(paths), 'Images', 'image') as bar:
            for batch in chunks(self._readable(paths, names, bar), self.batch_size):
                for item, result in self._predict(batch):
                    people = result['predictions'][0]
                    picture = result['visualization'][0] if self.vis_out_dir else None
                    files.add(item.name, 0, picture, people)
                    self._note_done(item.path, item.name)
                    self._note_image(item.number, item.path, people)
                bar.update(len(batch))

    def _readable(self, paths, names, bar):
        """Yield the images one by one, without those that are done or cannot be read."""
        for number, (path, name) in enumerate(zip(paths, names, strict=True)):
            people = self._done_earlier(path, name)
            if people is not None:
                self.skipped += 1
                self._note_image(number, path, people)
                bar.update()
                continue
            try:
                frame = read_picture(path)
                if 'bboxes' in self.call:
                    check_boxes(self.call['bboxes'], frame.image, path)
            except (ValueError, OSError) as error:
                self._fail(path, error)
                bar.update()
                continue
            yield _Item(number, path, name, frame)

    def _done_earlier(self, path, name):
        """Return the people in the JSON file of an image; None without a valid file of this image."""
        if not self.skip_done or self._done.get(Path(name).stem) != fingerprint(path):
            return None
        try:
            people = json.loads((Path(self.pred_out_dir) / f'{Path(name).stem}.json').read_text())
            people_arrays(people)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return people

    def _read_done(self):
        """Read the fingerprint of each JSON file's image, by stem; incomplete lines of a killed run are ignored."""
        done = {}
        with contextlib.suppress(OSError):
            for line in (Path(self.pred_out_dir) / DONE_FILE).read_text().splitlines():
                with contextlib.suppress(ValueError):
                    stem, *image = json.loads(line)
                    done[stem] = image
        return done

    def _note_done(self, path, name):
        if self.pred_out_dir and Path(path).is_file():
            with open(Path(self.pred_out_dir) / DONE_FILE, 'a') as file:
                file.write(json.dumps([Path(name).stem, *fingerprint(path)]) + '\n')

    def _predict(self, batch):
        """Yield (item, result) of a batch; if the batch fails, its images are predicted one by one."""
        try:
            results = list(self.inferencer([item.frame.image for item in batch], batch_size=len(batch),
                                           return_vis=bool(self.vis_out_dir), **self.call))
        except (ValueError, cv2.error) as error:
            if len(batch) == 1:
                self._fail(batch[0].path, error)
            else:
                for item in batch:
                    yield from self._predict([item])
            return
        yield from zip(batch, results, strict=True)

    def _note_image(self, number, path, people):
        self.images += 1
        self.image_people += len(people)
        if not people:
            self.empty_images += 1
            self.say(f'{path}: nobody found')
        self._collect(number, path, 0, float('nan'), people)

    def _look_at_video(self, number, path):
        camera = is_camera(path)
        # A URL would be fetched twice, and a camera can be opened only once.
        media = None if camera or '://' in path else Media(path)
        step_s = 1 / media.fps if media is not None and media.fps > 0 else float('nan')
        results = self.inferencer(path, batch_size=1 if camera else self.batch_size, vis_out_dir=self.vis_out_dir,
                                  pred_out_dir=self.pred_out_dir, smooth=self.smooth, **self.call)
        seen = found = 0
        with contextlib.closing(results), self._bar(media and media.count, Path(path).name, 'frame') as bar:
            try:
                for frame_id, result in enumerate(results):
                    people = result['predictions'][0]
                    seen, found, self.empty_frames = seen + 1, found + len(people), self.empty_frames + (not people)
                    self._collect(number, path, frame_id, frame_id * step_s, people)
                    bar.update()
            finally:
                self.frames, self.poses, self.videos = self.frames + seen, self.poses + found, self.videos + (seen > 0)
                self.empty_videos += seen > 0 and not found
        if not found:
            self.say(f'{path}: nobody found in any frame')

    def _collect(self, number, path, frame_id, time_s, people):
        if self._collected is not None:
            self._collected.append((number, FrameResult(str(path), frame_id, time_s, people_arrays(people))))

    def _fail(self, path, error):
        self.failed += 1
        self.say(str(error) if str(path) in str(error) else f'{path}: {error}')

    def _bar(self, total, title, unit):
        show = sys.stderr.isatty() if self.progress is None else self.progress
        return progress_bar(title=title, unit=unit, total=total, disable=not show)


def fingerprint(path):
    """Return what identifies an image file and its version: absolute path, size, and modification time."""
    path = Path(path)
    state = path.stat() if path.is_file() else None
    return [str(path.absolute()), state and state.st_size, state and state.st_mtime_ns]


def _count(number, one, many=None):
    return f'{number} {one if number == 1 else many or one + "s"}'
