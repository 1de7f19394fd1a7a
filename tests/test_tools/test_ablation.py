"""The ablation tool: what it makes of a row, and the tables it writes from products that are there."""
import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.config import Config
from small_training import REPO, run_tool

from mmpose_integral.formats.predictions import save_predictions


@pytest.fixture
def tools(monkeypatch):
    """The tool's modules; tools are no package."""
    monkeypatch.syspath_prepend(REPO / 'tools')
    import ablation
    import ablation_report
    import ablation_rows
    return SimpleNamespace(ablation=ablation, report=ablation_report, rows=ablation_rows)


def arguments(work_dir, **changes):
    return SimpleNamespace(**{**dict(
        rows=['box'], seeds=[0, 1], work_dir=work_dir, gpus=1, jobs=1, collect=False, standin=True,
        data_root=work_dir / 'data', epochs=3, h80k_frames=40, init={18: 'r18.pth'}), **changes})


def write_products(folder, errors, choices):
    """What an evaluation leaves: predictions with errors, and metrics."""
    folder.mkdir(parents=True)
    count = len(errors)
    records = [dict(frame_id=i + 1, path=f'{i}.jpg', box_found=True, pred=np.zeros((18, 3))) for i in range(count)]
    order = np.random.default_rng(count).permutation(count)
    save_predictions(folder / 'predictions.npz', [records[i] for i in order],
                     errors=np.repeat(errors[order, None], 17, axis=1))
    (folder / 'metrics.json').write_text(json.dumps({f'h80k/MPJPE_{name}': value for name, value in choices.items()}))


def test_tables_show_means_spread_and_intervals(tools, tmp_path):
    runner = tools.ablation.Ablation(arguments(tmp_path))
    rng = np.random.default_rng(0)
    hard = rng.gamma(2, 40, size=300)
    steps = {'no-box': 60.0, 'box': 0.0, 'mpii': 5.0, 'l2': 15.0, 'hrnet': 25.0, 'scratch': 20.0}
    for key, offset in steps.items():
        for seed in (0, 1):
            errors = hard + offset + seed
            write_products(runner.folder(tools.rows.ROWS[key], seed), errors, {
                'per-frame': 50.0, 'val': 52.0, 'train': 60.0, 'train+val': 55.0})
    text = tools.report.write_report(runner, runner.args)
    rows = {line.split('|')[1].strip(): [cell.strip() for cell in line.split('|')[2:-1]]
            for line in text.splitlines() if line.startswith('| ') and line.count('|') == 7}
    mean = hard.mean() + 0.5
    assert rows['+ person box'][:3] == ['86.5', '-29.4', f'{mean:.1f} ± 0.7 (2)']
    assert rows['+ person box'][3].startswith('-60.0 [-6') and rows['+ person box'][4] == 'yes'
    assert rows['+ MPII'][3].startswith('+5.0 [') and rows['+ MPII'][4] == 'no'
    low, high = map(float, re.search(r'\[(.*), (.*)\]', rows['+ MPII'][3]).groups())
    assert 3.9 <= low < 5 < high <= 6.1  # the seeds' spread of 1 mm, each row's own
    assert re.search(r'\| L2 loss \| [\d.]+ ± 0.7 \(2\) \| row 3 \| \+10.0 \[', text)
    assert re.search(r'\| HRNet-W32 \|.*\| random weights \| \+5.0 \[', text)
    assert '| per-frame | 60.0 | 1.000 | 50.0 ± 0.0 (2) | 1.000 |' in text
    assert '| train | 65.6 | 1.093 | 60.0 ± 0.0 (2) | 1.200 |' in text
    assert (tmp_path / 'ABLATION.md').read_text() == text and (tmp_path / 'ablation.png').stat().st_size > 5000
    assert json.loads((tmp_path / 'ablation.json').read_text())['box']['mpjpe'][0] == pytest.approx(hard.mean())


def test_nothing_finished_is_told(tools, tmp_path):
    with pytest.raises(SystemExit, match='no finished row'):
        tools.report.write_report(tools.ablation.Ablation(arguments(tmp_path)), arguments(tmp_path))


def test_standin_rows_keep_their_sources_and_pass_h80k_equally_often(tools, tmp_path):
    runner = tools.ablation.Ablation(arguments(tmp_path))
    epochs = {}
    for key in ('box', 'mpii', 'coco', 'box-longer'):
        row = tools.rows.ROWS[key]
        cfg = Config.fromfile(runner.config(row, 3))
        epochs[key] = cfg.train_cfg.max_epochs
        original = Config.fromfile(REPO / 'configs' / row.config)
        assert [source.type for source in cfg.train_dataloader.dataset.datasets] == [
            source.type for source in original.train_dataloader.dataset.datasets]
        assert cfg.train_dataloader.sampler.seed == cfg.randomness.seed == 3
        assert cfg.train_dataloader.dataset.datasets[0].indices == 40
        assert not any('EarlyStopping' in hook.type for hook in cfg.custom_hooks)
    assert epochs == {'box': 3, 'mpii': 3, 'coco': 3, 'box-longer': 6}
    backbone = Config.fromfile(runner.config(tools.rows.ROWS['box'], 3)).model.backbone
    assert backbone.init_cfg.checkpoint == 'r18.pth'
    assert 'init_cfg' not in Config.fromfile(runner.config(tools.rows.ROWS['scratch'], 3)).model.backbone
    folders = [runner.folder(row, 3) for row in tools.rows.ROWS.values()]
    assert len(set(folders)) == len(folders)
    flip = Config.fromfile(runner.config(tools.rows.ROWS['flip'], 3))
    assert flip.model.test_cfg.flip_test and flip.model.backbone.depth == 34 and 'init_cfg' not in flip.model.backbone


