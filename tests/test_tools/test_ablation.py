"""The command ablation: the config of a row, the order of the work, and the tables."""
import json
import os
import re
import sys

import numpy as np
import pytest
from mmengine.config import Config
from small_training import REPO, run_tool

from mmpose_integral.cli.ablation import command
from mmpose_integral.cli.ablation.command import Ablation, parse_args
from mmpose_integral.cli.ablation.report import load_results, write_report
from mmpose_integral.cli.ablation.rows import ROWS, ensemble_name
from mmpose_integral.cli.trainings import run_chains
from mmpose_integral.formats.predictions import save_predictions


def ablation(work_dir, *options, standin=True):
    standin_options = ['--standin', '--data-root', work_dir / 'data', '--h80k-frames', 40]
    options = [*(standin_options if standin else []), '--steps', 60, '--seeds', 0, 1, *options]
    return Ablation(parse_args(['--work-dir', str(work_dir), *map(str, options)]))


def write_products(folder, errors, choices):
    """Write the products of an evaluation: predictions with errors, in random order, and metrics."""
    folder.mkdir(parents=True)
    order = np.random.default_rng(len(errors)).permutation(len(errors))
    save_predictions(folder / 'predictions.npz', [
        dict(frame_id=i + 1, path=f'{i}.jpg', box_found=True, pred=np.zeros((18, 3))) for i in order.tolist()],
                     errors=np.repeat(errors[order, None], 17, axis=1))
    (folder / 'metrics.json').write_text(json.dumps({f'h80k/MPJPE_{name}': value for name, value in choices.items()}))


def test_tables_show_means_spread_and_intervals(tmp_path):
    runner, errors = ablation(tmp_path), np.random.default_rng(0).gamma(2, 40, size=300)
    steps = {'no-box': 60.0, 'box': 0.0, 'mpii': 5.0, 'l2': 15.0, 'hrnet': 25.0}
    for key, offset in steps.items():
        for seed in (0, 1):
            write_products(runner.folder(ROWS[key], seed), errors + offset + seed, {
                'per-frame': 50.0, 'val': 52.0, 'train': 60.0, 'train+val': 55.0})
    text = write_report(runner.folder, runner.args)
    mean = errors.mean() + 0.5
    assert re.search(rf'\| \+ person box \| 86.5 \| -29.4 \| {mean:.1f} ± 0.7 \(2\) \| -60.0 \[-6.* \| yes \|', text)
    low, high = map(float, re.search(r'\| \+ MPII .*\| \+5.0 \[(.*), (.*)\] \| no \|', text).groups())
    assert 3.9 <= low < 5 < high <= 6.1  # the seeds of a row differ by 1 mm
    assert re.search(r'\| L2 loss \| [\d.]+ ± 0.7 \(2\) \| row 3 \| \+10.0 \[', text)
    assert re.search(r'\| HRNet-W32 \|.*\| row 3 \| \+20.0 \[', text)
    assert '| per-frame | 60.0 | 1.000 | 50.0 ± 0.0 (2) | 1.000 |' in text
    assert '| train | 65.6 | 1.093 | 60.0 ± 0.0 (2) | 1.200 |' in text
    assert (tmp_path / 'ABLATION.md').read_text() == text and (tmp_path / 'ablation.png').stat().st_size > 5000
    assert json.loads((tmp_path / 'ablation.json').read_text())['box']['mpjpe'][0] == pytest.approx(errors.mean())


def test_standin_rows_keep_their_sources_and_have_equal_numbers_of_steps(tmp_path):
    runner = ablation(tmp_path)
    for key, epochs in (('no-box', 12), ('box', 12), ('mpii', 6), ('coco', 4)):  # 5, 5, 10 and 15 steps of 8 samples
        row = ROWS[key]
        cfg = Config.fromfile(runner.config(row, 3))
        assert cfg.train_cfg.max_epochs == epochs
        original = Config.fromfile(REPO / 'configs' / row.config)
        assert [source.type for source in cfg.train_dataloader.dataset.datasets] == [
            source.type for source in original.train_dataloader.dataset.datasets]
        assert cfg.randomness.seed == 3 and 'seed' not in cfg.train_dataloader.sampler
        assert cfg.train_dataloader.dataset.datasets[0].indices == 40
        assert not any('EarlyStopping' in hook.type for hook in cfg.custom_hooks)
    folders = [runner.folder(row, 3) for row in ROWS.values()]
    assert len(set(folders)) == len(folders)
    flip = Config.fromfile(runner.config(ROWS['flip'], 3))
    assert flip.model.test_cfg.flip_test and flip.model.backbone.depth == 34 and 'init_cfg' not in flip.model.backbone


FAKE_PROGRAM = '''
import json, pathlib, sys
import numpy as np
command, config, checkpoint, *_ = sys.argv[1:]
if command == 'train':
    here = pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
    (here / 'best_h80k_MPJPE_epoch_1.pth').write_text(str(here))
elif command == 'test':
    out = pathlib.Path(sys.argv[sys.argv.index('--out') + 1]).parent
    flip = 'flip_test=True' in pathlib.Path(config).read_text()
    seed = int(out.name.removeprefix('seed'))
    errors = np.repeat((np.arange(1., 6.) + 10 * seed - flip)[:, None], 17, axis=1)
    np.savez(out / 'predictions.npz', frame_ids=np.arange(5), paths=np.array(['a'] * 5), box_found=np.ones(5, bool),
             pred_px=np.zeros((5, 18, 3)), errors=errors)
    (out / 'metrics.json').write_text('{}')
    (out / 'used.txt').write_text(pathlib.Path(checkpoint).read_text())
'''


