import json
import os

import pytest

from mmpose_integral.preparation.sharded_job import SettingsDiffer, ShardedJob, drop_unfinished_line, fingerprint

SETTINGS = dict(weights='abc', score_thr=0.3)


class Recorder:
    """A stream that notes what it was asked for and can be stopped after some batches."""

    def __init__(self, stop_after=None):
        self.asked, self.stop_after = [], stop_after

    def __call__(self, frame_ids):
        for n in range(0, len(frame_ids), 3):
            if n // 3 == self.stop_after:
                raise KeyboardInterrupt
            batch = frame_ids[n:n + 3]
            self.asked += batch
            yield [dict(frame_id=i, square=i * i) for i in batch]


def squares(ids):
    return {i: dict(frame_id=i, square=i * i) for i in ids}


def test_stopped_job_goes_on_where_it_stopped(tmp_path):
    ids = list(range(5, 25))
    first, second = Recorder(stop_after=4), Recorder()
    with pytest.raises(KeyboardInterrupt):
        ShardedJob(tmp_path / 'out', SETTINGS).run(ids, first, 'test')
    assert ShardedJob(tmp_path / 'out', SETTINGS).run(ids, second, 'test') == squares(ids)
    assert first.asked == ids[:12] and second.asked == ids[12:]
    third = Recorder()
    assert ShardedJob(tmp_path / 'out', SETTINGS).run(ids, third, 'test') == squares(ids)
    assert third.asked == []


def test_half_written_line_is_done_again(tmp_path):
    ids = [1, 2, 3, 4]
    ShardedJob(tmp_path / 'out', SETTINGS).run(ids, Recorder(), 'test')
    part = tmp_path / 'out.parts/rank0.jsonl'
    part.write_bytes(part.read_bytes()[:-4])
    recorder = Recorder()
    assert ShardedJob(tmp_path / 'out', SETTINGS).run(ids, recorder, 'test') == squares(ids)
    assert recorder.asked == [4]


@pytest.mark.parametrize('before, after', [(b'a\nb\n', b'a\nb\n'), (b'a\nb', b'a\n'), (b'ab', b''), (b'', b'')])
def test_drop_unfinished_line(tmp_path, before, after):
    path = tmp_path / 'part'
    path.write_bytes(before)
    drop_unfinished_line(path)
    assert path.read_bytes() == after


def test_results_of_other_ranks_count_and_the_frames_may_change(tmp_path):
    job = ShardedJob(tmp_path / 'out', SETTINGS)
    job.run([1, 2, 9], Recorder(), 'test')
    os.replace(tmp_path / 'out.parts/rank0.jsonl', tmp_path / 'out.parts/rank7.jsonl')
    recorder = Recorder()
    assert job.run([3, 1, 2], recorder, 'test') == squares([3, 1, 2])
    assert recorder.asked == [3]


def test_other_settings_do_not_mix(tmp_path):
    ShardedJob(tmp_path / 'out', SETTINGS).run([1], Recorder(), 'test')
    with pytest.raises(SettingsDiffer, match=r"score_thr \(was 0.3, is 0.5\).*--fresh"):
        ShardedJob(tmp_path / 'out', dict(SETTINGS, score_thr=0.5)).run([1], Recorder(), 'test')
    recorder = Recorder()
    ShardedJob(tmp_path / 'out', dict(SETTINGS, score_thr=0.5), fresh=True).run([1], recorder, 'test')
    assert recorder.asked == [1]
    # The header is gone, for instance because --fresh was stopped: what is left is of unknown origin.
    (tmp_path / 'out.parts/settings.json').unlink()
    recorder = Recorder()
    ShardedJob(tmp_path / 'out', SETTINGS).run([1], recorder, 'test')
    assert recorder.asked == [1]


def test_damage_and_lost_frames_are_named(tmp_path):
    job = ShardedJob(tmp_path / 'out', SETTINGS)
    job.run([1, 2], Recorder(), 'test')
    part = tmp_path / 'out.parts/rank0.jsonl'
    part.write_text('nonsense\n' + part.read_text())
    with pytest.raises(ValueError, match=r'rank0.jsonl is damaged in line 1'):
        job.run([1, 2], Recorder(), 'test')
    with pytest.raises(RuntimeError, match='2 frames have no result'):
        ShardedJob(tmp_path / 'other', SETTINGS).run([1, 2], lambda ids: [], 'test')


def test_fingerprint_sees_content_and_values(tmp_path):
    path, copy = tmp_path / 'a', tmp_path / 'b'
    path.write_bytes(b'12')
    copy.write_bytes(b'12')
    assert fingerprint(path) == fingerprint(copy) != fingerprint('a')
    copy.write_bytes(b'13')
    assert fingerprint(path) != fingerprint(copy)
    assert fingerprint(dict(a=1)) != fingerprint(dict(a='1'))


SCRIPT = '''
import sys, time
from mmengine.dist import get_rank
from mmpose_integral.preparation.job_command import launch
from mmpose_integral.preparation.sharded_job import ShardedJob
launch('pytorch')
def stream(frame_ids):
    time.sleep(0.3 * get_rank())
    for i in frame_ids:
        yield [dict(frame_id=i, rank=get_rank())]
records = ShardedJob(sys.argv[1], {}).run(range(int(sys.argv[2])), stream, 'test')
assert (records is None) == (get_rank() > 0)
'''


def test_ranks_share_the_frames_and_their_number_may_change(tmp_path, forks):
    """Two processes with gloo, no GPU; then the rest in one process."""
    script = tmp_path / 'job.py'
    script.write_text(SCRIPT)
    run = forks.run(script, tmp_path / 'out', 7, ranks=2)
    assert run.code == 0, run.output
    parts = tmp_path / 'out.parts'
    assert sorted(path.name for path in parts.glob('rank*')) == ['rank0.jsonl', 'rank1.jsonl']
    lines = [json.loads(line) for path in parts.glob('rank*') for line in path.read_text().splitlines()]
    assert {line['frame_id']: line['rank'] for line in lines} == {i: i % 2 for i in range(7)}
    recorder = Recorder()
    assert list(ShardedJob(tmp_path / 'out', {}).run(range(9), recorder, 'test')) == list(range(9))
    assert recorder.asked == [7, 8]
