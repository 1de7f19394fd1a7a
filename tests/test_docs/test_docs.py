"""What the documents say exists: links, anchors, pictures, files in commands, options of tools; and their code runs."""
import importlib.util
import re
import shlex
import unicodedata
from pathlib import Path

import mmpose
import pytest
from mmengine.config import Config

from mmpose_integral.structures.skeleton import COCO_TO_H80K, JOINT_NAMES, MPII_TO_H80K

REPO = Path(__file__).parents[2]
PAGES = sorted([REPO / 'README.md', *REPO.glob('docs/*.md'), *REPO.glob('docker/*.md'), REPO / 'CONTRIBUTING.md'])
FENCE = re.compile(r'^([ \t]*)```(\w*)[^\n]*\n(.*?)^\1```', re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r'(?:python|bash|sh) +((?:\./)?(?:tools|docs|docker|packages)/\S+\.(?:py|sh))')
RUN_BLOCK = re.compile(r'(<!-- not run[^\n]*\n)?```python\n(.*?)```\n(?:```text\n(.*?)```)?', re.DOTALL)


def without_code(text):
    """The text without fenced blocks and code in a line, where brackets are no links."""
    return re.sub(r'`[^`\n]+`', 'code', FENCE.sub('', text))


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
    """(target, anchor) of the relative links and pictures of a page."""
    for target in re.findall(r'\]\(([^)\s]+)\)', without_code(path.read_text())):
        if not re.match(r'[a-z]+:', target):
            name, _, anchor = target.partition('#')
            yield name, anchor


def files_named(path):
    """Files of the project that a page names in text or commands; not patterns, nor what is to be made."""
    for name in re.findall(r'(?<![\w./{$-])((?:tools|configs|docs|docker|packages|requirements)/[\w./{}*$-]+)',
                           path.read_text()):
        if re.search(r'\w\.(py|sh|txt|md|yml|ipynb)$', name) and not re.search(r'[{}*$]|\.\.\.', name):
            yield name


def commands(path):
    """(tool, words) of the commands that name a script of the project, in fenced blocks and in the text."""
    text = path.read_text()
    inline = re.findall(r'`([^`]+)`', FENCE.sub('', text))
    for block in [block for _, _, block in FENCE.findall(text)] + [span.replace('\n', ' ') for span in inline]:
        for line in block.replace('\\\n', ' ').splitlines():
            for part in re.split(r'&&|\|\||;| \| ', re.sub(r'(^|\s)#.*', '', line)):
                tool = COMMAND.search(part)
                if tool:
                    yield tool[1], part[tool.end():].split()


@pytest.mark.parametrize('page', PAGES, ids=lambda path: str(path.relative_to(REPO)))
def test_links_lead_somewhere(page):
    broken = []
    for name, anchor in links(page):
        target = (page.parent / name) if name else page
        if not target.exists():
            broken.append(name)
        elif anchor and anchor not in anchors(target):
            broken.append(f'{name}#{anchor}')
    assert not broken


@pytest.mark.parametrize('page', PAGES, ids=lambda path: str(path.relative_to(REPO)))
def test_files_that_are_named_exist(page):
    assert not [name for name in files_named(page) if not (REPO / name).exists()]


@pytest.mark.parametrize('page', PAGES, ids=lambda path: str(path.relative_to(REPO)))
def test_commands_name_scripts_and_options_that_exist(page):
    shared = ''.join((REPO / 'mmpose_integral' / path).read_text()
                     for path in ('engine/tool_config.py', 'preparation/job_command.py'))
    wrong = []
    for tool, words in commands(page):
        path = REPO / tool
        if not path.is_file():
            wrong.append(tool)
            continue
        # A tool's arguments may have a file of their own; a benchmark's are those of all scenarios.
        beside = '*.py' if path.parent.name == 'benchmark' else f'{path.stem}*'
        source = ''.join(file.read_text() for file in path.parent.glob(beside)) + shared
        for word in words:
            option = re.match(r'--[a-z][\w-]*', word)
            if option and not re.search(rf'{option[0]}(?![\w-])', source):
                wrong.append(f'{tool} {option[0]}')
    assert not wrong


@pytest.mark.parametrize('page', PAGES, ids=lambda path: str(path.relative_to(REPO)))
def test_python_in_the_pages_compiles(page):
    for _, language, block in FENCE.findall(page.read_text()):
        if language == 'python':
            compile(block, str(page), 'exec')


def test_the_checks_above_find_something(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text('# A `b`: c_d (e)?\n[x](other.md#y) `[no](link)` ![p](a.png)\n## Two\n## Two\n'
                    '```bash\npython tools/a.py --b c && bash tools/d.sh # python tools/e.py\n```\n[u](https://v.w)\n'
                    'See `configs/f.py`, `configs/*.py`, `work/configs/g.py`, `sh\ntools/h.sh --i`')
    assert list(links(page)) == [('other.md', 'y'), ('a.png', '')]
    assert anchors(page) == ['a-b-c_d-e', 'two', 'two-1']
    assert list(commands(page)) == [('tools/a.py', ['--b', 'c']), ('tools/d.sh', []), ('tools/h.sh', ['--i'])]
    assert list(files_named(page)) == ['tools/a.py', 'tools/d.sh', 'tools/e.py', 'configs/f.py', 'tools/h.sh']
    counts = {str(page.relative_to(REPO)): (len(list(links(page))), len(list(commands(page)))) for page in PAGES}
    assert all(counts[name] >= least for name, least in (
        ('README.md', (5, 5)), ('docs/inference.md', (10, 2)), ('docs/faq.md', (20, 3)))), counts


def numbers_apart(text):
    """The words of an output, and its numbers."""
    pattern = r'-?\d+(?:\.\d+)?'
    return re.sub(pattern, '#', text).split(), [float(number) for number in re.findall(pattern, text)]


def test_the_code_of_inference_md_prints_what_it_says(tmp_path, monkeypatch, one_thread):
    text = (REPO / 'docs' / 'inference.md').read_text()
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location('make_standin', REPO / 'tools' / 'make_standin.py')
    make_standin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_standin)
    make_standin.main(shlex.split(re.search(r'python tools/make_standin\.py (.*)', text)[1]) + ['--num-workers', '1'])
    printed, namespace, compared = [], {}, 0
    namespace['print'] = lambda *words: printed.append(' '.join(map(str, words)))
    for left_out, block, expected in RUN_BLOCK.findall(text):
        if not left_out:
            printed.clear()
            exec(compile(block, 'docs/inference.md', 'exec'), namespace)
            (words, numbers), (said_words, said) = numbers_apart('\n'.join(printed)), numbers_apart(expected)
            assert words == said_words, '\n'.join(printed)
            # Other processors and versions of torch round in another way.
            assert numbers == pytest.approx(said, rel=0.01, abs=3), '\n'.join(printed)
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
