"""Links, anchors, pictures, files, commands and options in the documents exist, and their code runs."""
import contextlib
import functools
import io
import re
import shlex
import unicodedata
from pathlib import Path

import mmpose
import pytest
from mmengine.config import Config
from small_training import REPO, run_tool

from mmpose_integral.cli.main import COMMANDS, run_command
from mmpose_integral.structures.skeleton import COCO_TO_H80K, JOINT_NAMES, MPII_TO_H80K

PAGES = sorted([REPO / 'README.md', *REPO.glob('docs/*.md'), *REPO.glob('docker/*.md'), REPO / 'CONTRIBUTING.md'])
EACH_PAGE = pytest.mark.parametrize('page', PAGES, ids=lambda path: str(path.relative_to(REPO)))
FENCE = re.compile(r'^([ \t]*)```(\w*)[^\n]*\n(.*?)^\1```', re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r'(?:python|bash|sh) +((?:\./)?(?:tools|docs|docker|packages)/\S+\.(?:py|sh))'
                     r'|mmpose-integral ((?:prepare )?[a-z][\w-]*)|-m mmpose_integral ((?:prepare )?[a-z][\w-]*)')
RUN_BLOCK = re.compile(r'(<!-- not run[^\n]*\n)?```python\n(.*?)```\n(?:```text\n(.*?)```)?', re.DOTALL)


