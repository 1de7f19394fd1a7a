"""Videos are upright, have the times of their stream, and go on after damaged frames."""
import os
import shutil

import numpy as np
import pytest
from video_files import damage_frame, greys, set_durations, ticks_per_second, turn, write_video

from mmpose_integral.apis.media import Media
from mmpose_integral.apis.videos import Video


def read(path):
    """Video, its frames and their times."""
    video = Video(str(path))
    pairs = list(video)
    return video, [image for image, _ in pairs], [time_s for _, time_s in pairs]


@pytest.mark.parametrize('degrees', [90, 180, 270])
def test_frames_of_a_turned_phone_are_upright(degrees, tmp_path):
    image = np.zeros((32, 64, 3), np.uint8)
    image[:16, :32], image[16:, 32:] = 255, 128
    path = write_video(tmp_path / 'phone.mp4', [image] * 3)
    _, stored, _ = read(path)
    turn(path, degrees)
    _, upright, _ = read(path)
    for flat, frame in zip(stored, upright, strict=True):
        np.testing.assert_array_equal(frame, np.rot90(flat, -degrees // 90))


def test_times_are_those_of_the_stream(tmp_path):
    path = write_video(tmp_path / 'phone.mp4', greys(6))
    ticks = ticks_per_second(path)
    set_durations(path, [ticks // 10, ticks // 10, ticks // 2, ticks // 2, ticks // 10, ticks // 10])
    _, images, times = read(path)
    np.testing.assert_allclose(times, [0, 0.1, 0.2, 0.7, 1.2, 1.3], atol=2e-3)
    np.testing.assert_allclose([image.mean() for image in images], 25 * np.arange(6), atol=6)
    assert [frame.time_s for frame in Media(path)] == times


def test_times_always_increase(tmp_path, monkeypatch):
    """A stream that states one time for several frames, or none: the mean rate takes its place."""
    path, stated = write_video(tmp_path / 'odd.avi', greys(6), code='MJPG'), iter([0, 100, 100, 50, float('nan'), 900])
    video = Video(str(path))

    class Odd:
        def read(self):
            return capture.read()

        def release(self):
            capture.release()

        def get(self, what):
            return next(stated)

    capture, video._capture = video._capture, Odd()
    np.testing.assert_allclose([time_s for _, time_s in video], [0, 0.1, 0.2, 0.3, 0.4, 0.9])


def test_a_damaged_frame_in_the_middle_is_left_out(tmp_path):
    path = write_video(tmp_path / 'damaged.avi', greys(8), code='MJPG')
    assert read(path)[0].loss() == ''
    damage_frame(path, 3)
    video, images, times = read(path)
    np.testing.assert_allclose([image.mean() for image in images], 25 * np.array([0, 1, 2, 4, 5, 6, 7]), atol=3)
    np.testing.assert_allclose(times, np.array([0, 1, 2, 4, 5, 6, 7]) / 10)
    assert video.damaged == 1 and video.loss() == '7 of 8 frames could be decoded; the others are damaged'


def test_a_video_that_is_cut_off_states_its_loss(tmp_path):
    path = write_video(tmp_path / 'cut.avi', greys(8), code='MJPG')
    path.write_bytes(path.read_bytes()[:-1500])
    video, images, _ = read(path)
    assert 0 < len(images) < 8 and video.damaged == 0 and video.loss() == (
        f'{len(images)} of 8 frames could be decoded; others are missing, or the file states a wrong number')


def test_a_name_that_is_no_utf_8_is_read(tmp_path):
    path = write_video(tmp_path / 'plain.mp4', greys(3))
    odd = os.path.join(tmp_path, os.fsdecode(b'walk\xff\xe9.mp4'))
    shutil.move(path, odd)
    video, images, _ = read(odd)
    assert len(images) == 3 and video.name == os.path.basename(odd)
