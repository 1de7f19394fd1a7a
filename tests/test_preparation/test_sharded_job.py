import contextlib
import json
import os

import pytest

from mmpose_integral.preparation.sharded_job import fingerprint, run_sharded
from mmpose_integral.utils.locks import InUseError, lock_folder


@pytest.fixture
def run(tmp_path):
    """``run(ids)`` runs a job in the folder of the test, checks its result, and returns the ids that it processed."""

    def run_job(ids, stop_after=None, fresh=False, score_thr=0.3):
        processed = []

        def stream(frame_ids):
            for n in range(0, len(frame_ids), 3):
                if n // 3 == stop_after:
                    raise KeyboardInterrupt
                batch = frame_ids[n:n + 3]
                processed.extend(batch)
                yield [dict(frame_id=i, square=i * i) for i in batch]

        settings = dict(weights='abc', score_thr=score_thr)
        with pytest.raises(KeyboardInterrupt) if stop_after else contextlib.nullcontext():
            records = run_sharded(tmp_path / 'out', settings, ids, stream, 'test', fresh)
            assert records == {i: dict(frame_id=i, square=i * i) for i in ids}
        return processed

    return run_job


@pytest.fixture
def part(tmp_path):
    return tmp_path / 'out.parts/rank0.jsonl'


def test_stopped_job_continues_where_it_stopped(run):
    ids = list(range(5, 25))
    assert run(ids, stop_after=4) == ids[:12]
    assert run(ids) == ids[12:]
    assert run(ids) == []


@pytest.mark.parametrize('length, repeated', [(-4, [4]), (9, [1, 2, 3, 4]), (0, [1, 2, 3, 4])])
def test_frame_of_an_incomplete_line_is_processed_again(run, part, length, repeated):
    run([1, 2, 3, 4])
    part.write_bytes(part.read_bytes()[:length])
    assert run([1, 2, 3, 4]) == repeated


def test_results_of_other_ranks_count_and_the_frames_may_change(run, part):
    run([1, 2, 9])
    os.replace(part, part.with_name('rank7.jsonl'))
    assert run([3, 1, 2]) == [3]


def test_results_of_other_settings_are_not_combined(run, part):
    run([1])
    with pytest.raises(ValueError, match=r"score_thr \(was 0.3, is 0.5\).*--fresh"):
        run([1], score_thr=0.5)
    assert run([1], fresh=True, score_thr=0.5) == [1]
    # Without the header, for instance because --fresh was stopped, the origin of the part files is unknown.
    part.with_name('settings.json').unlink()
    assert run([1]) == [1]


def test_damaged_lines_and_lost_frames_are_named(run, part, tmp_path):
    run([1, 2])
    part.write_text('nonsense\n' + part.read_text())
    with pytest.raises(ValueError, match=r'rank0.jsonl is damaged in line 1'):
        run([1, 2])
    with pytest.raises(RuntimeError, match='2 frames have no result'):
        run_sharded(tmp_path / 'other', {}, [1, 2], lambda ids: [], 'test')


def test_fingerprint_depends_on_content_and_values(tmp_path):
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
from mmpose_integral.preparation.frames import launch
from mmpose_integral.preparation.sharded_job import run_sharded
launch('pytorch')
def stream(frame_ids):
    time.sleep(0.3 * get_rank())
    for i in frame_ids:
        yield [dict(frame_id=i, rank=get_rank())]
records = run_sharded(sys.argv[1], {}, range(int(sys.argv[2])), stream, 'test')
assert (records is None) == (get_rank() > 0)
'''


def test_ranks_share_the_frames_and_their_number_may_change(tmp_path, forks, part):
    """Two processes with gloo, no GPU; then the other frames in one process."""
    script = tmp_path / 'job.py'
    script.write_text(SCRIPT)
    job = forks.run(script, tmp_path / 'out', 7, ranks=2)
    assert job.code == 0, job.output
    paths = sorted(part.parent.glob('rank*'))
    assert [path.name for path in paths] == ['rank0.jsonl', 'rank1.jsonl']
    lines = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    assert {line['frame_id']: line['rank'] for line in lines} == {i: i % 2 for i in range(7)}
    records = run_sharded(tmp_path / 'out', {}, range(9),
                          lambda ids: [[dict(frame_id=i, rank='alone') for i in ids]], 'test')
    assert [record['rank'] for record in records.values()] == [0, 1, 0, 1, 0, 1, 0, 'alone', 'alone']


def test_two_runs_do_not_share_a_product(run, part):
    with lock_folder(part.parent, 'run of this command'), pytest.raises(InUseError, match='out.parts is in use by'):
        run([1, 2])
    assert run([1, 2]) == [1, 2] and run([1, 2], fresh=True) == [1, 2]