def test_rows_are_trained_once_evaluated_and_averaged(tmp_path, monkeypatch):
    """A program that records its arguments takes the place of mmpose-integral."""
    (tmp_path / 'fake.py').write_text(FAKE_PROGRAM)
    monkeypatch.setattr(command, 'PROGRAM', (sys.executable, tmp_path / 'fake.py'))
    runner = ablation(tmp_path / 'work', '--rows', 'coco', 'flip', 'ensemble')
    runner.run()
    coco, flip = (ROWS[key] for key in ('coco', 'flip'))
    for seed in (0, 1):
        trained = runner.folder(coco, seed)
        assert (trained / 'best.pth').read_text() == str(trained)
        assert (runner.folder(flip, seed) / 'used.txt').read_text() == str(trained)
        assert not list(runner.folder(flip, seed).glob('best*'))
    results = load_results(runner.folder, [0, 1])
    np.testing.assert_allclose(results['flip'].mpjpe, results['coco'].mpjpe - 1)
    assert runner.folder(ROWS['ensemble'], ensemble_name([0, 1])).name == 'seeds0-1'
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / 'work').rglob('best_*.pth')}
    runner.run()
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / 'work').rglob('best_*.pth')}


def test_rows_with_other_settings_are_refused(tmp_path):
    for _ in range(2):
        ablation(tmp_path).check_settings()
    with pytest.raises(SystemExit, match='"steps": 60.*"steps": 50.*--work-dir'):
        ablation(tmp_path, '--steps', 50).check_settings()


@pytest.mark.parametrize('options, message', [
    (['--standin', '--rows', 'scratch'], 'only for the real data'), (['--rows', 'box-longer'], 'invalid choice')])
def test_wrong_usage_is_explained(options, message, tmp_path, capsys):
    assert run_tool('ablation', *options) == 2 and message in capsys.readouterr().err
    assert 'no finished row' in run_tool('ablation', '--collect', '--work-dir', tmp_path)


def test_rows_on_the_real_data_differ_from_their_config_by_the_seed_only(tmp_path):
    row = ROWS['coco']
    cfg = Config.fromfile(ablation(tmp_path, standin=False).config(row, 2))
    original = Config.fromfile(REPO / 'configs' / row.config)
    assert cfg.randomness.seed == 2
    for key in ('model', 'train_dataloader', 'val_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg'):
        assert cfg[key] == original[key], key


FAILING = '''
import os, sys, time
print('Epoch(train) 7', flush=True)
while not os.path.getsize(sys.argv[1]):
    time.sleep(0.1)
time.sleep(2)
sys.exit('the reason')
'''


def test_steps_of_a_chain_run_in_order_and_a_failed_one_shows_the_end_of_its_log(tmp_path, capsys):
    def step(log, text):
        return tmp_path / log, lambda: [sys.executable, '-c', text, tmp_path / 'a.txt']

    run_chains([[step('order.txt', f'print({letter!r})') for letter in 'abc']], jobs=1)
    assert (tmp_path / 'order.txt').read_text().split() == ['a', 'b', 'c']
    assert capsys.readouterr().out.count('(1 of 1)') == 1
    # Two chains at a time share the cores, and the failure of one of them stops the other one.
    endless = 'import os, time; print(os.environ["OMP_NUM_THREADS"], flush=True); time.sleep(600)'
    with pytest.raises(SystemExit, match=r'(?s)the reason.*b.txt: failed with status 1'):
        run_chains([[step('a.txt', endless)], [step('b.txt', FAILING)]], jobs=2, follow_s=0.2)
    assert (tmp_path / 'a.txt').read_text().split() == [str(max(1, os.cpu_count() // 2))]
    printed = capsys.readouterr().out
    assert 'a: starting' in printed and 'b: Epoch(train) 7' in printed


def test_epochs_of_the_challenge_entry_are_read_from_the_log(tmp_path, capsys):
    def log(name, records):
        path = tmp_path / name / 'vis_data' / 'scalars.json'
        path.parent.mkdir(parents=True)
        path.write_text(''.join(json.dumps(record) + '\n' for record in records))

    assert 'scalars.json' in run_tool('plateau-epochs', tmp_path)
    log('20260101_000000', [dict(lr=1e-4, epoch=epoch) for epoch in (1, 2, 3)])
    assert 'never dropped in 3 epochs' in run_tool('plateau-epochs', tmp_path)
    log('20260102_000000', [dict(lr=1e-4, epoch=3), {'h80k/MPJPE': 60}, dict(lr=1e-6, epoch=4), dict(lr=1e-6, epoch=5)])
    assert run_tool('plateau-epochs', tmp_path) == 0
    assert capsys.readouterr().out.split() == [
        '--cfg-options', 'param_scheduler.0.milestones=[3]', 'train_cfg.max_epochs=5']
    cfg = Config.fromfile(REPO / 'configs' / 'integral_r152_h80k_trainval.py')
    cfg.merge_from_dict({'param_scheduler.0.milestones': [3], 'train_cfg.max_epochs': 5})
    assert cfg.param_scheduler[0].milestones == [3]