def anchors(path):
    """Anchors that GitHub gives to the headings of a page."""
    found = []
    for heading in re.findall(r'^#+ +(.+?)\s*$', FENCE.sub('', path.read_text()), re.MULTILINE):
        heading = re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', heading).replace('`', '').lower()
        kept = ''.join(c for c in heading if c in ' -_' or unicodedata.category(c)[0] in 'LNM')
        slug = kept.replace(' ', '-')
        found.append(slug if slug not in found else f'{slug}-{found.count(slug)}')
    return found


def links(path):
    """(target, anchor) of the relative links and pictures of a page, outside of code."""
    text = re.sub(r'`[^`\n]+`', 'code', FENCE.sub('', path.read_text()))
    for target in re.findall(r'\]\(([^)\s]+)\)', text):
        if not re.match(r'[a-z]+:', target):
            name, _, anchor = target.partition('#')
            yield name, anchor


def files_named(path):
    """Files of the project that a page names in text or commands, without patterns."""
    for name in re.findall(r'(?<![\w./{$-])((?:tools|configs|docs|docker|packages|requirements)/[\w./{}*$-]+)',
                           path.read_text()):
        if re.search(r'\w\.(py|sh|txt|md|yml|ipynb)$', name) and not re.search(r'[{}*$]|\.\.\.', name):
            yield name


def commands(path):
    """(script or command, words) of the commands of the project, in fenced blocks and in the text."""
    text = path.read_text()
    inline = re.findall(r'`([^`]+)`', FENCE.sub('', text))
    for block in [block for _, _, block in FENCE.findall(text)] + [span.replace('\n', ' ') for span in inline]:
        for line in block.replace('\\\n', ' ').splitlines():
            for part in re.split(r'&&|\|\||;| \| ', re.sub(r'(^|\s)#.*', '', line)):
                tool = COMMAND.search(part)
                if tool:
                    yield next(filter(None, tool.groups())), part[tool.end():].split()


@EACH_PAGE
def test_links_and_anchors_exist(page):
    for name, anchor in links(page):
        target = page.parent / name if name else page
        assert target.exists(), name
        assert not anchor or anchor in anchors(target), f'{name}#{anchor}'


@EACH_PAGE
def test_files_that_are_named_exist(page):
    assert not [name for name in files_named(page) if not (REPO / name).exists()]


@functools.cache
def text_with_options(tool):
    """Text that names all options of a script or command: the help of a command, else the source; '' if unknown."""
    path = REPO / tool
    if path.suffix == '.py' and path.is_file() and 'run_command(' in path.read_text():
        tool = path.read_text().split("run_command('")[1].split("'")[0]
    if tool in COMMANDS:
        with contextlib.redirect_stdout(io.StringIO()) as text, contextlib.suppress(SystemExit):
            run_command(tool, ['--help'])
        return text.getvalue()
    if path.suffix == '.sh' and path.is_file():  # shell scripts pass options on
        passed = 'quickstart' if 'quickstart' in tool else 'submit' if 'submit' in tool else 'train'
        return path.read_text() + text_with_options(passed) + text_with_options('test')
    # A benchmark has the options of all scenarios.
    files = path.parent.glob('*.py') if path.parent.name == 'benchmark' else [path]
    return ''.join(file.read_text() for file in files) if path.is_file() else ''


@EACH_PAGE
def test_commands_name_scripts_and_options_that_exist(page):
    for tool, words in commands(page):
        text = text_with_options(tool)
        assert text, tool
        for option in filter(None, (re.match(r'--[a-z][\w-]*', word) for word in words)):
            assert re.search(rf'{option[0]}(?![\w-])', text), f'{tool} {option[0]}'


@EACH_PAGE
def test_python_in_the_pages_compiles(page):
    for _, language, block in FENCE.findall(page.read_text()):
        if language == 'python':
            compile(block, str(page), 'exec')


def test_links_anchors_commands_and_files_are_found(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text('# A `b`: c_d (e)?\n[x](other.md#y) `[no](link)` ![p](a.png)\n## Two\n## Two\n```bash\n'
                    'python tools/a.py --b c && bash tools/d.sh # python tools/e.py\nmmpose-integral prepare f --g\n'
                    '```\n[u](https://v.w)\n'
                    'See `configs/f.py`, `configs/*.py`, `work/configs/g.py`, `sh\ntools/h.sh --i`')
    assert list(links(page)) == [('other.md', 'y'), ('a.png', '')]
    assert anchors(page) == ['a-b-c_d-e', 'two', 'two-1']
    assert list(commands(page)) == [
        ('tools/a.py', ['--b', 'c']), ('tools/d.sh', []), ('prepare f', ['--g']), ('tools/h.sh', ['--i'])]
    assert list(files_named(page)) == ['tools/a.py', 'tools/d.sh', 'tools/e.py', 'configs/f.py', 'tools/h.sh']
    counts = {str(page.relative_to(REPO)): (len(list(links(page))), len(list(commands(page)))) for page in PAGES}
    assert all(counts[name] >= least for name, least in (
        ('README.md', (5, 5)), ('docs/inference.md', (10, 2)), ('docs/faq.md', (20, 3)))), counts


def words_and_numbers(text):
    pattern = r'-?\d+(?:\.\d+)?'
    return re.sub(pattern, '#', text).split(), [float(number) for number in re.findall(pattern, text)]


def test_the_code_of_inference_md_gives_the_output_on_the_page(tmp_path, monkeypatch, one_thread):
    text = (REPO / 'docs' / 'inference.md').read_text()
    monkeypatch.chdir(tmp_path)
    options = shlex.split(re.search(r'python tools/make_standin\.py (.*)', text)[1])
    assert run_tool('make-standin', *options, '--num-workers', 1) == 0
    printed, namespace, compared = [], {}, 0
    namespace['print'] = lambda *words: printed.append(' '.join(map(str, words)))
    for left_out, block, expected in RUN_BLOCK.findall(text):
        if not left_out:
            printed.clear()
            exec(compile(block, 'docs/inference.md', 'exec'), namespace)
            (words, numbers), (page_words, page_numbers) = map(words_and_numbers, ('\n'.join(printed), expected))
            assert words == page_words, '\n'.join(printed)
            # Rounding errors depend on the processor and the version of torch.
            assert numbers == pytest.approx(page_numbers, rel=0.01, abs=3), '\n'.join(printed)
            compared += len(numbers)
    assert compared > 20
    assert (tmp_path / 'work_dirs' / 'try' / '00005.jpg').is_file()
    assert len(list((tmp_path / 'work_dirs' / 'try' / 'predictions').glob('*.json'))) == 40


def test_the_code_of_the_faq_runs(monkeypatch):
    monkeypatch.chdir(REPO)
    namespace = {}
    for _, block, _ in RUN_BLOCK.findall((REPO / 'docs' / 'faq.md').read_text()):
        exec(compile(block, 'docs/faq.md', 'exec'), namespace)
    assert namespace['inferencer'].inferencer.model.test_cfg['flip_test'] is True


def test_the_joint_table_of_the_faq():
    text = (REPO / 'docs' / 'faq.md').read_text()
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines()
            if re.match(r'\| \d+ \| [a-z_]+ \|', line)]
    index, ours, h36m, h36m_32, coco, mpii, _ = zip(*rows, strict=True)
    assert index == tuple(map(str, range(18))) and ours == JOINT_NAMES

    def number(cells):
        return tuple(-1 if cell == '-' else int(cell) for cell in cells)

    assert number(coco) == COCO_TO_H80K and number(mpii) == MPII_TO_H80K
    config = Config.fromfile(Path(mmpose.__path__[0]) / '.mim' / 'configs' / '_base_' / 'datasets' / 'h36m.py')
    assert h36m == (*(config.dataset_info['keypoint_info'][k]['name'] for k in range(17)), '-')
    # As mmpose's own preprocess_h36m.py picks them from the 32 joints.
    assert number(h36m_32) == (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27, -1)


def test_pictures_are_small():
    for path in REPO.glob('docs/images/inference_*'):
        assert path.stat().st_size < 250_000, path.name


def test_the_tests_that_the_page_on_faults_names_exist():
    named = re.findall(r'`(test_[\w/]+\.py)::(test_\w+)`', (REPO / 'docs' / 'reliability.md').read_text())
    absent = [f'{file}::{name}' for file, name in named
              if f'\ndef {name}(' not in (REPO / 'tests' / file).read_text()]
    assert len(named) > 40 and not absent, absent
