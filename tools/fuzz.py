"""Coverage-guided fuzzing of the readers of files with atheris (`pip install atheris`).

    python tools/fuzz.py                              all parsers, 100,000 runs each
    python tools/fuzz.py boxes pickle --seconds 60    two parsers, for at most a minute each
    python tools/fuzz.py boxes --replay FILE          one input again, without atheris

A parser begins with small valid files. A crash is an exception that the reader does not document, a message of several
lines, or an input that takes more than 10 s or 1 GiB of memory. Its input is written to OUT/<parser>, and the command
to replay it is printed. The inputs that reached new code stay in OUT/<parser>/corpus. The exit status is 1 after a
crash.
"""
import argparse
import importlib.util
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

MAX_SECONDS, MAX_MIB = 10, 1024


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('parsers', nargs='*', help='parsers (default: all)')
    parser.add_argument('--runs', type=int, default=100_000, help='number of inputs per parser (default: 100000)')
    parser.add_argument('--seconds', type=int, default=0, help='longest time per parser, s (default: unlimited)')
    parser.add_argument('--seed', type=int, default=1, help='seed of the mutations (default: 1)')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/fuzz'), help='folder of crashes and corpora')
    parser.add_argument('--replay', type=Path, metavar='FILE', help='run this input only')
    parser.add_argument('--list', action='store_true', help='list the parsers and exit')
    return parser.parse_args(argv)


def check(parser, data, path):
    """Give an input to a parser as a file; raise an exception if it does not answer as it documents."""
    path.write_bytes(parser.build(data))
    try:
        parser.read(path)
    except parser.errors as error:
        if len(str(error).splitlines()) > 1:
            raise AssertionError(f'a message of several lines: {error}') from error


def fuzz(name, parser, args, scratch):
    """Fuzz one parser in this process, which ends with it."""
    import atheris
    folder = args.out / name
    (folder / 'corpus').mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(parser.seeds()):
        (folder / 'corpus' / f'seed{number}').write_bytes(seed)
    path, end, done = scratch / f'{name}{parser.suffix}', time.monotonic() + (args.seconds or 1e9), 0

    def one(data):
        nonlocal done
        try:
            check(parser, data, path)
        except BaseException:
            traceback.print_exc()
            os.write(1, f'runs: {done}\n'.encode())
            raise
        done += 1
        if done >= args.runs or time.monotonic() > end:
            os.write(1, f'runs: {done}\n'.encode())
            os._exit(0)  # libFuzzer would wait for threads that this process does not have

    atheris.Setup([sys.argv[0], f'-seed={args.seed}', f'-timeout={MAX_SECONDS}', '-max_len=8192', '-verbosity=0',
                   f'-rss_limit_mb={resident() + MAX_MIB}', f'-artifact_prefix={folder}/', str(folder / 'corpus')], one)
    atheris.Fuzz()


def resident():
    """Memory of this process, MiB."""
    return int(Path('/proc/self/statm').read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE') >> 20


def run(name, parser, args, scratch):
    """Fuzz one parser in a process of its own, which shares the imports; return whether it found nothing."""
    print(f'{name}: at most {args.runs} runs', flush=True)
    (args.out / name).mkdir(parents=True, exist_ok=True)
    log, start = args.out / name / 'log.txt', time.monotonic()
    before = crashes(args.out / name)
    process = os.fork()
    if not process:
        try:
            file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(file, 1)
            os.dup2(file, 2)
            fuzz(name, parser, args, scratch)
        finally:
            os._exit(99)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    text = log.read_text(errors='replace')
    done = [line.split()[-1] for line in text.splitlines() if line.startswith('runs: ')]
    print(f'{name}: {done[-1] if done else "unknown number of"} runs in {time.monotonic() - start:.0f} s, '
          + ('no crash' if status == 0 else f'ended with status {status}; see {log}'), flush=True)
    for path in sorted(crashes(args.out / name) - before):
        print(f'  replay with: python tools/fuzz.py {name} --replay {path}', flush=True)
    return status == 0


def crashes(folder):
    """The inputs of crashes in the folder of a parser."""
    return {path for kind in ('crash', 'timeout', 'oom', 'leak') for path in folder.glob(f'{kind}-*')}


def main(argv=None):
    args = parse_args(argv)
    if args.replay is None and not args.list and importlib.util.find_spec('atheris') is None:
        print('fuzzing needs atheris, which is not installed: pip install atheris', file=sys.stderr)
        return 1
    if args.replay is None and not args.list:
        import atheris
        with atheris.instrument_imports(include=['mmpose_integral.formats', 'mmpose_integral.utils.files',
                                                 'mmpose_integral.utils.reading', 'mmpose_integral.engine.safe_load',
                                                 'mmpose_integral.preparation.h36m']):
            from fuzz_parsers import make_parsers
    else:
        from fuzz_parsers import make_parsers
    # In memory where this is possible: each input is written to a file. The folder in it is ours alone.
    memory = '/dev/shm'  # nosec B108
    with tempfile.TemporaryDirectory(dir=memory if os.path.isdir(memory) else None) as scratch:
        parsers = make_parsers(Path(scratch))
        unknown = [name for name in args.parsers if name not in parsers]
        if unknown or args.list:
            print('\n'.join([*(f'no such parser: {name}' for name in unknown), 'parsers:', *parsers]))
            return 2 if unknown else 0
        names = args.parsers or list(parsers)
        if args.replay is not None:
            check(parsers[names[0]], args.replay.read_bytes(), Path(scratch) / f'input{parsers[names[0]].suffix}')
            print(f'{args.replay}: no crash')
            return 0
        found = [name for name in names if not run(name, parsers[name], args, Path(scratch))]
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