FAKE_TOOL = '''
import json, pathlib, sys
import numpy as np
here = pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
if __file__.endswith('train.py'):
    (here / 'best_h80k_MPJPE_epoch_1.pth').write_text(str(here))
else:
    out = pathlib.Path(sys.argv[sys.argv.index('--out') + 1]).parent
    flip = 'flip_test=True' in pathlib.Path(sys.argv[1]).read_text()
    seed = int(out.name.removeprefix('seed'))
    errors = np.repeat((np.arange(1., 6.) + 10 * seed - flip)[:, None], 17, axis=1)
    np.savez(out / 'predictions.npz', frame_ids=np.arange(5), paths=np.array(['a'] * 5), box_found=np.ones(5, bool),
             pred_px=np.zeros((5, 18, 3)), errors=errors)
    (out / 'metrics.json').write_text('{}')
    (out / 'used.txt').write_text(pathlib.Path(sys.argv[2]).read_text())
'''


def test_rows_are_trained_once_evaluated_and_averaged(tools, tmp_path, monkeypatch):
    """With stand-ins for train.py and test.py that note what they were given; the real ensemble.py."""
    fakes = tmp_path / 'tools'
    fakes.mkdir()
    for name in ('train.py', 'test.py'):
        (fakes / name).write_text(FAKE_TOOL)
    (fakes / 'ensemble.py').write_text('import sys; sys.exit(0)')
    monkeypatch.setattr(tools.ablation, 'TOOLS', fakes)
    runner = tools.ablation.Ablation(arguments(tmp_path / 'work', rows=['coco', 'flip', 'ensemble']))
    runner.run()
    coco, flip = (tools.rows.ROWS[key] for key in ('coco', 'flip'))
    for seed in (0, 1):
        trained = runner.folder(coco, seed)
        assert (trained / 'best.pth').read_text() == str(trained)
        assert (runner.folder(flip, seed) / 'used.txt').read_text() == str(trained)
        assert not list(runner.folder(flip, seed).glob('best*'))
    results = tools.report.load_results(runner, [0, 1])
    np.testing.assert_allclose(results['flip'].mpjpe, results['coco'].mpjpe - 1)
    assert runner.folder(tools.rows.ROWS['ensemble'], runner.all_seeds).name == 'seeds0-1'
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / 'work').rglob('best_*.pth')}
    runner.run()
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / 'work').rglob('best_*.pth')}


def test_rows_of_other_settings_are_not_mixed(tools, tmp_path):
    tools.ablation.Ablation(arguments(tmp_path)).check_settings()
    tools.ablation.Ablation(arguments(tmp_path)).check_settings()
    with pytest.raises(SystemExit, match='"epochs": 3.*"epochs": 5.*--work-dir'):
        tools.ablation.Ablation(arguments(tmp_path, epochs=5)).check_settings()


def test_real_rows_keep_their_config_but_the_seed(tools, tmp_path):
    runner = tools.ablation.Ablation(arguments(tmp_path, standin=False))
    row = tools.rows.ROWS['coco']
    cfg, original = Config.fromfile(runner.config(row, 2)), Config.fromfile(REPO / 'configs' / row.config)
    assert cfg.train_dataloader.sampler.seed == 2
    cfg.train_dataloader.sampler.seed = original.train_dataloader.sampler.seed
    for key in ('model', 'train_dataloader', 'val_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg'):
        assert cfg[key] == original[key], key


def test_failed_command_shows_the_end_of_its_log_and_chains_run_in_order(tools, tmp_path):
    def command(text):
        return lambda: [sys.executable, '-c', text]
    out = tmp_path / 'order.txt'
    note = 'open({!r}, "a").write("{}")'
    tools.ablation.run_chains([[(tmp_path / 'a' / 'log.txt', command(note.format(str(out), letter)))
                                for letter in 'abc']], jobs=2)
    assert out.read_text() == 'abc'
    with pytest.raises(SystemExit, match='(?s)the reason.*failed with status 1') as error:
        tools.ablation.run_chains([[(tmp_path / 'b' / 'log.txt', command('raise SystemExit("the reason")'))]], jobs=1)
    assert 'log.txt' in str(error.value)


def test_epochs_of_the_challenge_entry_come_from_the_log(tmp_path, capsys):
    def log(name, records):
        folder = tmp_path / name / 'vis_data'
        folder.mkdir(parents=True)
        (folder / 'scalars.json').write_text(''.join(json.dumps(record) + '\n' for record in records))

    assert 'scalars.json' in run_tool('plateau_epochs', tmp_path)
    log('20260101_000000', [dict(lr=1e-4, epoch=epoch) for epoch in (1, 2, 3)])
    assert 'never dropped in 3 epochs' in run_tool('plateau_epochs', tmp_path)
    log('20260102_000000', [dict(lr=1e-4, epoch=3), {'h80k/MPJPE': 60}, dict(lr=1e-6, epoch=4), dict(lr=1e-6, epoch=5)])
    assert run_tool('plateau_epochs', tmp_path) is None
    assert capsys.readouterr().out.split() == [
        '--cfg-options', 'param_scheduler.0.milestones=[3]', 'train_cfg.max_epochs=5']
    cfg = Config.fromfile(REPO / 'configs' / 'integral_r152_h80k_trainval.py')
    cfg.merge_from_dict({'param_scheduler.0.milestones': [3], 'train_cfg.max_epochs': 5})
    assert cfg.param_scheduler[0].milestones == [3]
