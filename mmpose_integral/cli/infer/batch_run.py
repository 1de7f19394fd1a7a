"""Inference on many images and videos with one inferencer; a bad file does not stop the others."""
import argparse
import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from mmpose_integral.apis import IntegralPose3DInferencer
from mmpose_integral.apis.addresses import local_path
from mmpose_integral.apis.media import Media
from mmpose_integral.apis.person_boxes import check_boxes
from mmpose_integral.apis.pictures import Frame, read_picture
from mmpose_integral.apis.result_files import ResultFiles
from mmpose_integral.cli.infer.command_inputs import Inputs, file_names
from mmpose_integral.formats.people_table import FrameResult, make_table, people_arrays
from mmpose_integral.utils.errors import named, printable, without_password
from mmpose_integral.utils.iteration import chunks
from mmpose_integral.utils.progress import progress_bar
from mmpose_integral.utils.reading import parse_json, read_json

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
        args: Arguments of the command; see :mod:`mmpose_integral.cli.infer.arguments`.
        inferencer: Inferencer with its detector.
        call: Keyword arguments of its calls, in addition to those that ``args`` determines here.
    """

    def __init__(self, args: argparse.Namespace, inferencer: IntegralPose3DInferencer, call: dict[str, Any]) -> None:
        self.args, self.inferencer, self.call = args, inferencer, call
        # Counts of finished 'images', 'image_people' in them, 'empty_images' without a person, and 'skipped' ones that
        # were finished earlier; of 'videos', 'frames', 'poses' (one person in one frame), 'empty_frames' and
        # 'empty_videos'; and of images and videos that 'failed'.
        self.counts: Counter[str] = Counter()
        self._collected: list[tuple[int, FrameResult]] = []
        self._done = self._read_done() if self.args.skip_done else {}
        self._start = time.monotonic()

    def process(self, inputs: Inputs) -> None:
        """Process the images in batches, then one video after another; ValueError if names clash."""
        names = file_names(inputs)
        if inputs.images:
            try:
                self._process_images(inputs.images, names)
            except OSError as error:
                self.fail('output', error)
        for number, video in enumerate(inputs.videos, len(inputs.images)):
            try:
                self._process_video(number, video)
            except (ValueError, OSError) as error:
                self.fail(video, error)

    def table(self) -> dict[str, np.ndarray]:
        """All people found so far, images before videos, as ``people_table.make_table`` arranges them."""
        # Sorting is needed because images that were done earlier are collected before the rest of their batch.
        return make_table([frame for _, frame in sorted(self._collected, key=lambda entry: entry[0])])

    def summary(self) -> str:
        """Counts of the run in one line."""
        count, parts = self.counts, []
        if count['images'] or not count['videos']:
            earlier = f', {count["skipped"]} of them done earlier' if count['skipped'] else ''
            parts.append(f'{_number(count["images"], "image")} ({_number(count["image_people"], "person", "people")}, '
                         f'{count["empty_images"]} without a person{earlier})')
        if count['videos']:
            parts.append(f'{_number(count["videos"], "video")} ({_number(count["frames"], "frame")}, '
                         f'{_number(count["poses"], "pose")}, {count["empty_frames"]} without a person)')
        return f'{", ".join(parts)}, {count["failed"]} failed, {time.monotonic() - self._start:.1f} s'

    def exit_status(self) -> int:
        """1 if an input failed; 3 if no person was found in any input, or, with --strict, in one of them; else 0."""
        count = self.counts
        one_is_empty = count['empty_images'] + count['empty_videos'] > 0
        no_person = self.args.strict and one_is_empty or count['image_people'] + count['poses'] == 0
        return 1 if count['failed'] else 3 if no_person else 0

    def _process_images(self, paths: list[str], names: Sequence[str]) -> None:
        with ResultFiles(self.args.vis_out_dir, self.args.pred_out_dir, Media(paths), names) as files, \
                self._bar(len(paths), 'Images', 'image') as bar:
            for batch in chunks(self._readable(paths, names, bar), self.args.batch_size):
                for item, result in self._predict(batch):
                    people = result['predictions'][0]
                    picture = result['visualization'][0] if self.args.vis_out_dir else None
                    files.add(item.number, picture, people)
                    if self.args.pred_out_dir and local_path(item.path).is_file():
                        # If this fails, as the JSON before it may, the image is predicted again.
                        with contextlib.suppress(OSError), \
                                open(Path(self.args.pred_out_dir) / DONE_FILE, 'a') as file:
                            file.write(json.dumps([Path(item.name).stem, *fingerprint(item.path)]) + '\n')
                    self._note_image(item.number, item.path, people)
                bar.update(len(batch))

    def _readable(self, paths: Sequence[str], names: Sequence[str], bar: tqdm) -> Iterator[_Item]:
        """Yield the images one by one, without those that are done or cannot be read."""
        for number, (path, name) in enumerate(zip(paths, names, strict=True)):
            people = self._done_earlier(path, name)
            if people is not None:
                self.counts['skipped'] += 1
                self._note_image(number, path, people)
                bar.update()
                continue
            try:
                frame = read_picture(path)
                if 'bboxes' in self.call:
                    check_boxes(self.call['bboxes'], frame.image, path)
            except (ValueError, OSError) as error:
                self.fail(path, error)
                bar.update()
            else:
                yield _Item(number, path, name, frame)

    def _done_earlier(self, path: str, name: str) -> list[dict] | None:
        """Return the people in the JSON file of an image; None without a valid file of this image."""
        if self._done.get(Path(name).stem) != fingerprint(path):
            return None
        try:
            people = read_json(Path(self.args.pred_out_dir) / f'{Path(name).stem}.json')
            people_arrays(people)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return people

    def _read_done(self) -> dict[str, list]:
        """Read the fingerprint of each JSON file's image, by stem; incomplete lines of a killed run are ignored."""
        done = {}
        with contextlib.suppress(OSError):
            for line in (Path(self.args.pred_out_dir) / DONE_FILE).read_text(errors='replace').splitlines():
                with contextlib.suppress(ValueError, TypeError):
                    stem, *image = parse_json(line)
                    done[stem] = image
        return done

    def _predict(self, batch: Sequence[_Item]) -> Iterator[tuple[_Item, dict]]:
        """Yield (item, result) of a batch; if the batch fails, its images are predicted one by one."""
        try:
            results = list(self.inferencer([item.frame for item in batch], batch_size=len(batch),
                                           return_vis=bool(self.args.vis_out_dir), **self.call))
        except (ValueError, cv2.error) as error:
            if len(batch) == 1:
                self.fail(batch[0].path, error)
            else:
                for item in batch:
                    yield from self._predict([item])
            return
        for item, result in zip(batch, results, strict=True):
            for reason in result.get('left_out', ()):
                self.fail(item.path, ValueError(reason))
            if 'error' in result:
                self.fail(item.path, ValueError(result['error']))
            else:
                yield item, result

    def _note_image(self, number: int, path: str, people: list[dict]) -> None:
        self.counts.update(images=1, image_people=len(people), empty_images=int(not people))
        if not people:
            say(f'{path}: no person found')
        self._collect(number, path, 0, float('nan'), people)

    def _process_video(self, number: int, path: str) -> None:
        media = Media(path)
        results = self.inferencer(media, batch_size=self.args.batch_size, vis_out_dir=self.args.vis_out_dir,
                                  pred_out_dir=self.args.pred_out_dir, smooth=self.args.smooth, **self.call)
        seen, found, lost = 0, 0, list[str]()
        with contextlib.closing(results), self._bar(media.count, media.name, 'frame') as bar:
            try:
                for seen, result in enumerate(results, 1):
                    people = result['predictions'][0]
                    found += len(people)
                    self.counts.update(frames=1, poses=len(people), empty_frames=int(not people))
                    self._collect(number, path, seen - 1, result['time_s'], people)
                    lost.extend(result.get('left_out', ()))
                    bar.update()
            finally:
                self.counts.update(videos=int(seen > 0), empty_videos=int(seen > 0 and not found))
        if not found:
            say(f'{path}: no person found in any frame')
        if lost:
            self.fail(path, ValueError(f'{_number(len(lost), "pose")} left out, first in {lost[0]}'))
        if media.video is not None and (loss := media.video.loss()):
            (self.fail if media.video.damaged else _note)(path, ValueError(loss))

    def _collect(self, number: int, path: str, frame_id: int, time_s: float, people: list[dict]) -> None:
        if self.args.csv or self.args.npz:
            result = FrameResult(without_password(str(path)), frame_id, time_s, people_arrays(people))
            self._collected.append((number, result))

    def fail(self, path: str, error: Exception) -> None:
        """Count an input or output that failed, and name it."""
        self.counts['failed'] += 1
        say(named(path, error))

    def _bar(self, total: int | None, title: str, unit: str) -> tqdm:
        return progress_bar(title=title, unit=unit, total=total, disable=self.args.no_progress)


def _note(path: str, error: Exception) -> None:
    say(named(path, error))


def say(message: object) -> None:
    """Print a message to stderr, above the progress bar."""
    tqdm.write(f'infer: {printable(message)}', file=sys.stderr)


def fingerprint(path: str | Path) -> list:
    """Return what identifies an image file and its version: absolute path, size, and modification time."""
    path = local_path(str(path))
    state = path.stat() if path.is_file() else None
    return [str(path.absolute()), state and state.st_size, state and state.st_mtime_ns]


def _number(number: int, one: str, many: str | None = None) -> str:
    return f'{number} {one if number == 1 else many or one + "s"}'
